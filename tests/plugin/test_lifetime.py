from __future__ import annotations

import contextlib
import gc
import threading
import weakref

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication, QEvent, QTimer
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.errors import CheckpointError, SessionError
from napari_sam_adapter.plugin.background import Priority
from napari_sam_adapter.plugin.state import Phase
from napari_sam_adapter.volume.saving.autosave import Autosave

pytestmark = pytest.mark.slow
PACKAGE = "napari_sam_adapter"


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def start_propagation(scene):
    """Click, and leave a propagation waiting in the middle of a plane."""
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)


def test_image_removed_during_a_propagation_ends_it(scene):
    start_propagation(scene)
    labels = scene.workspace.layers.labels
    scene.viewer.layers.remove("cells")
    scene.predictor.gate.set()
    scene.settle()
    assert scene.workspace is None
    assert not scene.widget.annotation_panel.isEnabled()
    assert labels in scene.viewer.layers


def test_widget_closed_during_a_propagation_stops_it(scene):
    start_propagation(scene)
    labels = scene.labels
    scene.viewer.window.remove_dock_widget(scene.widget)
    before = labels.copy()
    scene.predictor.gate.set()
    mouse.press_key(scene.viewer, "N")
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert np.array_equal(labels, before)
    assert not scene.viewer.keymap


def test_a_propagation_that_waits_for_a_click_goes_with_its_image(scene):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.press("propagate")
    labels = scene.labels
    scene.viewer.layers.remove("cells")
    assert not scene.controller.segmenter.queue.has(Priority.PROPAGATION)
    scene.predictor.gate.set()
    scene.settle()
    assert not scene.state.message.is_error
    assert [z for z in range(8) if labels[z].any()] == [3]


def test_a_mask_that_waits_for_other_work_goes_with_its_image(scene):
    scene.click(LEFT_DISK)
    session = scene.workspace.session
    scene.press("next_object")
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, RIGHT_DISK)
    session.under_way.begin(iter("12"))  # such as deleting thousands of objects
    scene.predictor.gate.set()
    scene.settle()
    segmenter = scene.controller.segmenter
    assert segmenter._pause.is_waiting
    scene.viewer.layers.remove("cells")
    session.under_way.finish()
    scene.qtbot.waitUntil(lambda: not segmenter._pause.is_waiting)
    assert not (session.labels == 2).any()


def delete_timers():
    """Do to our timers what Qt does at exit, before the widget goes."""
    ours = [o for o in gc.get_objects() if PACKAGE in str(type(o).__module__)]
    held = [vars(o).values() for o in ours if hasattr(o, "__dict__")]
    for timer in {t for values in held for t in values if isinstance(t, QTimer)}:
        with contextlib.suppress(RuntimeError):  # one of an earlier test
            timer.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.mark.parametrize("under_way", ["nothing", "other work", "a propagation"])
def test_an_application_that_ends_closes_the_widget_after_its_timers(
    scene, autosaves, under_way
):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    if under_way == "other work":
        scene.press("next_object")
        mouse.click(scene.viewer, RIGHT_DISK)
        scene.workspace.session.under_way.begin(iter("12"))
    elif under_way == "a propagation":
        scene.press("propagate")
    scene.predictor.gate.set()
    (path,) = autosaves.glob("*.jsonl")
    delete_timers()
    scene.controller.close()
    Autosave.going_on(path).close()  # nobody holds it any more


