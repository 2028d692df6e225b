"""Every object of a plane at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import DiskPredictor, MarkingDiskPredictor
from tests.volume.conftest import LEFT, RIGHT, ball, paint_balls

from napari_sam_adapter.errors import (
    ImageError,
    OutputError,
    PlaneError,
    SessionError,
)
from napari_sam_adapter.predictions import ALL_PROMPTS
from napari_sam_adapter.volume.document.edits import ChooseCandidate
from napari_sam_adapter.volume.document.ledger import Ledger
from napari_sam_adapter.volume.document.object_edits import SetOverlapRule
from napari_sam_adapter.volume.finding import object_search
from napari_sam_adapter.volume.finding.finding import (
    FoundObjects,
    find_objects,
    find_steps,
    finding,
    take_in,
)
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session


class CompanyPredictor(MarkingDiskPredictor):
    """Adds a pixel for everything in the pass: masks depend on their company."""

    def predict_many(self, embedding, prompts_list):
        for answer in (answers := super().predict_many(embedding, prompts_list)):
            answer.mask[0, : len(prompts_list)] = True
        return answers


class ShrinkingPredictor(MarkingDiskPredictor):
    """Answers in pixels of a smaller plane."""

    def predict_many(self, embedding, prompts_list):
        smaller = MarkingDiskPredictor().encode(embedding.features[:-1, :-1])
        return super().predict_many(smaller, prompts_list)


@pytest.fixture(params=[MarkingDiskPredictor, DiskPredictor])
def predictor(request):
    """One that marks objects by itself, and one that is asked on a grid."""
    return request.param()


def search(session, plane):
    *_, found = find_steps(finding(session, plane))
    return found


def test_all_objects_are_found_once(session, volume, plane):
    assert find_objects(session, plane) == [1, 2]
    assert {session.labels[LEFT], session.labels[RIGHT]} == {1, 2}
    assert np.array_equal(session.labels[4] > 0, volume[4] > 127)
    assert not np.delete(session.labels, 4, axis=0).any()


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (0, 2)])
def test_they_are_counted_as_they_lie(session, plane, axes):
    place = plane.position[0] if 0 not in axes else LEFT[1]
    found = find_objects(session, Plane(axes, (place,)))
    counted = Ledger(session.labels)
    assert found == counted.objects
    known = session._document.ledger
    for number in found:
        there, here = counted.parts(number), known.parts(number)
        assert here.keys() == there.keys()
        assert all(here[i].voxels == there[i].voxels for i in here)
    session.undo()
    assert not known.objects
    assert not session.labels.any()


def test_each_of_them_has_a_point_on_it_that_can_be_corrected(session, plane):
    for number in find_objects(session, plane):
        (point,) = session.prompts(number, plane).points
        assert session.labels[(4, *np.rint(point).astype(int))] == number
        session.add_point(number, plane, tuple(point + 4), positive=False)
        area = np.count_nonzero(session.labels == number)
        assert 0 < np.count_nonzero(session.mask(number, plane)) < area


def test_all_of_them_are_one_step(session, plane):
    session.new_object()
    find_objects(session, plane)
    labels = session.labels.copy()
    session.undo()
    assert session.object_ids == [1]
    assert not session.labels.any()
    session.redo()
    assert session.object_ids == [1, 2, 3]
    assert np.array_equal(session.labels, labels)


def test_objects_that_are_there_stay_as_they_are(clicked, plane):
    before = clicked.labels == 1
    assert find_objects(clicked, plane) == [2]
    assert np.array_equal(clicked.labels == 1, before)
    assert clicked.labels[RIGHT] == 2


def test_where_nothing_is_there_is_no_step(session):
    session.new_object()
    assert find_objects(session, Plane((1, 2), (0,))) == []
    session.undo()
    assert session.object_ids == []


def test_what_was_found_can_be_followed(session, plane):
    found = find_objects(session, plane)
    assert len(list(propagate(session, found))) > len(found)
    assert len(np.unique(session.labels[3])) == len(found) + 1


def test_touching_objects_are_asked_one_by_one():
    touching = paint_balls(ball((4, 14, 10)), ball((4, 14, 21)))
    predictor = MarkingDiskPredictor()
    plane = Plane((1, 2), (4,))
    request = finding(Session(touching, predictor), plane)
    list(find_steps(request))
    asked = sorted(tuple(p.points[0]) for p, _ in predictor.predicted)
    assert np.allclose(asked, [(14, 10), (14, 21)], atol=2)


def test_the_journal_repeats_it(volume, plane, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(volume, CompanyPredictor(), journal=path)
    session.add_point(session.new_object(), plane, LEFT[1:])
    session.mask(1, plane)
    find_objects(session, plane)
    session.undo()
    session.redo()
    again = replay(path, volume, CompanyPredictor())
    assert np.array_equal(again.labels, session.labels)
    assert again.object_ids == session.object_ids == [1, 2]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_mask_with_a_low_score_is_no_object(volume, plane, is_trusted):
    capabilities = replace(ALL_PROMPTS, score_is_trusted=is_trusted)
    unsure = MarkingDiskPredictor(score=0.5, capabilities=capabilities)
    session = Session(volume, unsure)
    assert len(find_objects(session, plane)) == (0 if is_trusted else 2)


@pytest.mark.parametrize("kind", [MarkingDiskPredictor, DiskPredictor])
def test_large_planes_are_looked_at_in_parts(kind):
    centres = [(4, row, column) for row in (12, 60, 108) for column in (12, 60, 108)]
    shape = 9, 120, 120
    balls = [ball(centre, (3, 8, 8), shape) for centre in centres]
    session = Session(paint_balls(*balls), kind(image_size=40))
    plane = Plane((1, 2), (4,))
    assert len(find_objects(session, plane)) == len(centres)
    assert np.array_equal(session.labels[4] > 0, np.logical_or.reduce(balls)[4])


def test_what_is_seen_in_another_way_by_then_is_not_taken_in(session, plane):
    found = search(session, plane)
    session.predictor = MarkingDiskPredictor()
    with pytest.raises(SessionError, match="Search again"):
        take_in(session, found)
    assert session.object_ids == []


def test_objects_that_came_meanwhile_keep_their_pixels(session, plane):
    found = search(session, plane)
    session.add_point(session.new_object(), plane, LEFT[1:])
    before = session.mask(1, plane).copy()
    take_in(session, found)
    assert np.array_equal(session.labels[4] == 1, before)
    assert session.object_ids == [1, 2]
    assert session.labels[RIGHT] == 2


def test_more_objects_than_labels_can_hold_change_nothing(volume, plane, predictor):
    labels = np.zeros(volume.shape, np.uint8)
    labels[0].flat[:254] = np.arange(1, 255)
    session = Session(volume, predictor, labels=labels)
    with pytest.raises(SessionError):
        find_objects(session, plane)
    assert session.object_ids == list(range(1, 255))
    assert np.count_nonzero(session.labels) == 254


def test_a_plane_that_cannot_be_read_is_told(predictor):
    with pytest.raises(ImageError):
        find_objects(
            Session(np.full((9, 32, 40), np.nan), predictor), Plane((1, 2), (4,))
        )


def test_a_plane_outside_is_refused(session):
    with pytest.raises(PlaneError):
        find_objects(session, Plane((1, 2), (40,)))


def test_it_needs_a_network(volume, plane):
    with pytest.raises(SessionError, match="Expected a model"):
        find_objects(Session(volume), plane)


def test_the_progress_ends_at_its_total(session, plane):
    *steps, found = find_steps(finding(session, plane))
    assert isinstance(found, FoundObjects)
    assert steps[-1].done == steps[-1].total


def test_a_search_is_in_the_journal_whole_or_not_at_all(volume, plane, tmp_path):
    path, cut = tmp_path / "journal.jsonl", tmp_path / "cut.jsonl"
    session = Session(volume, MarkingDiskPredictor(), journal=path)
    before = path.stat().st_size
    find_objects(session, plane)
    written = path.read_bytes()
    for size in np.linspace(before, len(written), 7).astype(int):
        cut.write_bytes(written[:size])
        again = replay(cut, volume, MarkingDiskPredictor())
        found = session.labels if size == len(written) else np.zeros(volume.shape)
        assert np.array_equal(again.labels, found)
        assert again.object_ids == ([1, 2] if found.any() else [])


class FullDisk:
    """A recorder that has no room."""

    def append(self, entry):
        raise OutputError("The disk is full.")

    def close(self):
        pass


class WidePredictor(MarkingDiskPredictor):
    """Sees every disk 6 pixels further to the left than it reaches."""

    def predict(self, embedding, prompts, previous=None):
        answer = super().predict(embedding, prompts, previous)
        mask = answer.mask.copy()
        for _ in range(6):
            mask[:, :-1] |= mask[:, 1:]
        return replace(answer, mask=mask, candidates=())


def labels_found_beside_one(rule, path):
    """Click on the second of four disks, find the others, and replay it all."""
    row = [ball((4, 14, column), shape=(9, 32, 60)) for column in (9, 23, 37, 51)]
    image, plane = paint_balls(*row), Plane((1, 2), (4,))
    session = Session(image, WidePredictor(), journal=path)
    session.apply(SetOverlapRule(rule))
    session.add_point(session.new_object(), plane, (14, 23))
    clicked = session.mask(1, plane)
    assert find_objects(session, plane) == [2, 3, 4]
    again = replay(path, image, WidePredictor())
    assert np.array_equal(again.labels, session.labels)
    return session.labels[4], clicked


@pytest.mark.parametrize("rule", ["keep", "cut"])
def test_found_objects_take_nothing_from_others(rule, tmp_path):
    labels, clicked = labels_found_beside_one(rule, tmp_path / "journal.jsonl")
    assert np.array_equal(labels == 1, clicked)


def test_only_the_rule_overwrite_lets_them_take_from_those_before(tmp_path):
    labels, clicked = labels_found_beside_one("overwrite", tmp_path / "journal.jsonl")
    kept, _ = labels_found_beside_one("keep", tmp_path / "kept.jsonl")
    assert np.count_nonzero(labels == 1) < np.count_nonzero(clicked)
    is_found = kept > 1
    assert np.array_equal(labels[is_found], kept[is_found])


def test_a_journal_that_cannot_be_written_costs_no_mask(session, plane):
    found = search(session, plane)
    session.log.record_with(FullDisk())
    with pytest.raises(OutputError, match="full"):
        take_in(session, found)
    assert session.object_ids == [1, 2]
    assert {session.labels[LEFT], session.labels[RIGHT]} == {1, 2}


def test_what_came_meanwhile_is_replayed_the_same(volume, plane, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(volume, CompanyPredictor(), journal=path)
    found = search(session, plane)
    session.add_point(session.new_object(), plane, LEFT[1:])
    session.mask(1, plane)
    take_in(session, found)
    again = replay(path, volume, CompanyPredictor())
    assert np.array_equal(again.labels, session.labels)
    assert again.object_ids == session.object_ids


def test_what_the_user_chose_meanwhile_counts_for_what_is_found(
    volume, plane, tmp_path
):
    path, largest = tmp_path / "journal.jsonl", 2
    session = Session(volume, MarkingDiskPredictor(), journal=path)
    session.add_point(session.new_object(), plane, LEFT[1:])
    session.mask(1, plane)
    found = search(session, plane)
    session.apply(ChooseCandidate(1, plane, largest, remember=True))
    take_in(session, found)
    assert session.chosen_candidate(2, plane) == largest
    assert (session.labels == 2).sum() > (volume[4] > 127).sum() / 2
    again = replay(path, volume, MarkingDiskPredictor())
    assert np.array_equal(again.labels, session.labels)


def test_of_very_many_the_search_itself_keeps_few_logits(monkeypatch):
    monkeypatch.setattr(object_search, "MOST_REFINABLE", 10)
    monkeypatch.setattr(object_search, "POINTS_PER_PASS", 4)
    rows, columns = np.ogrid[:64, :64]
    far = (rows % 8 - 4) ** 2 + (columns % 8 - 4) ** 2
    image = np.where(far <= 4, 200, (rows + columns) % 3).astype(np.uint8)
    found = search(Session(image, MarkingDiskPredictor()), Plane((0, 1)))
    with_logits = [a.can_be_refined for part in found.passes for a in part.answers if a]
    assert len(with_logits) == 64
    assert with_logits[-10:] == [True] * 10
    assert sum(with_logits) < 10 + 4


def test_masks_of_another_shape_are_refused(session, plane):
    session.predictor = ShrinkingPredictor()
    with pytest.raises(SessionError, match="in pixels of the plane"):
        search(session, plane)
