"""Another session takes the place of the one in use while the user goes on."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from tests.plugin import mouse
from tests.plugin.conftest import (
    LEFT_DISK,
    RIGHT_DISK,
    GatedPredictor,
    MarkingPredictor,
    Scene,
    stack,
)
from tests.plugin.test_passes import COUNT, IMAGE, count, is_busy, wait
from tests.plugin.test_safekeeping import (
    end,
    offer,
    open_saved,
    press_restore,
    save_as,
    start,
    wait_for_header,
)

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.viewing import passes
from napari_sam_adapter.volume.saving.autosave_files import MOST_DAYS

pytestmark = pytest.mark.slow

LOST = "Expected no edits while a session is opened"


@pytest.fixture
def crowd(make_scene, monkeypatch, tmp_path):
    """Very many objects, saved; what is done to all of them takes many passes."""
    monkeypatch.setattr(passes, "PASS", 0)
    scene = make_scene(IMAGE, predictor=MarkingPredictor(), name="cells")
    scene.press("find_objects")
    wait(scene, f"{COUNT} objects found.")
    save_as(scene, tmp_path / "crowd.session")
    return scene


def test_an_undo_that_takes_long_is_not_lost_to_a_session_that_opens(crowd, tmp_path):
    crowd.widget.safekeeping.open(tmp_path / "crowd.session")
    assert QThreadPool.globalInstance().waitForDone(5000)  # read, but not shown yet
    crowd.controller.do("undo")
    assert is_busy(crowd)
    crowd.qtbot.waitUntil(lambda: crowd.state.message.text.startswith(LOST))
    assert not crowd.labels.any()


def test_a_session_opens_while_an_undo_takes_long(crowd, tmp_path):
    crowd.controller.do("undo")
    assert is_busy(crowd)
    open_saved(crowd, tmp_path / "crowd.session")
    assert count(crowd.labels) == COUNT
    assert offer(crowd)  # without the objects


def test_a_session_does_not_open_under_a_stroke(make_scene, tmp_path):
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    save_as(scene, tmp_path / "left.session")
    layer = scene.workspace.layers.labels
    scene.viewer.layers.selection.active = layer
    layer.mode, layer.selected_label = "paint", 7
    session = scene.workspace.session

    def open_meanwhile():
        open_saved(scene, tmp_path / "left.session")
        assert scene.workspace.session is session

    mouse.drag(scene.viewer, (50, 10), (50, 30), open_meanwhile)
    scene.qtbot.waitUntil(lambda: scene.state.message.text.startswith(LOST))
    assert scene.value(3, 50, 20) == 7


def test_an_image_that_goes_before_its_session_is_shown(crowd, tmp_path):
    crowd.widget.safekeeping.open(tmp_path / "crowd.session")
    assert QThreadPool.globalInstance().waitForDone(5000)
    crowd.controller.do("undo")
    assert is_busy(crowd)
    crowd.viewer.layers.remove(crowd.workspace.image)
    crowd.qtbot.wait(50)
    assert not crowd.state.message.is_error
    assert "Opened" not in crowd.state.message.text


def test_a_session_of_another_image_leaves_the_view_alone(make_scene):
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    other = later.viewer.add_image(stack(first=0), name="other")
    later.viewer.dims.set_current_step(0, 5)
    later.predictor.gate.clear()
    asked = later.predictor.asked
    later.widget.session_panel.bar.restore.click()
    later.qtbot.waitUntil(lambda: later.predictor.asked > asked)
    later.controller.choose_image(other)
    later.predictor.gate.set()
    later.qtbot.waitUntil(lambda: later.state.message.text == "Restored: 1 object.")
    assert later.viewer.dims.current_step[0] == 5


def test_a_session_whose_only_object_was_deleted(make_scene, tmp_path):
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    scene.select_row(0)
    scene.controller.do("delete_objects")
    end(scene)
    later = start(make_scene)
    press_restore(later)
    assert later.state.message.text.startswith("Restored: 0 objects.")
    assert later.workspace.session.can_undo


def test_a_session_that_is_removed_for_its_age_is_not_offered(make_scene, autosaves):
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    end(scene)
    (journal,) = autosaves.glob("*.jsonl")
    os.utime(journal, (time.time() - (MOST_DAYS + 1) * 24 * 3600,) * 2)
    assert not offer(start(make_scene))
    assert not journal.exists()


@pytest.mark.parametrize("way", ["open", "restore"])
def test_a_click_after_opening_leaves_finished_objects_alone(make_scene, tmp_path, way):
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    scene.press("accept")
    before = scene.labels.copy()
    later = opened_again(make_scene, scene, tmp_path, way)
    later.click(RIGHT_DISK)
    assert "Object 2 is segmented" in later.state.message.text
    assert later.value(3, *RIGHT_DISK) == 2
    assert np.array_equal(later.labels == 1, before == 1)


def test_the_last_open_object_is_gone_on_with(make_scene, tmp_path):
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    scene.press("accept")
    later = opened_again(make_scene, scene, tmp_path, "restore")
    assert later.state.object_id == 1
    assert len(later.workspace.layers.points.data) == 1


def opened_again(make_scene, scene, tmp_path, way):
    """Close the widget, and take the session up in another one."""
    if way == "open":
        save_as(scene, tmp_path / "cells.session")
    end(scene)
    later = start(make_scene, predictor=scene.predictor)
    if way == "open":
        open_saved(later, tmp_path / "cells.session")
    else:
        press_restore(later)
    return later


@pytest.fixture
def closed(make_scene):
    """The layers of a widget that was closed, in a viewer that stays."""
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    layers = scene.workspace.layers.all
    end(scene)
    return scene.viewer, layers


@pytest.fixture
def reopened(closed, qtbot):
    """The same viewer with the widget opened anew."""
    predictor = GatedPredictor()
    widget = SegmentAnythingWidget(closed[0], lambda choice: predictor)
    closed[0].window.add_dock_widget(widget)
    scene = Scene(closed[0], widget, predictor, qtbot)
    wait_for_header(scene)
    yield scene
    scene.controller.close()


def test_restore_hides_the_layers_of_the_widget_that_was_closed(closed, reopened):
    viewer, old = closed
    assert len(old) == 3
    assert all(layer.visible and layer in viewer.layers for layer in old)
    press_restore(reopened)
    assert not any(layer.visible for layer in old)
    new = reopened.workspace.layers.all
    assert all(layer.visible for layer in new)
    reopened.press("undo")
    assert not reopened.labels.any()
    assert old[0].data.any()  # nothing is lost of what was there


def test_layers_that_the_user_shows_again_stay(closed, reopened, tmp_path):
    _, old = closed
    press_restore(reopened)
    old[0].visible = True
    save_as(reopened, tmp_path / "work.session")
    open_saved(reopened, tmp_path / "work.session")
    assert old[0].visible