def test_all_layers_removed_during_a_click_raise_nothing(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    scene.viewer.layers.clear()
    scene.predictor.gate.set()
    scene.settle()
    assert scene.workspace is None


def test_layers_removed_during_a_propagation_come_back_when_asked_for(scene):
    start_propagation(scene)
    gone = scene.workspace.layers.all
    for layer in gone:
        scene.viewer.layers.remove(layer)
    scene.predictor.gate.set()
    scene.settle()
    scene.press("use_points")
    assert not set(gone) & set(scene.viewer.layers)
    assert scene.value(3, *LEFT_DISK) == 1
    assert len(scene.workspace.layers.points.data) == 1
    assert scene.workspace.layers.labels.data is scene.labels


def test_a_removed_masks_layer_comes_back_with_the_next_click(scene):
    gone = scene.workspace.layers.labels
    scene.viewer.layers.remove(gone)
    scene.viewer.layers.selection.active = scene.workspace.layers.points
    scene.click(LEFT_DISK)
    masks, _, points = trio = scene.workspace.layers.all
    assert masks is not gone
    assert masks.data is scene.labels
    assert scene.value(3, *LEFT_DISK) == 1
    assert [layer for layer in scene.viewer.layers if layer in trio] == list(trio)
    assert scene.viewer.layers.selection.active == points
    assert points.mode == "add"


def test_a_click_just_before_the_widget_closes_brings_no_layer_back(scene):
    scene.viewer.layers.remove(scene.workspace.layers.labels)
    scene.workspace.layers.points.add((3, *LEFT_DISK))
    scene.controller.close()
    left = list(scene.viewer.layers)
    scene.qtbot.wait(50)
    assert list(scene.viewer.layers) == left


def test_renamed_hidden_and_locked_layers_work_on(scene):
    for number, layer in enumerate(scene.workspace.layers.all):
        layer.name = f"mine {number}"
        layer.locked = True
    scene.workspace.layers.labels.visible = False
    scene.viewer.layers["cells"].name = "other"
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.widget.image_panel.picker.currentText() == "other"
    assert scene.viewer.layers[0].name == "other"


def test_each_image_keeps_objects_of_its_own(scene):
    scene.click(LEFT_DISK)
    scene.viewer.add_image(stack(), name="more cells")
    scene.controller.choose_image(scene.viewer.layers["more cells"])
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    assert scene.value(3, *LEFT_DISK) == 0
    assert scene.value(3, *RIGHT_DISK) == 1
    scene.controller.choose_image(scene.viewer.layers["cells"])
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.widget.image_panel.picker.currentText() == "cells"


def test_image_that_is_moved_takes_its_layers_along(scene):
    image = scene.viewer.layers["cells"]
    image.translate = (0, 5, 7)
    for layer in scene.workspace.layers.all:
        assert layer.translate.tolist() == [0, 5, 7]


def is_busy(scene, phase):
    bar, stop = scene.widget.activity_panel.bar, scene.widget.annotation_panel.buttons
    return (
        scene.state.phase is phase and bar.maximum() == 0 and stop["stop"].isEnabled()
    )


def test_stop_while_loading_drops_the_network_and_the_clicks(scene):
    gate, load = threading.Event(), scene.controller._segmenter._load
    scene.controller._segmenter._load = lambda choice: gate.wait(10) and load(choice)
    mouse.click(scene.viewer, LEFT_DISK)
    scene.press("propagate")
    assert is_busy(scene, Phase.LOADING)
    scene.press("stop")
    assert scene.state.phase is Phase.READY
    assert scene.widget.activity_panel.status.text() == "Stopped."
    gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert scene.state.loaded is None
    assert not scene.labels.any()
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) == 1


def test_stop_while_segmenting_drops_the_mask(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    scene.qtbot.waitUntil(lambda: is_busy(scene, Phase.SEGMENTING))
    mouse.press_key(scene.viewer, "H")
    assert scene.state.phase is Phase.READY
    assert scene.widget.activity_panel.status.text() == "Stopped."
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert not scene.labels.any()
    mouse.press_key(scene.viewer, "H")
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) == 1


def test_loading_without_an_image_can_be_stopped(make_scene):
    scene = make_scene(None)
    gate = threading.Event()
    scene.controller._segmenter._load = lambda choice: gate.wait(10)
    scene.widget.model_panel.load.click()
    assert is_busy(scene, Phase.LOADING)
    scene.press("stop")
    gate.set()
    assert not scene.widget.annotation_panel.isEnabled()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert scene.state.loaded is None


def test_network_that_cannot_be_loaded_is_told_in_plain_words(scene):
    def fail(choice):
        raise CheckpointError("Expected a whole file, got half of one.")

    scene.controller._segmenter._load = fail
    scene.click(LEFT_DISK)
    assert scene.widget.activity_panel.status.text().startswith("Expected a whole file")
    assert notification_manager.records[-1].message.startswith("Expected a whole file")
    assert scene.widget.annotation_panel.isEnabled()


@pytest.fixture
def choosy(scene):
    """Have a scene whose first network, and that alone, cannot be loaded."""
    segmenter = scene.controller._segmenter
    load = segmenter._load

    def fail_or_load(choice):
        scene.loads.append(choice)
        if choice.model == "tiny":
            raise CheckpointError("Expected a whole file, got half of one.")
        return load(choice)

    segmenter._load = fail_or_load
    return scene


def choose(scene, row):
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    scene.widget.model_panel.model.setCurrentIndex(row)
    scene.qtbot.waitUntil(lambda: not scene.is_working())


def test_clicks_that_a_network_could_not_answer_are_answered_by_the_next_one(choosy):
    choosy.click(LEFT_DISK)
    choosy.click((22, 22))
    choosy.press("undo")
    choose(choosy, 1)
    assert choosy.state.loaded.model == "vit_b"
    assert choosy.value(3, *LEFT_DISK) == 1
    assert not choosy.state.message.is_error


def test_clicks_are_answered_once_their_network_can_be_loaded(choosy):
    choosy.click(LEFT_DISK)
    choosy.qtbot.waitUntil(lambda: choosy.state.message.is_error)
    choosy.qtbot.waitUntil(lambda: not choosy.is_working())
    segmenter, asked = choosy.controller._segmenter, []
    segmenter._load = lambda choice: choosy.predictor
    segmenter.asked.connect(asked.append)
    choosy.widget.model_panel.load.click()
    choosy.qtbot.waitUntil(lambda: choosy.value(3, *LEFT_DISK) == 1)
    assert len(asked) == 1


