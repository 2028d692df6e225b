"""What changes many objects is done little by little, and nobody sees half of it."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.document import document
from napari_sam_adapter.volume.document.edits import DeleteObject
from napari_sam_adapter.volume.document.journal_entries import EditGroup, Redo, Undo
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    MergeObjects,
    SplitObject,
)
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

PLANE = Plane((0, 1))
SIDE, FREE = 12, (4, 4)
"""Disks along each side, more than are written without a pause; where one more is."""


def many_disks():
    rows, columns = np.ogrid[: 8 * SIDE, : 8 * SIDE]
    far = (rows % 8 - 4) ** 2 + (columns % 8 - 4) ** 2
    return np.where(far <= 4, 200, (rows + columns) % 3).astype(np.uint8)


@pytest.fixture
def session(tmp_path):
    """All disks are objects but the first, which is no object yet."""
    journal = tmp_path / "journal.jsonl"
    session = Session(many_disks(), MarkingDiskPredictor(), journal=journal)
    first = session.new_object()
    session.add_point(first, PLANE, FREE)
    find_objects(session, PLANE)
    return session


def entries(session):
    """What may be done with all objects but the first."""
    ids = tuple(session.object_ids[1:])
    return {
        "undo": Undo(),
        "delete": EditGroup(tuple(map(DeleteObject, ids))),
        "merge": MergeObjects(ids),
    }


def replayed(session, tmp_path):
    session.log.close()  # as a process that is killed, which finishes nothing
    return replay(tmp_path / "journal.jsonl", many_disks(), MarkingDiskPredictor())


@pytest.fixture
def merged(session):
    """All disks are one object."""
    session.apply(MergeObjects(tuple(session.object_ids)))
    return session


@pytest.mark.parametrize("name", ["undo", "delete", "merge"])
def test_objects_are_as_they_will_be_at_once_and_pixels_follow(session, name, tmp_path):
    before = session.labels.copy()
    entry = entries(session)[name]
    session.under_way.begin(session.doing(entry))
    assert len(session.object_ids) == (2 if name == "merge" else 1)
    assert session.under_way.is_busy
    half = session.labels.copy()
    assert not np.array_equal(half, before)
    while session.under_way.go_on():
        pass
    assert not np.array_equal(session.labels, half)
    assert set(np.unique(session.labels)) <= {0, *session.object_ids}
    assert np.array_equal(replayed(session, tmp_path).labels, session.labels)


def test_the_pieces_of_an_object_are_objects_at_once(merged, tmp_path):
    before = merged.labels.copy()
    merged.under_way.begin(merged.doing(SplitObject(1)))
    assert merged.object_ids == list(range(1, SIDE**2 + 1))
    assert merged.under_way.is_busy
    assert 1 < len(np.unique(merged.labels)) - 1 < SIDE**2
    merged.undo()
    assert np.array_equal(merged.labels, before)
    merged.redo()
    assert len(np.unique(merged.labels)) - 1 == SIDE**2
    assert np.array_equal(replayed(merged, tmp_path).labels, merged.labels)


def test_what_was_split_is_left_alone_by_masks_of_all(merged):
    merged.apply(SplitObject(1))
    split = merged.labels.copy()
    for object_id in (1, 2, SIDE**2):
        merged.set_box(object_id, PLANE, (0, 0, 40, 40))
        merged.mask(object_id, PLANE)
    assert np.array_equal(merged.labels[split > 0], split[split > 0])


@pytest.mark.parametrize("name", ["undo", "delete", "merge"])
def test_back_and_forth_before_it_is_done(session, name):
    before, entry = session.labels.copy(), entries(session)[name]
    session.under_way.begin(session.doing(entry))
    (session.redo if name == "undo" else session.undo)()
    assert np.array_equal(session.labels, before)
    (session.undo if name == "undo" else session.redo)()
    assert set(np.unique(session.labels)) <= {0, *session.object_ids}


def test_redo_brings_all_objects_at_once(session):
    before, ids = session.labels.copy(), session.object_ids
    session.undo()
    session.under_way.begin(session.doing(Redo()))
    assert session.under_way.is_busy
    assert session.object_ids == ids
    session.under_way.finish()
    assert np.array_equal(session.labels, before)


def test_a_mask_on_its_way_comes_after_it(session, tmp_path):
    session.apply(DeleteObject(session.object_ids[-1]))
    session.undo()
    late = session.compute(session.request(1, PLANE))
    session.under_way.begin(session.doing(entries(session)["delete"]))
    session.commit(late)
    assert not session.under_way.is_busy
    assert list(np.unique(session.labels)) == [0, 1]
    assert np.array_equal(replayed(session, tmp_path).labels, session.labels)


def test_a_process_that_dies_meanwhile_has_not_begun(session, tmp_path):
    before = session.labels.copy()
    session.under_way.begin(session.doing(Undo()))
    assert np.array_equal(replayed(session, tmp_path).labels, before)


@pytest.mark.parametrize("name", ["delete", "merge"])
def test_one_locked_object_refuses_all_before_anything_changes(session, name):
    entry = entries(session)[name]
    session.apply(LockObject(session.object_ids[-1]))
    before, ids = session.labels.copy(), session.object_ids
    with pytest.raises(SessionError, match="locked"):
        session.under_way.begin(session.doing(entry))
    assert not session.under_way.is_busy
    assert session.object_ids == ids
    assert np.array_equal(session.labels, before)


def test_little_is_done_without_a_pause(session):
    last = session.object_ids[-1]
    session.under_way.begin(session.doing(DeleteObject(last)))
    assert not session.under_way.is_busy
    assert not (session.labels == last).any()


def test_found_objects_are_few_containers_for_python_s_search_for_garbage():
    find_objects(Session(many_disks(), MarkingDiskPredictor()), PLANE)  # late imports
    predictor = MarkingDiskPredictor()
    session = Session(many_disks(), predictor)
    gc.collect()
    before = len(gc.get_objects())
    find_objects(session, PLANE)
    predictor.predicted.clear()
    gc.collect()
    assert len(gc.get_objects()) - before < 10 * SIDE**2


def test_a_large_step_is_few_containers_too(session):
    """Deleting, and what an undo makes on its way."""
    ids = tuple(session.object_ids[1:])
    session.apply(*map(DeleteObject, ids))
    gc.collect()
    before = len(gc.get_objects())
    session.undo()
    session.redo()
    gc.collect()
    assert len(gc.get_objects()) - before < len(ids)


def test_of_very_many_found_at_once_the_newest_alone_keep_their_logits(monkeypatch):
    monkeypatch.setattr(document, "MOST_REFINABLE", 5)
    session = Session(many_disks(), MarkingDiskPredictor())
    ids = find_objects(session, PLANE)
    session.undo()
    session.redo()
    asked = [session.request(i, PLANE, two_points(i)) for i in ids]
    assert [request.previous is not None for request in asked[-6:]] == [
        False,
        *[True] * 5,
    ]


def two_points(object_id):
    row, column = divmod(object_id - 1, SIDE)
    return Prompts([(8 * row + 4, 8 * column + 4), (8 * row + 4, 8 * column + 5)])


def test_a_merged_object_that_is_deleted_at_once_leaves_nothing_behind(session):
    before, ids = session.labels.copy(), tuple(session.object_ids[1:])
    session.apply(MergeObjects(ids), DeleteObject(ids[0]))
    assert session.object_ids == [1]
    assert not session.labels.any()
    assert {object_id for object_id, _ in session.state.records} == {1}
    session.undo()
    assert np.array_equal(session.labels, before)
