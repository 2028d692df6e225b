"""Labels of one moment, copied while the session goes on."""

import numpy as np
from tests.fakes import DiskPredictor

from napari_sam_adapter.volume.document.edits import DeleteObject, Paint
from napari_sam_adapter.volume.document.object_edits import LockObject
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.session.session import Session

FIRST, SECOND = Plane((1, 2), (0,)), Plane((1, 2), (1,))


def painted(rows, columns, value):
    pixels = np.argwhere(np.ones((rows, columns)))
    return pixels, np.full(len(pixels), value)


def session_with_objects():
    session = Session(np.zeros((2, 20, 20), np.uint8), DiskPredictor())
    for plane in (FIRST, SECOND):
        object_id = session.new_object()
        session.apply(Paint(plane, *painted(5, 8, object_id)))
    return session


def test_what_changes_before_and_after_the_copy_is_not_in_it():
    session = session_with_objects()
    expected = session.labels.copy()
    snapshot = session.snapshot()
    session.apply(Paint(FIRST, *painted(9, 3, 2)))
    session.apply(Paint(FIRST, *painted(4, 4, 1)))
    snapshot.copy()
    session.undo()
    session.apply(DeleteObject(2))
    snapshot.close()
    session.apply(Paint(SECOND, *painted(20, 20, 1)))
    assert np.array_equal(snapshot.labels(), expected)


def test_a_stroke_that_leaves_locked_objects_out_is_not_in_the_copy():
    session = session_with_objects()
    session.apply(LockObject(1))
    expected = session.labels.copy()
    snapshot = session.snapshot()
    pixels, values = painted(6, 9, 2)
    session.labels[0, :6, :9] = 2  # napari's brush
    snapshot.copy()
    session.labels[0] = expected[0]
    session.apply_drawn(Paint(FIRST, pixels, values))
    assert session.labels[0, 5, 5] == 2
    assert session.labels[0, 0, 0] == 1
    snapshot.close()
    assert np.array_equal(snapshot.labels(), expected)


def test_part_of_a_change_may_be_in_the_copy():
    session = session_with_objects()
    expected = session.labels.copy()
    snapshot = session.snapshot()
    session.labels[0, :2, 10] = 1  # a brush is on its way
    snapshot.copy()
    session.labels[0, :2, 10] = 0
    pixels = np.array([(row, 10) for row in range(4)])
    session.apply(Paint(FIRST, pixels, np.ones(4, int)))
    snapshot.close()
    assert np.array_equal(snapshot.labels(), expected)


def test_nothing_is_noted_any_more_after_the_end():
    session = session_with_objects()
    snapshot, other = session.snapshot(), session.snapshot()
    snapshot.copy().close()
    session.apply(Paint(FIRST, *painted(9, 3, 2)))
    other.copy().close()
    assert not session._document.recordings
    assert np.array_equal(snapshot.labels(), other.labels())
