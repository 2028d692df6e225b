"""A session that is killed at any moment is there up to its last whole edit."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.volume import editing_child
from tests.volume.editing_child import EDITORS, image

from napari_sam_adapter.volume.journal.journal_file import read_journal
from napari_sam_adapter.volume.journal.journal_header import image_identity
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.saving.autosave import Autosave
from napari_sam_adapter.volume.saving.autosave_files import unfinished_in
from napari_sam_adapter.volume.saving.replaying import replay, replay_steps
from napari_sam_adapter.volume.session.session import Session

ROOT = Path(__file__).parents[2]
IMAGE = image()
LONGEST = 0.15
"""Seconds that a process lives after its first edits."""


class EnoughError(Exception):
    """Raised to stop a session that would go on for ever."""


class Stopper:
    """A recorder that ends a session after so many entries; the next is taken back."""

    def __init__(self, count):
        self.left = count

    def append(self, entry):
        self.left -= 1
        if self.left < 0:
            raise EnoughError

    def close(self):
        pass


def labels_after(count, seed, editor):
    """Make the same edits without a journal and without being killed."""
    session = Session(IMAGE)
    session.log.record_with(Stopper(count))
    with pytest.raises(EnoughError):
        EDITORS[editor](session, seed)
    return session.labels


def kill_at(moment, folder, seed, editor):
    command = [sys.executable, "-m", editing_child.__name__, str(folder), str(seed)]
    child = subprocess.Popen([*command, editor], cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"under way\n"
    time.sleep(moment)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()


def check_recovery(folder: Path, seed: int, editor: str) -> int:
    """Restart as the plugin does; return how many edits were there."""
    (path,) = unfinished_in(folder, image_identity(Volume(IMAGE)))
    _, entries = read_journal(path)
    autosave = Autosave.going_on(path)
    session = replay(path, IMAGE, MarkingDiskPredictor())
    expected = labels_after(len(entries), seed, editor)
    np.testing.assert_array_equal(session.labels, expected)
    session.log.record_with(autosave)
    session.new_object()
    session.close()
    *_, last = replay_steps(path, IMAGE, MarkingDiskPredictor())
    assert last.total == len(entries) + 1
    np.testing.assert_array_equal(last.session.labels, session.labels)
    return len(entries)


def kill_and_check(kills: int, folder: Path, seed: int, editor: str) -> None:
    moments = random.Random(seed)
    found = []
    for number in range(kills):
        own = folder / str(number)
        kill_at(moments.uniform(0, LONGEST), own, number, editor)
        found.append(check_recovery(own, number, editor))
    assert min(found) >= 2
    assert len(set(found)) > 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("editor", EDITORS)
def test_a_killed_session_is_there_up_to_its_last_whole_edit(tmp_path, editor):
    kill_and_check(4, tmp_path, seed=0, editor=editor)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("editor", EDITORS)
def test_100_killed_sessions_are_there_up_to_their_last_whole_edit(tmp_path, editor):
    kill_and_check(100, tmp_path, seed=1, editor=editor)
