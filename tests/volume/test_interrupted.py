"""Ctrl-C at any moment leaves an edit, or a mask, done wholly or not at all."""

from __future__ import annotations

import itertools
import signal
import sys
import threading

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.volume.conftest import LEFT

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.volume.document.edits import (
    AddPoint,
    DeleteObject,
    NewObject,
    Paint,
)
from napari_sam_adapter.volume.document.object_edits import TidyObject
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

AT = Plane((1, 2), (4,))
STRIDES = {
    "delete": 59,
    "undo": 7,
    "redo": 11,
    "click": 41,
    "follow": 487,
    "find": 83,
    "tidy": 97,
}
"""Lines from one moment to the next."""
WATCHED = "napari_sam_adapter/volume/", "napari_sam_adapter/interrupts"
pytestmark = pytest.mark.usefixtures("interruptible")


def interrupt(work, number):
    """Do some work with Ctrl-C before a line of it; return whether it was so long."""
    lines = itertools.count()

    def watch(frame, event, _):
        if event == "line" and next(lines) == number:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        is_watched = any(part in frame.f_code.co_filename for part in WATCHED)
        return watch if is_watched and sys.gettrace() else None

    tracer = sys.gettrace()
    sys.settrace(watch)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(tracer)
    return False


def painted(value):
    pixels = np.argwhere(np.ones((6, 6)))
    return [Paint(AT.at(0, z), pixels, np.full(36, value)) for z in (1, 2, 3)]


def delete(session):
    session.apply(DeleteObject(1), *painted(2))


def undo(session):
    session.undo()


def redo(session):
    session.redo()


def click(session):
    session.mask(2, AT)


def follow(session):
    list(propagate(session, 1))


def find(session):
    find_objects(session, AT.at(0, 5))


def tidy(session):
    session.apply(TidyObject(1, smoothing=2), TidyObject(1, (0, 2), smoothing=1))


def is_counted(session):
    ids, counts = np.unique(session.labels[session.labels > 0], return_counts=True)
    told = {i: session.objects.summary(i).voxels for i in session.object_ids}
    return {i: n for i, n in told.items() if n} == dict(zip(ids, counts, strict=True))


@pytest.fixture
def begin(volume, tmp_path):
    """Return a function that begins a session, and one that plays it again."""
    paths = (tmp_path / f"{number}.jsonl" for number in itertools.count())

    def begun():
        path = next(paths)
        session = Session(volume, MarkingDiskPredictor(), journal=path)
        session.apply(NewObject(1), NewObject(2), *painted(1))
        session.add_point(1, AT, LEFT[1:])
        session.mask(1, AT)
        session.apply(*painted(2))
        session.add_point(2, AT, (20, 28))
        session.apply(NewObject(9))
        session.undo()
        return session, lambda: replay(path, volume, MarkingDiskPredictor())

    return begun


@pytest.mark.slow
@pytest.mark.parametrize("do", [delete, undo, redo, click, follow, find, tidy])
def test_ctrl_c_leaves_nothing_half_done(begin, do):
    for number in itertools.count(0, STRIDES[do.__name__]):
        session, play_again = begin()
        before = session.labels.copy(), session.object_ids
        whole = before if do is follow else None
        was_long = interrupt(lambda: do(session), number)  # noqa: B023
        if whole is None and was_long:
            done = session.labels.copy(), session.object_ids
            same = np.array_equal(done[0], before[0]) and done[1] == before[1]
            assert same or not was_half(begin, do, done)
        assert is_counted(session)
        labels = session.labels.copy()
        assert np.array_equal(play_again().labels, labels)
        while session.can_undo:
            session.undo()
        assert not session.labels.any()
        while session.can_redo:
            session.redo()
        if not was_long:
            return


def was_half(begin, do, done):
    session, _ = begin()
    do(session)
    return not np.array_equal(session.labels, done[0]) or session.object_ids != done[1]


class FullMemory:
    """A recorder for which there is no memory left."""

    def append(self, entry):
        raise MemoryError

    def close(self):
        pass


@pytest.mark.parametrize("do", [delete, undo, redo, click, follow, find, tidy])
def test_what_cannot_be_written_down_for_another_reason_is_taken_back(begin, do):
    session, _ = begin()
    before, ids = session.labels.copy(), session.object_ids
    session.log.record_with(FullMemory())
    with pytest.raises(MemoryError):
        do(session)
    np.testing.assert_array_equal(session.labels, before)
    assert session.object_ids == ids
    assert session.can_redo
    assert is_counted(session)


def test_a_malformed_edit_takes_those_before_it_back(begin):
    session, play_again = begin()
    with pytest.raises((ValueError, SamAdapterError)):
        session.apply(NewObject(7), AddPoint(7, AT, ("a", 1)))
    assert 7 not in session.object_ids
    assert play_again().object_ids == session.object_ids


def test_threads_are_never_interrupted(begin):
    session, play_again = begin()
    worker = threading.Thread(target=session.apply, args=(NewObject(7),))
    worker.start()
    worker.join()
    assert play_again().object_ids == session.object_ids
