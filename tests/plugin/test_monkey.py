"""Whatever a user does: no exception, nothing left over, journal and layer agree."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication
from tests.plugin.conftest import stack
from tests.plugin.monkey import Monkey

from napari_sam_adapter.plugin.viewing import passes
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session import doing

FEW = {"seeds": [1, 2], "bursts": 6, "length": 20}
MANY = {"seeds": list(range(20)), "bursts": 20, "length": 25}
"""10,000 actions."""
MOST_WINDOWS = 10
"""Widgets of ours that may be opened on the way, once each."""


def threads():
    """Count Python's threads, but those for ever, and Qt's that are at work."""
    own = [thread for thread in threading.enumerate() if not thread.daemon]
    return len(own) + QThreadPool.globalInstance().activeThreadCount()


def own_widgets():
    names = [type(widget).__module__ for widget in QApplication.allWidgets()]
    return sum(name.startswith("napari_sam_adapter") for name in names)


def check_saving(session, folder):
    """All that is remembered has a place in a saved session."""
    save_session(folder, session)
    opened = open_session(folder, session.volume)
    for _ in range(20):
        np.testing.assert_array_equal(opened.labels, session.labels)
        session.undo()
        opened.undo()


def run_monkey(make_scene, folder, seed, bursts, length):
    before = threads()
    scene = make_scene(stack(5, 0, 3), name="cells")
    scene.viewer.dims.set_current_step(0, 2)
    scene.press("use_points")
    monkey = Monkey(scene, seed)
    windows = own_widgets()
    for _ in range(bursts):
        monkey.burst(length)
        assert own_widgets() <= windows + MOST_WINDOWS
    check_saving(scene.workspace.session, folder / "monkey.session")
    scene.viewer.window.remove_dock_widget(scene.widget)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    scene.qtbot.waitUntil(lambda: threads() <= before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", FEW["seeds"])
def test_anything_in_any_order(make_scene, tmp_path, seed):
    run_monkey(make_scene, tmp_path, seed, FEW["bursts"], FEW["length"])


@pytest.mark.slow
def test_anything_while_all_goes_by_passes(make_scene, tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "PASS", 0)
    monkeypatch.setattr(doing, "AT_ONCE", 0)  # every change is a part of its own
    run_monkey(make_scene, tmp_path, 7, FEW["bursts"], FEW["length"])


@pytest.mark.endurance
@pytest.mark.parametrize("seed", MANY["seeds"])
def test_10_000_actions_in_any_order(make_scene, tmp_path, seed):
    run_monkey(make_scene, tmp_path, seed, MANY["bursts"], MANY["length"])
