"""The image layer is given other pixels while it is in use."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.layers import Labels, Points, Shapes
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, stack

pytestmark = pytest.mark.slow

SHIFTED = np.roll(stack(), 10, axis=1)
LARGER = np.pad(stack(), ((2, 2), (10, 10), (0, 0)), mode="wrap")
LOOKS = "SAM candidates"
"""Made as soon as there is a moment."""
BELOW_LEFT = LEFT_DISK[0] + 10, LEFT_DISK[1]


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def replace(scene, data):
    scene.viewer.layers["cells"].data = data


def layers_of(scene, kind):
    layers = (layer for layer in scene.viewer.layers if layer.name != LOOKS)
    return [layer for layer in layers if isinstance(layer, kind)]


@pytest.mark.parametrize("data", [SHIFTED, LARGER], ids=["same shape", "larger"])
def test_the_next_click_segments_the_new_pixels(scene, data):
    scene.click(LEFT_DISK)
    replace(scene, data)
    assert "'cells' were replaced" in scene.state.message.text
    scene.viewer.dims.set_current_step(0, 4)
    scene.click(BELOW_LEFT)
    assert not scene.state.message.is_error
    assert scene.labels.shape == data.shape
    assert np.array_equal(scene.labels[4] == 1, data[4] * (scene.labels[4] == 1) == 200)
    assert scene.value(4, *BELOW_LEFT) == 1


def test_masks_so_far_stay_in_their_layer_and_prompts_go(scene):
    scene.click(LEFT_DISK)
    (masks,) = layers_of(scene, Labels)
    before = masks.data.copy()
    replace(scene, SHIFTED)
    scene.click(BELOW_LEFT)
    assert np.array_equal(masks.data, before)
    assert masks in scene.viewer.layers
    assert len(layers_of(scene, Labels)) == 2
    assert len(layers_of(scene, Points)) == len(layers_of(scene, Shapes)) == 1


def test_an_image_that_keeps_changing_leaves_no_empty_layers(scene):
    for step in range(5):
        replace(scene, np.roll(stack(), step, axis=2))
    for kind in (Labels, Points, Shapes):
        assert len(layers_of(scene, kind)) == 1
    assert len(list(scene.controller.workspaces)) == 1


def test_a_mask_on_its_way_is_dropped(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    replace(scene, SHIFTED)
    scene.predictor.gate.set()
    scene.settle()
    assert not scene.labels.any()
    scene.click(BELOW_LEFT)
    assert scene.value(3, *BELOW_LEFT) == 1


def test_another_image_in_use_is_left_alone(scene):
    scene.click(LEFT_DISK)
    scene.viewer.add_image(stack(), name="more")
    scene.controller.choose_image(scene.viewer.layers["more"])
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    in_use = scene.workspace
    replace(scene, SHIFTED)
    assert scene.workspace is in_use
    scene.controller.choose_image(scene.viewer.layers["cells"])
    assert not scene.labels.any()


def test_fewer_axes_and_pixels_that_cannot_be_segmented_are_told(scene):
    replace(scene, stack()[3])
    scene.click(LEFT_DISK)
    assert scene.labels.shape == (64, 80)
    assert scene.value(*LEFT_DISK) == 1
    replace(scene, np.zeros((64, 80)))
    scene.click(LEFT_DISK)
    assert "every pixel is 0" in scene.state.message.text


def test_every_level_of_a_pyramid_begins_anew(make_scene):
    full = stack()
    scene = make_scene([full, full[:, ::2, ::2]], multiscale=True, name="cells")
    scene.press("use_points")
    scene.widget.levels.choose(1)
    replace(scene, [SHIFTED, SHIFTED[:, ::2, ::2]])
    scene.viewer.dims.set_current_step(0, 3)
    scene.click(BELOW_LEFT)
    assert scene.labels.shape == (8, 32, 40)
    assert scene.value(3, BELOW_LEFT[0] // 2, BELOW_LEFT[1] // 2) == 1
    assert len(list(scene.controller.workspaces)) == 1


def test_fewer_levels_than_the_one_in_use_are_no_problem(make_scene):
    levels = [stack()[:, ::step, ::step] for step in (1, 2, 4)]
    scene = make_scene(levels, multiscale=True, name="cells")
    scene.widget.levels.choose(2)
    replace(scene, levels[:2])
    assert scene.labels.shape == (8, 32, 40)


def test_pixels_that_are_refused_are_told(scene):
    before = scene.workspace
    replace(scene, np.zeros((2, 3, 2, 3, 2, 8, 8), np.uint8))
    assert scene.state.message.is_error
    assert scene.workspace is None
    assert not len(before.level.replaced)


def test_the_session_before_is_offered_when_its_pixels_come_back(scene):
    scene.click(LEFT_DISK)
    replace(scene, SHIFTED)
    replace(scene, stack())
    state = scene.widget.safekeeping.state
    scene.qtbot.waitUntil(lambda: bool(state.offer))
    scene.widget.session_panel.restore_pressed.emit()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 1


def test_replaced_pixels_are_let_go(scene):
    data = SHIFTED.copy()
    gone = weakref.ref(data)
    replace(scene, data)
    scene.click(BELOW_LEFT)
    del data
    replace(scene, stack())
    scene.click(LEFT_DISK)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    scene.qtbot.waitUntil(lambda: gc.collect() >= 0 and gone() is None)
