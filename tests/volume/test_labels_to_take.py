"""Labels from elsewhere as objects of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.fakes import DiskPredictor

from napari_sam_adapter import Plane, Session, replay
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.edits import NewObject, Paint
from napari_sam_adapter.volume.document.object_edits import LockObject, WriteLabels
from napari_sam_adapter.volume.session.labels_to_take import reading_labels

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.volume.document.journal_entries import EditGroup

IMAGE = np.zeros((4, 30, 40), np.uint8)
IMAGE[1:3, 5:15, 5:15] = IMAGE[2, 20:25, 20:35] = 200


def foreign() -> np.ndarray:
    labels = np.zeros(IMAGE.shape, np.uint16)
    labels[1:3, 5:15, 5:15], labels[2, 20:25, 20:35] = 7, 300
    return labels


def edits_for(session: Session, labels: np.ndarray) -> EditGroup:
    *_, last = reading_labels(labels)
    assert last is not None
    return last.edits_for(session)


def test_objects_keep_their_numbers_and_one_undo_takes_them_back() -> None:
    session = Session(IMAGE)
    session.apply(*edits_for(session, foreign()).edits)
    assert session.object_ids == [7, 300]
    np.testing.assert_array_equal(session.labels, foreign())
    session.undo()
    assert session.object_ids == []
    assert not session.labels.any()


def test_numbers_in_use_are_passed_over_and_pixels_in_use_stay() -> None:
    session = Session(IMAGE)
    place = np.array([[6, 6], [0, 0]])
    session.apply(Paint(Plane((1, 2), (1,)), place, np.array([7, 7])))
    session.apply(*edits_for(session, foreign()).edits)
    assert session.object_ids == [7, 8, 9]
    expected = np.select([foreign() == 7, foreign() == 300], [8, 9])
    expected[1, 6, 6] = expected[1, 0, 0] = 7
    np.testing.assert_array_equal(session.labels, expected)


def test_free_numbers_are_taken_where_the_labels_end() -> None:
    own = np.zeros(IMAGE.shape, np.uint8)
    own[0, 0, 0], own[0, 0, 1] = 3, 255
    session = Session(IMAGE, labels=own)
    session.apply(*edits_for(session, foreign()).edits)
    assert session.object_ids == [1, 2, 3, 255]
    assert (session.labels[foreign() == 300] == 2).all()


def test_many_labels_of_many_slices_are_taken_with_pauses() -> None:
    image = np.zeros((8, 512, 512), np.uint8)
    image[:, 1:] = 9
    labels = np.zeros(image.shape, np.int32)
    labels[:, ::8, ::8] = 1 + np.arange(64 * 64).reshape(64, 64)
    session = Session(image)
    work = session.doing(edits_for(session, labels))
    pauses = 0
    for _ in work:
        pauses += 1
        if pauses == 1:
            assert not session.labels[-1].any()
    assert pauses >= 4
    np.testing.assert_array_equal(session.labels, labels)
    assert session.objects.summary(64 * 64).voxels == 8


def test_labels_of_one_large_slice_are_taken_with_pauses() -> None:
    rows, columns = np.indices((1300, 1500))
    labels = np.where((rows % 9 > 0) & (columns > 40), 1 + rows // 9 * 7, 0)
    session = Session((rows % 200).astype(np.uint8))
    parts = [edit.values for edit in edits_for(session, labels).edits[-9:]]
    assert max(part.size for part in parts) <= 512 * 512
    assert len(list(session.doing(edits_for(session, labels)))) >= 4
    np.testing.assert_array_equal(session.labels, labels)
    assert session.objects.summary(1).voxels == 8 * 1459
    session.undo()
    assert not session.labels.any()


def test_taken_labels_are_in_the_journal(tmp_path: Path) -> None:
    session = Session(IMAGE, journal=tmp_path / "session.jsonl")
    session.apply(*edits_for(session, foreign()).edits)
    again = replay(tmp_path / "session.jsonl", IMAGE, None)
    np.testing.assert_array_equal(again.labels, foreign())
    assert again.object_ids == [7, 300]


def test_a_click_may_change_what_was_taken() -> None:
    labels = foreign()
    labels[1, 5:15, 15:20] = 7  # too much
    session = Session(IMAGE, DiskPredictor())
    session.apply(*edits_for(session, labels).edits)
    plane = Plane((1, 2), (1,))
    session.add_point(7, plane, (10, 10))
    session.mask(7, plane)
    np.testing.assert_array_equal(session.labels[1], foreign()[1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [(np.full(IMAGE.shape, -1), "from 0 on"), (np.zeros(IMAGE.shape, int), "alone")],
)
def test_labels_without_objects_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(SessionError, match=message):
        edits_for(Session(IMAGE), labels)


@pytest.mark.parametrize(
    ("corner", "values", "message"),
    [
        ((0, 0), np.ones((31, 40), int), "inside a plane"),
        ((-1, 0), np.ones((2, 2), int), "inside a plane"),
        ((0, 0), np.ones(3, int), "inside a plane"),
        ((0, 0), np.full((2, 2), 9), "got 9"),
        ((0, 0), np.ones((2, 2), int), "locked object 1"),
    ],
)
def test_labels_that_do_not_fit_change_nothing(
    corner: tuple[int, int], values: np.ndarray, message: str
) -> None:
    session = Session(IMAGE)
    session.apply(NewObject(1), LockObject(1))
    with pytest.raises(SessionError, match=message):
        session.apply(WriteLabels(Plane((1, 2), (0,)), corner, values))
    assert not session.labels.any()
