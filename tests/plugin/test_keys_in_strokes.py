"""Keys pressed with the mouse button down, in the middle of a stroke."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from tests.fakes import MarkingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, MarkingPredictor, disks
from tests.plugin.test_passes import (
    COUNT,
    IMAGE,
    count,
    find_again,
    is_busy,
    short_passes,
    wait,
)

from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session

pytestmark = pytest.mark.slow

START, STOP = (0, 40), (0, 46)
"""Of the stroke, on dark ground between the disks."""


__all__ = ["short_passes"]


@pytest.fixture
def scene(make_scene):
    scene = make_scene(IMAGE, predictor=MarkingPredictor(), name="cells")
    scene.press("use_points")
    scene.press("find_objects")
    wait(scene, f"{COUNT} objects found.")
    layer = scene.workspace.layers.labels
    layer.brush_size, layer.mode = 1, "paint"
    return scene


def stroke(scene, meanwhile):
    """Draw with the brush, and do something before the button is released."""
    layer = scene.workspace.layers.labels
    scene.viewer.layers.selection.active = layer
    layer.mode, layer.selected_label = "paint", COUNT + 7

    def at_the_end():
        scene.qtbot.waitUntil(lambda: layer.data[STOP] == COUNT + 7)
        meanwhile()
        QApplication.processEvents()

    mouse.drag(scene.viewer, START, STOP, at_the_end)


def assert_stroke_and_journal(scene, autosaves):
    assert (scene.labels[0, 40:47] == COUNT + 7).all()
    labels = scene.labels
    scene.controller.close()
    (journal,) = autosaves.glob("*.jsonl")
    again = replay(journal, IMAGE, MarkingDiskPredictor())
    assert np.array_equal(again.labels, labels)


def test_saving_while_found_objects_are_on_their_way(scene, tmp_path):
    find_again(scene)
    path = tmp_path / "a.session"
    stroke(scene, lambda: scene.widget.safekeeping.save(path))
    wait(scene, f"Saved as {path}.")
    assert count(scene.labels) == COUNT + 1
    saved = open_session(path, IMAGE, MarkingDiskPredictor())
    assert np.array_equal(saved.labels, scene.labels)
    again = replay(path, IMAGE, MarkingDiskPredictor())
    assert np.array_equal(again.labels, scene.labels)


def test_a_stroke_that_ends_while_a_session_is_saved_is_in_it(scene, tmp_path):
    path = tmp_path / "a.session"

    def save_and_wait():
        queue = scene.controller.segmenter.queue
        scene.qtbot.waitUntil(lambda: not queue.jobs)
        assert not path.exists()

    scene.widget.safekeeping.save(path)
    stroke(scene, save_and_wait)
    wait(scene, f"Saved as {path}.")
    saved = open_session(path, IMAGE, MarkingDiskPredictor())
    assert (saved.labels[0, 40:47] == COUNT + 7).all()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (("D", "Shift"), "deleted"),
        (("G", "Shift"), "now object 1"),
        (("K", "Shift"), "locked"),
        (("F", "Shift"), "No more objects found"),
    ],
)
def test_commands_wait_for_the_end(scene, key, told, autosaves):
    scene.widget.object_panel.table.selectAll()
    before = scene.labels.copy()

    def press() -> None:
        mouse.press_key(scene.viewer, *key)
        outside = np.ones(before.shape, bool)
        outside[0, 40:47] = False
        assert np.array_equal(scene.labels[outside], before[outside])

    stroke(scene, press)
    scene.qtbot.waitUntil(lambda: told in scene.state.message.text)
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    assert_stroke_and_journal(scene, autosaves)


def test_undo_takes_the_stroke_back_when_it_is_done(scene):
    stroke(scene, lambda: mouse.press_key(scene.viewer, "U"))
    scene.qtbot.waitUntil(lambda: not (scene.labels[0, 40:47]).any())
    assert count(scene.labels) == COUNT
    assert scene.state.message.text.startswith("Taken back: stroke on object")


@pytest.mark.parametrize("tool", ["use_scribbles", "use_lasso", "use_boxes"])
@pytest.mark.parametrize("key", [("U",), ("N",), ("Z", "Control"), ("D", "Shift")])
def test_keys_wait_for_the_end_of_a_shape(make_scene, tool, key):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.press(tool)
    before = scene.labels.copy()

    def meanwhile():
        mouse.press_key(scene.viewer, *key)
        QApplication.processEvents()
        assert np.array_equal(scene.labels, before)

    mouse.drag(scene.viewer, (40, 52), (50, 68), meanwhile)
    scene.qtbot.waitUntil(lambda: not scene.workspace.commands_waiting)
    scene.settle()
    assert not scene.workspace.layers.is_dragging
