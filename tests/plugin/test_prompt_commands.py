from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.predictions import Capabilities


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def test_painted_pixels_become_the_prompt(scene):
    labels = scene.workspace.layers.labels
    labels.brush_size = 4
    labels.paint((3, *LEFT_DISK), 1)
    mouse.press_key(scene.viewer, "M", "Shift")
    scene.settle()
    assert np.array_equal(scene.labels[3] == 1, disks(centres=[LEFT_DISK]) == 200)
    asked, _ = scene.predictor.predicted[-1]
    assert 0 < asked.mask.sum() < 30
    assert asked.box is not None
    assert scene.workspace.layers.shapes.nshapes == 1
    scene.press("undo")
    assert scene.prompts.is_empty
    assert 0 < (scene.labels[3] == 1).sum() < 30


def test_a_mask_at_the_border_leaves_the_sliders_on_the_slices(scene):
    ranges = scene.viewer.dims.range
    labels = scene.workspace.layers.labels
    labels.brush_size = 9
    labels.paint((3, 0, 79), 1)
    mouse.press_key(scene.viewer, "M", "Shift")
    scene.settle()
    assert scene.workspace.layers.shapes.nshapes == 1
    assert scene.viewer.dims.range == ranges


def test_an_object_without_pixels_here_cannot_be_the_prompt(scene):
    scene.click(LEFT_DISK)
    scene.viewer.dims.set_current_step(0, 5)
    scene.widget.prompt_panel.buttons["ask_with_mask"].click()
    assert "pixels of object 1 on this slice" in scene.state.message.text
    assert scene.prompts.is_empty


def test_a_network_without_mask_prompts_refuses(scene):
    scene.predictor.capabilities = Capabilities(mask_prompts=False)
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "M", "Shift")
    assert "does not understand mask prompts" in scene.state.message.text
    assert scene.prompts.mask is None


def test_every_click_is_a_new_object(scene):
    mouse.press_key(scene.viewer, "N", "Shift")
    scene.click(LEFT_DISK)
    scene.click(RIGHT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.value(3, *RIGHT_DISK) == 2
    assert len(scene.workspace.layers.points.data) == 1


def test_background_corrects_the_last_object(scene):
    mouse.press_key(scene.viewer, "N", "Shift")
    scene.click(LEFT_DISK)
    scene.click(RIGHT_DISK)
    scene.click((44, 65), button=2)
    assert scene.value(3, 44, 65) == 0
    assert scene.value(3, *RIGHT_DISK) == 2
    assert scene.workspace.session.object_ids == [1, 2]


def test_clicks_that_wait_share_one_pass(scene):
    shared = []
    predict_many = scene.predictor.predict_many

    def count(embedding, prompts_list):
        shared.append(len(prompts_list))
        return predict_many(embedding, prompts_list)

    scene.predictor.predict_many = count
    scene.press("use_points")
    scene.widget.prompt_panel.buttons["switch_one_per_click"].click()
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, BETWEEN)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked == 1)
    mouse.click(scene.viewer, LEFT_DISK)
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.predictor.gate.set()
    scene.settle()
    assert shared == [2]
    assert scene.value(3, *LEFT_DISK) == 2
    assert scene.value(3, *RIGHT_DISK) == 3
    scene.press("undo")
    assert scene.value(3, *RIGHT_DISK) == 0
    assert scene.value(3, *LEFT_DISK) == 2


def test_stop_forgets_clicks_that_wait(scene):
    mouse.press_key(scene.viewer, "N", "Shift")
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, BETWEEN)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked == 1)
    mouse.click(scene.viewer, LEFT_DISK)
    mouse.press_key(scene.viewer, "H")
    scene.predictor.gate.set()
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) == 3
    assert scene.value(3, *LEFT_DISK) == 0


class Hand:
    """Counts what the user does."""

    def __init__(self, scene):
        self.scene = scene
        self.clicks = self.keys = 0

    def click(self, point, **options):
        self.clicks += 1
        self.scene.click(point, **options)

    def key(self, name):
        self.keys += 1
        mouse.press_key(self.scene.viewer, name)

    @property
    def done(self):
        return self.clicks, self.keys


def test_one_cell_costs_one_click_and_one_key(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    hand = Hand(scene)
    hand.click(LEFT_DISK)
    assert hand.done == (1, 0)
    assert np.array_equal(scene.labels == 1, disks(centres=[LEFT_DISK]) == 200)
    hand.key("K")
    assert hand.done == (1, 1)
    assert scene.workspace.session.accepted_ids == [1]
    hand.click(RIGHT_DISK)
    assert scene.value(*RIGHT_DISK) == 2
    assert scene.value(*LEFT_DISK) == 1


def test_one_correction_costs_one_click(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    scene.click(LEFT_DISK)
    hand = Hand(scene)
    hand.click((20, 26), button=2)
    assert hand.done == (1, 0)
    assert scene.value(20, 26) == 0
    assert scene.value(20, 14) == 1
