from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.plugin.state import BackgroundPress, Tool
from napari_sam_adapter.predictions import Capabilities

ACROSS_LEFT = (14, 14), (20, 20), (26, 24)
AROUND_LEFT = (8, 8), (8, 32), (32, 32), (32, 8), (12, 8)
ON_EDGE_OF_LEFT = (17, 24), (20, 26), (23, 24)


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def shown(scene):
    layer = scene.workspace.layers.shapes
    return list(zip(layer.shape_type, layer.features["sign"], strict=True))


def test_the_key_goes_through_all_tools(scene):
    seen = []
    for _ in range(6):
        mouse.press_key(scene.viewer, "W")
        seen.append(scene.state.tool)
        buttons = scene.widget.annotation_panel.buttons
        assert buttons[f"use_{scene.state.tool.value}"].isChecked()
    order = Tool.BOXES, Tool.SCRIBBLES, Tool.POLYGONS, Tool.LASSO, Tool.POINTS
    assert seen == [*order, Tool.BOXES]


def test_a_scribble_segments_what_it_runs_over(scene):
    scene.press("use_scribbles")
    scene.draw(*ACROSS_LEFT)
    assert np.array_equal(scene.labels[3] == 1, disks(centres=[LEFT_DISK]) == 200)
    (scribble,) = scene.prompts.scribbles
    assert scribble.positive
    assert scribble.path[0] == pytest.approx(ACROSS_LEFT[0], abs=0.6)
    assert shown(scene) == [("path", "+")]


def test_a_scribble_over_background_takes_it_out(scene):
    scene.click(LEFT_DISK)
    scene.press("use_scribbles")
    scene.draw(*ON_EDGE_OF_LEFT, button=2)
    assert not scene.prompts.scribbles[0].positive
    assert scene.value(3, 20, 26) == 0
    assert scene.value(3, 20, 14) == 1
    assert shown(scene) == [("path", "\N{MINUS SIGN}")]


def test_a_lasso_segments_what_is_inside(scene):
    scene.press("use_lasso")
    scene.draw(*AROUND_LEFT)
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.value(3, *RIGHT_DISK) == 0
    asked, _ = scene.predictor.predicted[-1]
    assert asked.mask[LEFT_DISK]
    assert asked.box == pytest.approx((8, 8, 32, 32), abs=1)
    assert shown(scene) == [("polygon", "+")]


def test_a_polygon_of_clicks_segments_what_is_inside(scene):
    scene.press("use_polygons")
    for corner in AROUND_LEFT[:3]:
        mouse.click(scene.viewer, corner)
        mouse.move(scene.viewer, corner)
        assert not scene.labels.any()
    mouse.double_click(scene.viewer, AROUND_LEFT[3])
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 1
    (polygon,) = scene.prompts.polygons
    assert len(polygon.corners) >= 3


def test_an_outline_of_background_is_negative(scene):
    scene.click(LEFT_DISK)
    scene.press("use_lasso")
    scene.draw((16, 23), (16, 29), (24, 29), (24, 23), (18, 23), modifiers=("Shift",))
    assert not scene.prompts.polygons[0].positive
    assert scene.value(3, 20, 26) == 0
    assert scene.value(3, 20, 14) == 1


def test_undo_and_redo_take_a_drawing_along(scene):
    scene.press("use_lasso")
    scene.draw(*AROUND_LEFT, LEFT_DISK)
    assert scene.labels.any()
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not scene.labels.any()
    assert scene.workspace.layers.shapes.nshapes == 0
    mouse.press_key(scene.viewer, "Z", "Control", "Shift")
    assert scene.labels.any()
    assert scene.workspace.layers.shapes.nshapes == 1


