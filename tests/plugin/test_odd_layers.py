"""Layers that go away during long work, have odd names, or are the user's own."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import PackingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import (
    LEFT_DISK,
    RIGHT_DISK,
    GatedPredictor,
    disks,
    stack,
)

pytestmark = pytest.mark.slow

LEFT_MASK = disks(centres=[LEFT_DISK]) == 200


class Slow(GatedPredictor, PackingDiskPredictor):
    """Waits before each plane too, and its embeddings can be kept."""

    def encode(self, image):
        assert self.gate.wait(10)
        return super().encode(image)


@pytest.fixture
def scene(make_scene):
    """Two images; the second is in use, and has an object."""
    scene = make_scene(stack(), predictor=Slow(), name="first")
    scene.viewer.add_image(stack(), name="second")
    scene.controller.choose_image(scene.viewer.layers["second"])
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    return scene


@pytest.mark.parametrize("work", ["propagate", "find_objects", "encode_all"])
@pytest.mark.parametrize("gone", ["first", "second"])
def test_an_image_is_removed_during_long_work(scene, work, gone):
    scene.predictor.gate.clear()
    scene.controller.do(work)
    scene.viewer.layers.remove(gone)
    scene.predictor.gate.set()
    scene.settle()
    assert not scene.state.message.is_error
    (left,) = {"first", "second"} - {gone}
    scene.controller.choose_image(scene.viewer.layers[left])
    scene.press("use_points")
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) > 0
    if left == "second":
        assert np.array_equal(scene.labels[3] == 1, LEFT_MASK)


@pytest.mark.parametrize("name", ["", "first", "second masks", "a/b\n😀"])
def test_layers_may_have_any_name(scene, name):
    for layer in list(scene.viewer.layers):
        layer.name = name
    scene.press("propagate")
    scene.settle()
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    assert not scene.state.message.is_error
    assert scene.value(6, *LEFT_DISK) == 1
    assert scene.value(3, *RIGHT_DISK) == 2
    scene.press("undo")
    assert scene.value(3, *RIGHT_DISK) == 0


@pytest.mark.parametrize("shape", [(8, 64, 80), (3, 5), (2, 8, 64, 80)], ids=str)
def test_labels_of_the_user_stay_as_they_are(scene, shape):
    own = np.ones(shape, np.int32)
    layer = scene.viewer.add_labels(own.copy(), name="second masks")
    scene.viewer.layers.selection.active = scene.viewer.layers["second"]
    axis = scene.viewer.dims.ndim - 3
    scene.viewer.dims.set_current_step(axis, 3)
    scene.press("use_points")
    scene.controller.do("find_objects")
    scene.settle()
    assert scene.value(3, *RIGHT_DISK) == 2
    scene.press("undo")
    assert not scene.value(3, *RIGHT_DISK)
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) > 0
    assert np.array_equal(layer.data, own)
    assert scene.workspace.layers.labels is not layer


@pytest.mark.parametrize("hidden", ["points", "shapes", "labels"])
def test_undo_and_redo_while_a_layer_of_ours_is_hidden(scene, hidden):
    scene.press("use_boxes")
    scene.drag_box((10, 10), (32, 32))
    scene.press("use_points")
    scene.click(LEFT_DISK)
    before, layers = scene.labels.copy(), scene.workspace.layers
    shown = len(layers.points.data), len(layers.shapes.data)
    getattr(layers, hidden).visible = False
    for _ in range(3):
        scene.press("undo")
    assert not scene.workspace.session.can_undo
    for _ in range(3):
        scene.press("redo")
    getattr(layers, hidden).visible = True
    assert np.array_equal(scene.labels, before)
    assert (len(layers.points.data), len(layers.shapes.data)) == shown


def test_prompts_that_the_user_hid_stay_hidden_while_images_are_changed(scene):
    image, layers = scene.state.image, scene.workspace.layers
    other = scene.viewer.add_image(stack(), name="other")
    layers.points.visible = False
    scene.controller.choose_image(other)
    assert not layers.points.visible
    assert not layers.shapes.visible
    scene.controller.choose_image(image)
    assert not layers.points.visible
    assert layers.shapes.visible
    layers.points.visible = True
    scene.controller.choose_image(other)
    scene.controller.choose_image(image)
    assert layers.points.visible


@pytest.mark.parametrize("tool", ["use_points", "use_boxes"])
def test_a_click_on_hidden_prompts_says_why_nothing_happens(scene, tool):
    scene.press("next_object")
    scene.press(tool)
    layer = scene.viewer.layers.selection.active
    layer.visible = False
    scene.click(RIGHT_DISK)
    assert scene.state.message.text.startswith(f"{layer.name} is hidden and takes no")
    assert not scene.value(3, *RIGHT_DISK)
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) == 2
    assert scene.state.message.text == "Object 2 is segmented."


def test_moving_the_view_over_hidden_prompts_says_nothing(scene):
    layer, before = scene.workspace.layers.points, scene.state.message
    layer.visible = False
    mouse.drag(scene.viewer, LEFT_DISK, RIGHT_DISK, lambda: scene.qtbot.wait(20))
    assert scene.state.message == before


def test_a_click_on_the_hidden_prompts_of_another_image_says_so_too(scene):
    scene.controller.choose_image(scene.viewer.layers["first"])
    scene.press("use_points")
    hidden = next(layer for layer in scene.viewer.layers if not layer.visible)
    scene.viewer.layers.selection.active = hidden
    scene.click(RIGHT_DISK)
    assert scene.state.message.text.startswith(f"{hidden.name} is hidden and takes no")
