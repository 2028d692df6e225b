"""A session that is killed at any moment is there up to its last whole edit."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.volume import editing_child
from tests.volume.editing_child import SHAPE, edit_for_ever

from napari_sam_adapter.volume.autosave import Autosave
from napari_sam_adapter.volume.autosave_files import unfinished_in
from napari_sam_adapter.volume.journal import replay, replay_steps
from napari_sam_adapter.volume.journal_file import read_journal
from napari_sam_adapter.volume.journal_header import image_identity
from napari_sam_adapter.volume.planes import Volume
from napari_sam_adapter.volume.session import Session

IMAGE = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
LONGEST = 0.15
"""Seconds that a process lives after its first edits."""


class EnoughError(Exception):
    """Raised to stop a session that would go on for ever."""


class Stopper:
    """A recorder that ends a session after so many entries."""

    def __init__(self, count):
        self.left = count

    def append(self, entry):
        self.left -= 1
        if self.left == 0:
            raise EnoughError

    def close(self):
        pass


def labels_after(count, seed):
    """Make the same edits without a journal and without being killed."""
    session = Session(IMAGE)
    session.log.record_with(Stopper(count))
    with pytest.raises(EnoughError):
        edit_for_ever(session, seed)
    return session.labels


def kill_at(moment, folder, seed):
    command = [sys.executable, editing_child.__file__, str(folder), str(seed)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"under way\n"
    time.sleep(moment)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()


def check_recovery(folder: Path, seed: int) -> int:
    """Restart as the plugin does; return how many edits were there."""
    (path,) = unfinished_in(folder, image_identity(Volume(IMAGE)))
    _, entries = read_journal(path)
    autosave = Autosave.going_on(path)
    session = replay(path, IMAGE, None)
    np.testing.assert_array_equal(session.labels, labels_after(len(entries), seed))
    session.log.record_with(autosave)
    session.new_object()
    session.close()
    *_, last = replay_steps(path, IMAGE, None)
    assert last.total == len(entries) + 1
    np.testing.assert_array_equal(last.session.labels, session.labels)
    return len(entries)


def kill_and_check(kills: int, folder: Path, seed: int) -> None:
    moments = random.Random(seed)
    found = []
    for number in range(kills):
        own = folder / str(number)
        kill_at(moments.uniform(0, LONGEST), own, number)
        found.append(check_recovery(own, number))
    assert min(found) >= 5
    assert len(set(found)) > 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_session_is_there_up_to_its_last_whole_edit(tmp_path):
    kill_and_check(4, tmp_path, seed=0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_100_killed_sessions_are_there_up_to_their_last_whole_edit(tmp_path):
    kill_and_check(100, tmp_path, seed=1)