def test_a_removed_drawing_takes_its_effect_back(scene):
    scene.click(RIGHT_DISK)
    scene.press("use_scribbles")
    scene.draw(*ACROSS_LEFT)
    assert scene.value(3, *LEFT_DISK) == 1
    layer = scene.workspace.layers.shapes
    layer.selected_data = {0}
    layer.remove_selected()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 0
    assert scene.value(3, *RIGHT_DISK) == 1


def test_a_half_drawn_polygon_is_no_prompt_and_undo_ends_it(scene):
    scene.click(LEFT_DISK)
    scene.press("use_polygons")
    mouse.click(scene.viewer, (50, 10))
    mouse.click(scene.viewer, (50, 30))
    assert not scene.prompts.polygons
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not scene.labels.any()
    assert scene.workspace.layers.shapes.nshapes == 0
    scene.press("use_lasso")
    scene.draw(*AROUND_LEFT)
    assert scene.value(3, *LEFT_DISK) == 1


def test_a_lasso_that_is_too_short_leaves_the_other_shapes_as_they_are(scene):
    scene.press("use_scribbles")
    scene.draw(*ACROSS_LEFT)
    layer = scene.workspace.layers.shapes
    before = layer.edge_color.copy()
    scene.press("use_lasso")
    mouse.click(scene.viewer, (50, 10))
    mouse.click(scene.viewer, (50, 10))
    scene.qtbot.waitUntil(lambda: layer.nshapes == len(layer.features) == 1)
    assert np.array_equal(layer.edge_color, before)
    scene.press("use_scribbles")
    scene.draw(*ON_EDGE_OF_LEFT, button=2)
    assert shown(scene) == [("path", "+"), ("path", "\N{MINUS SIGN}")]
    assert [s.positive for s in scene.prompts.scribbles] == [True, False]


def test_all_kinds_of_drawings_can_be_together(scene):
    scene.press("use_boxes")
    scene.drag_box((10, 10), (30, 31))
    scene.press("use_scribbles")
    scene.draw(*ACROSS_LEFT)
    scene.press("use_lasso")
    scene.draw((36, 50), (36, 70), (54, 70), (54, 50), (40, 50))
    prompts = scene.prompts
    assert prompts.box is not None
    assert len(prompts.scribbles) == len(prompts.polygons) == 1
    scene.press("next_object")
    assert scene.workspace.layers.shapes.nshapes == 0
    scene.widget.annotation_panel.object_number.setValue(1)
    assert shown(scene) == [("rectangle", ""), ("path", "+"), ("polygon", "+")]
    assert scene.prompts is prompts


@pytest.mark.parametrize(
    ("choice", "right", "shift"),
    [(BackgroundPress.RIGHT, False, True), (BackgroundPress.SHIFT, True, False)],
)
def test_the_user_says_what_marks_background(scene, choice, right, shift):
    box = scene.widget.prompt_panel.background
    box.setCurrentText(choice.value)
    box.activated.emit(box.currentIndex())
    scene.click(LEFT_DISK)
    scene.click((20, 24), button=2)
    scene.click((20, 16), modifiers=("Shift",))
    assert scene.prompts.signs.tolist() == [True, right, shift]


def test_tools_that_are_not_understood_are_hidden_and_refused(make_scene):
    scene = make_scene(disks())
    scene.predictor.capabilities = Capabilities(
        negative_points=False, mask_prompts=False, max_points=6
    )
    scene.controller.load_model()
    scene.settle()
    buttons = scene.widget.annotation_panel.buttons
    hidden = {name for name, button in buttons.items() if button.isHidden()}
    assert {"use_scribbles", "use_polygons", "use_lasso"} <= hidden
    assert scene.widget.prompt_panel.buttons["ask_with_mask"].isHidden()
    scene.press("use_points")
    for tool in (Tool.BOXES, Tool.POINTS):
        mouse.press_key(scene.viewer, "W")
        assert scene.state.tool is tool
    scene.controller.commands["use_lasso"]()
    assert "does not understand lasso" in scene.state.message.text
    assert scene.state.tool is Tool.POINTS
