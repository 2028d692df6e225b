"""Objects that are not followed keep their pixels, and results say so."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor

from napari_sam_adapter.follow_rule import FollowRule
from napari_sam_adapter.volume.document.edits import DeleteObject, NewObject, Paint
from napari_sam_adapter.volume.document.object_edits import SetOverlapRule
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.propagation.propagation import (
    PropagationSettings,
    propagate,
)
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

LENGTH = 12
SQUARE = np.argwhere(np.ones((10, 10))) + 6
"""Pixels of the object, the same on every slice."""


def at(z):
    return Plane((1, 2), (z,))


def volume():
    ground = np.indices((LENGTH, 24, 48)).sum(axis=0) % 3
    ground[:, 6:16, 6:16] = 200
    ground[:, 6:16, 30:40] = 220
    return ground.astype(np.uint8)


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "journal.jsonl"
    return Session(volume(), MarkingDiskPredictor(), journal=path)


def played_again(tmp_path):
    return replay(tmp_path / "journal.jsonl", volume(), MarkingDiskPredictor()).labels


def click(session, z):
    """Make an object of the left square on a slice."""
    object_id = session.new_object()
    session.add_point(object_id, at(z), (11, 11))
    session.mask(object_id, at(z))
    return object_id


def paint(object_id, z, pixels=SQUARE):
    return Paint(at(z), pixels, np.full(len(pixels), object_id))


def slices_of(session, object_id):
    return np.flatnonzero((session.labels == object_id).any(axis=(1, 2))).tolist()


def told(results):
    return {result.plane.position[0]: result.reason for result in results}


def test_objects_end_where_others_are_that_were_followed_before(session, tmp_path):
    first = find_objects(session, at(3))
    list(propagate(session, first, seed=at(3), start=3, stop=6))
    second = find_objects(session, at(8))
    results = list(propagate(session, second, seed=at(8)))
    assert [slices_of(session, i) for i in first] == [[3, 4, 5, 6]] * 2
    assert [slices_of(session, i) for i in second] == [[7, 8, 9, 10, 11]] * 2
    own = [result for result in results if result.object_id == second[0]]
    met = {z: reason for z, reason in told(own).items() if z < 7}
    assert met == {6: "conflict", 5: "conflict"}
    assert not any(r.is_usable for r in own if r.reason == "conflict")
    doubts = {(doubt.object_id, doubt.reason) for doubt in session.doubts()}
    assert doubts == {(i, "conflict") for i in second}
    assert session.confidence(second[0], at(6)) == 0
    assert np.array_equal(played_again(tmp_path), session.labels)


def test_one_slice_of_another_object_is_passed_by(session):
    session.apply(NewObject(1), paint(1, 7))
    own = click(session, 5)
    results = list(propagate(session, own))
    assert told(results)[7] == "conflict"
    assert slices_of(session, own) == [z for z in range(LENGTH) if z != 7]


def test_a_mask_that_went_astray_on_a_neighbour_is_cut_off(session):
    wide = np.indices((LENGTH, 24, 48))
    image = np.where((wide[1] > 5) & (wide[1] < 16) & (wide[2] > 5), 200, 0)
    image[5, :, 16:] = 0
    session = Session(image.astype(np.uint8), MarkingDiskPredictor())
    session.apply(NewObject(1))
    beside = np.argwhere(np.ones((10, 32))) + np.array([6, 16])
    session.apply(*(paint(1, z, beside) for z in range(LENGTH)))
    own = click(session, 5)
    results = list(propagate(session, own, start=4, stop=6))
    assert set(told(results).values()) <= {"", "end"}
    for z in (4, 5, 6):
        assert np.array_equal(np.argwhere(session.labels[z] == own), SQUARE)


@pytest.mark.parametrize("rule", ["cut", "overwrite"])
def test_open_objects_give_way_where_the_rule_says_so(session, rule):
    session.apply(NewObject(1), paint(1, 7), NewObject(2), SetOverlapRule(rule))
    session.set_box(1, at(8), (5.5, 5.5, 15.5, 15.5))
    session.mask(1, at(8))
    own = click(session, 5)
    results = list(propagate(session, own))
    assert not (session.labels[8] == 1).any()
    assert told(results)[8] == ""


def test_interpolation_tells_of_them(session):
    session.apply(NewObject(1), NewObject(2), paint(2, 4))
    session.apply(paint(1, 2), paint(1, 6))
    settings = PropagationSettings(method="interpolation")
    results = list(propagate(session, 1, settings=settings))
    assert told(results) == {3: "", 4: "conflict", 5: ""}
    assert session.confidence(1, at(4)) == 0


def test_an_object_goes_on_where_the_other_was_deleted(session):
    session.apply(NewObject(1), paint(1, 7), paint(1, 8))
    own = click(session, 5)
    list(propagate(session, own))
    assert slices_of(session, own) == list(range(7))
    session.apply(DeleteObject(1))
    list(propagate(session, own))
    assert slices_of(session, own) == list(range(LENGTH))


EDITS = {
    "here": paint(1, 7),
    "turned": Paint(Plane((2, 1), (7,)), SQUARE, np.full(len(SQUARE), 1)),
    "across": Paint(
        Plane((0, 2), (9,)),
        np.argwhere(np.ones((LENGTH, 10))) + np.array([0, 6]),
        np.full(10 * LENGTH, 1),
    ),
    "away": DeleteObject(1),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize("rule", [None, FollowRule(neighbour_points=2)])
def test_edits_meanwhile_leave_a_journal_that_leads_there_again(
    session, tmp_path, edit, rule
):
    session.apply(NewObject(1), paint(1, 9), paint(1, 2, SQUARE[:30]))
    own = click(session, 5)
    settings = PropagationSettings(follow=rule) if rule else None
    results = propagate(session, own, settings=settings)
    next(results)
    session.apply(edit)
    list(results)
    assert np.array_equal(played_again(tmp_path), session.labels)


def test_what_came_meanwhile_is_told_by_the_session(session):
    session.apply(NewObject(1))
    own = click(session, 5)
    results = propagate(session, own)
    next(results)
    session.apply(paint(1, 8), paint(1, 9, SQUARE[:50]))
    list(results)
    assert (session.labels[9] == own).sum() == 50
    assert session.confidence(own, at(8)) == 0
    assert 0 < session.confidence(own, at(9)) < session.confidence(own, at(10))
    doubts = {doubt.plane.position[0]: doubt.reason for doubt in session.doubts(own)}
    assert doubts == {8: "conflict", 9: "conflict"}


def test_two_propagations_at_once_can_be_played_again(session, tmp_path):
    first, second = click(session, 2), click(session, 9)
    runs = [follow(session.propagation(i)) for i in (first, second)]
    for results in zip(*runs, strict=False):
        for result in results:
            if result is not None:
                session.commit(result)
    assert not set(slices_of(session, first)) & set(slices_of(session, second))
    assert np.array_equal(played_again(tmp_path), session.labels)