def test_clicks_that_were_undone_are_not_answered(choosy):
    choosy.click(LEFT_DISK)
    choosy.qtbot.waitUntil(lambda: not choosy.is_working())
    choosy.press("undo")
    choosy.loads.clear()
    choose(choosy, 1)
    assert not choosy.loads
    assert not choosy.labels.any()
    assert not choosy.state.message.is_error


def test_only_clicks_wait_for_another_network(choosy):
    choose(choosy, 1)
    choosy.click(LEFT_DISK)
    choose(choosy, 0)
    choosy.press("propagate")
    choosy.qtbot.waitUntil(lambda: not choosy.is_working())
    before = choosy.labels.copy()
    choose(choosy, 1)
    assert choosy.state.phase is Phase.READY
    assert (choosy.labels == before).all()


def test_clicks_are_answered_by_a_network_that_is_still_there(choosy):
    choose(choosy, 1)
    choosy.click(LEFT_DISK)
    choose(choosy, 0)
    choosy.click(RIGHT_DISK)
    choosy.qtbot.waitUntil(lambda: not choosy.is_working())
    choosy.loads.clear()
    choose(choosy, 1)
    assert choosy.value(3, *RIGHT_DISK) == 1
    assert not choosy.loads


def test_what_was_wrong_with_a_network_goes_with_its_choice(scene):
    def fail(choice):
        raise CheckpointError("Expected a whole file, got half of one.")

    scene.controller._segmenter._load = fail
    scene.widget.model_panel.load.click()
    scene.qtbot.waitUntil(lambda: scene.state.message.is_error)
    scene.widget.model_panel.model.setCurrentIndex(1)
    assert not scene.state.message.is_error
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert not scene.state.message.is_error


def test_another_model_is_loaded_by_the_next_click(scene):
    scene.click(LEFT_DISK)
    scene.widget.model_panel.model.setCurrentIndex(1)
    assert scene.widget.model_panel.load.isEnabled()
    scene.click((22, 22))
    assert [choice.model for choice in scene.loads] == ["tiny", "vit_b"]


def test_bindings_of_the_user_come_back_when_the_widget_closes(make_scene):
    def own(viewer):
        """Stand for a binding of the user."""

    scene = make_scene(disks(), before=lambda viewer: viewer.bind_key("N", own))
    assert own not in scene.viewer.keymap.values()
    scene.controller.close()
    assert list(scene.viewer.keymap.values()) == [own]


def test_closed_widget_is_freed(scene):
    scene.click(LEFT_DISK)
    reference = weakref.ref(scene.widget)
    scene.viewer.window.remove_dock_widget(scene.widget)
    scene.widget = None
    scene.qtbot.waitUntil(lambda: gc.collect() >= 0 and reference() is None)


def test_widget_without_an_image_waits_for_one(make_scene):
    scene = make_scene(None)
    assert scene.state.phase is Phase.READY
    assert not scene.widget.annotation_panel.isEnabled()
    mouse.press_key(scene.viewer, "G")
    assert scene.state.message.is_error
    scene.viewer.add_image(disks(), name="late")
    assert scene.widget.annotation_panel.isEnabled()


def test_image_that_cannot_be_segmented_is_refused(make_scene):
    scene = make_scene(np.zeros((2,) * 6 + (4,), np.uint8))
    assert scene.state.message.is_error
    assert not scene.widget.annotation_panel.isEnabled()


def test_constant_plane_is_refused_at_the_click(make_scene):
    scene = make_scene(np.full((64, 80), 7, np.uint8))
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert "every pixel is 7" in scene.widget.activity_panel.status.text()
    assert not scene.labels.any()


@pytest.mark.parametrize("name", ["points", "shapes", "labels"])
def test_a_click_is_answered_though_a_layer_is_removed_meanwhile(scene, name):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    scene.viewer.layers.remove(getattr(scene.workspace.layers, name))
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.state.message.text == "Object 1 is segmented."


def test_an_error_goes_with_the_last_point(scene):
    points = scene.workspace.layers.points
    scene.click(LEFT_DISK)
    scene.controller.report(SessionError("Expected a click inside, got none."))
    points.selected_data = {0}
    points.remove_selected()
    scene.settle()
    assert not scene.state.message.is_error


def test_an_image_on_top_takes_the_hint_along_and_is_told(scene):
    scene.viewer.add_image(np.zeros((8, 64, 80)), name="other")
    hint = scene.state.message.text
    assert hint.startswith("Press Points or Box")
    scene.press("use_points")
    told = "This is for cells, which lies under other"
    assert told in scene.state.message.text
    ours = scene.workspace.layers.all
    assert list(scene.viewer.layers)[-3:] == list(ours)
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1


def test_an_image_that_is_seen_through_is_not_told(scene):
    scene.viewer.add_image(np.zeros((8, 64, 80)), name="other", blending="additive")
    scene.press("use_points")
    assert "other" not in scene.state.message.text


def test_the_image_on_top_is_the_first_in_use(make_scene):
    def add(viewer):
        viewer.add_image(disks(), name="below")
        viewer.add_image(disks(), name="seen")
        viewer.add_image(disks(), name="hidden", visible=False)

    assert make_scene(None, add).workspace.image.name == "seen"
