from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, corner_of, disks, stack

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.plugin.network.candidate_choice import thumbnails


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def area(scene, object_id=1):
    return np.count_nonzero(scene.labels[3] == object_id)


def wait_for_choices(scene, count=3):
    scene.qtbot.waitUntil(lambda: len(scene.state.choices) == count)


def outlines(scene):
    return scene.widget.candidates.overlay.layer


def test_an_ambiguous_click_shows_three_masks_and_leaves_the_tool_in_hand(scene):
    scene.click(LEFT_DISK)
    wait_for_choices(scene)
    buttons = scene.widget.prompt_panel.candidates
    assert [b.text() for b in buttons] == ["1: 0.90", "2: 0.80", "3: 0.70"]
    assert [b.isChecked() for b in buttons] == [True, False, False]
    assert not any(b.isHidden() for b in buttons)
    assert scene.widget.candidates.overlay.is_shown
    assert set(np.unique(outlines(scene).data)) == {0, 2, 3, 4}
    corner = 3, LEFT_DISK[0] - 9, LEFT_DISK[1] - 9
    assert corner_of(outlines(scene)) == pytest.approx(corner)
    points = scene.workspace.layers.points
    assert scene.viewer.layers.selection.active == points


def test_the_key_cycles_and_undo_goes_back(scene):
    scene.click(LEFT_DISK)
    best = area(scene)
    mouse.press_key(scene.viewer, "Q")
    smaller = area(scene)
    mouse.press_key(scene.viewer, "Q")
    larger = area(scene)
    assert smaller < best < larger
    mouse.press_key(scene.viewer, "Q")
    assert area(scene) == best
    mouse.press_key(scene.viewer, "Q", "Shift")
    assert area(scene) == larger
    scene.qtbot.waitUntil(lambda: scene.state.chosen == 2)
    scene.press("undo")
    scene.press("undo")
    assert area(scene) == larger
    scene.press("undo")
    assert area(scene) == smaller


def test_the_choice_is_remembered_for_the_next_click(scene):
    scene.click(LEFT_DISK)
    wait_for_choices(scene)
    scene.widget.prompt_panel.candidates[2].click()
    larger = area(scene)
    mouse.press_key(scene.viewer, "N")
    scene.click(RIGHT_DISK)
    assert area(scene, 2) == larger
    scene.qtbot.waitUntil(lambda: scene.state.chosen == 2)


def test_nothing_to_choose_is_said(scene):
    mouse.press_key(scene.viewer, "Q")
    assert "single click" in scene.state.message.text
    scene.click(LEFT_DISK)
    scene.click((22, 22))
    wait_for_choices(scene, 0)
    assert not scene.widget.candidates.overlay.is_shown


def test_choices_follow_the_view(scene):
    scene.click(LEFT_DISK)
    wait_for_choices(scene)
    scene.viewer.dims.set_current_step(0, 5)
    wait_for_choices(scene, 0)
    scene.viewer.dims.set_current_step(0, 3)
    wait_for_choices(scene)
    scene.viewer.dims.ndisplay = 3
    wait_for_choices(scene, 0)
    scene.viewer.dims.ndisplay = 2
    wait_for_choices(scene)


def test_a_removed_outline_layer_is_made_again(scene):
    scene.click(LEFT_DISK)
    wait_for_choices(scene)
    scene.viewer.layers.remove(outlines(scene))
    mouse.press_key(scene.viewer, "N")
    scene.click(RIGHT_DISK)
    wait_for_choices(scene)
    scene.qtbot.waitUntil(lambda: outlines(scene) in scene.viewer.layers)


def test_the_layer_goes_with_the_widget(scene):
    scene.click(LEFT_DISK)
    wait_for_choices(scene)
    scene.controller.close()
    assert [layer.name for layer in scene.viewer.layers] == [
        "cells",
        "cells masks",
        "SAM shapes",
        "SAM points",
    ]


def test_thumbnails_show_all_masks_in_one_frame():
    masks = [BoxedMask.of(disks(radius=radius) == 200) for radius in (4, 9)]
    pictures = thumbnails(masks)
    assert pictures[0].shape == pictures[1].shape
    assert 0 < pictures[0].sum() < pictures[1].sum()


def test_a_thumbnail_of_a_mask_at_the_rim_is_a_whole_square():
    mask = np.zeros((64, 80), bool)
    mask[60:64, 10:70] = True
    (picture,) = thumbnails([BoxedMask.of(mask)])
    rows = np.flatnonzero(picture.any(axis=1))
    assert picture.any(axis=0).all()
    assert 0 < rows[0] <= rows[-1] < len(picture) - 1


def test_the_hint_is_that_of_the_tool_once_the_outlines_have_a_layer(scene):
    scene.qtbot.waitUntil(lambda: "SAM candidates" in scene.viewer.layers)
    assert scene.state.message.text.startswith("Click on an object.")
