from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.intensity import CT_WINDOWS, PLANE, IntensityMapping
from napari_sam_adapter.plugin.panels.annotation_panel import UNKNOWN_SCORE
from napari_sam_adapter.plugin.state import ModelChoice, Phase, Tool
from napari_sam_adapter.predictions import ALL_PROMPTS, Capabilities
from napari_sam_adapter.volume.planes.planes import Plane


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def test_click_paints_the_mask_and_loads_the_network_first(scene):
    assert scene.loads == []
    scene.click(LEFT_DISK)
    assert len(scene.loads) == 1
    assert np.array_equal(scene.labels[3] == 1, disks(centres=[LEFT_DISK]) == 200)
    assert not scene.labels[[2, 4]].any()
    assert scene.workspace.layers.labels.data is scene.labels
    assert scene.state.score is not None


def test_score_that_is_not_trusted_is_not_shown(scene):
    scene.predictor.capabilities = Capabilities(score_is_trusted=False)
    scene.click(LEFT_DISK)
    assert scene.labels[3].any()
    assert scene.state.score is None
    assert scene.widget.annotation_panel.score.text() == UNKNOWN_SCORE


def test_mask_comes_into_view_with_the_click(scene):
    layer, shown = scene.workspace.layers.labels, []
    layer.events.set_data.connect(lambda event: shown.append(layer.data[3].copy()))
    scene.click(LEFT_DISK)
    assert layer.data is scene.labels
    assert shown
    assert np.array_equal(shown[-1] == 1, disks(centres=[LEFT_DISK]) == 200)


def test_second_click_uses_network_and_embedding_again(scene):
    scene.click(LEFT_DISK)
    scene.controller.on_view_still()  # encodes neighbours, now or never
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)
    encoded = len(scene.predictor.encoded)
    scene.click((22, 22))
    assert len(scene.predictor.encoded) == encoded
    assert len(scene.loads) == 1


@pytest.mark.parametrize(
    "options",
    [{"button": 2}, {"modifiers": ("Shift",)}],
    ids=["right button", "shift"],
)
def test_other_clicks_mark_background(scene, options):
    scene.click(LEFT_DISK)
    scene.click((20, 25), **options)
    assert scene.value(3, 20, 25) == 0
    assert scene.value(3, 20, 15) == 1
    points = scene.workspace.layers.points
    assert list(points.features["polarity"]) == ["positive", "negative"]
    assert [symbol.value for symbol in points.symbol] == ["disc", "cross"]


def test_a_first_click_on_the_background_is_refused_and_leaves_nothing(scene):
    scene.click(LEFT_DISK, button=2)
    assert "got only where it is not" in scene.state.message.text
    scene.qtbot.waitUntil(lambda: len(scene.workspace.layers.points.data) == 0)
    assert not scene.workspace.session.labels.any()
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    scene.click((20, 25), button=2)
    assert scene.value(3, 20, 25) == 0


def test_negative_mode_makes_plain_clicks_background(scene):
    scene.click(LEFT_DISK)
    scene.widget.annotation_panel.negative.click()
    scene.click((20, 25))
    assert scene.value(3, 20, 25) == 0
    mouse.press_key(scene.viewer, "J")
    assert scene.state.positive


def test_box_drag_segments_what_is_inside(scene):
    scene.press("use_boxes")
    assert scene.state.tool is Tool.BOXES
    scene.drag_box((10, 10), (30, 31))
    plane = Plane((1, 2), (3,))
    box = scene.workspace.session.prompts(1, plane).box
    assert box == pytest.approx((10, 10, 30, 31), abs=1)
    assert scene.value(3, *LEFT_DISK) == 1


def test_second_box_on_a_plane_takes_the_place_of_the_first(scene):
    scene.press("use_boxes")
    scene.drag_box((10, 10), (30, 31))
    scene.drag_box((34, 50), (54, 70))
    scene.qtbot.waitUntil(lambda: scene.workspace.layers.shapes.nshapes == 1)
    assert scene.value(3, *RIGHT_DISK) == 1
    assert scene.value(3, *LEFT_DISK) == 0


def test_click_without_a_drag_is_no_box(scene):
    scene.press("use_boxes")
    mouse.click(scene.viewer, BETWEEN)
    scene.qtbot.waitUntil(lambda: scene.workspace.layers.shapes.nshapes == 0)
    assert not scene.labels.any()


def test_undo_and_redo_buttons_take_mask_and_point_along(scene):
    scene.click(LEFT_DISK)
    scene.press("undo")
    assert not scene.labels.any()
    assert len(scene.workspace.layers.points.data) == 0
    scene.press("redo")
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.workspace.layers.points.data.tolist() == pytest.approx(
        np.array([[3, *LEFT_DISK]]), abs=0.6
    )


def test_undo_and_redo_keys_work_on_the_layers(scene):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not scene.labels.any()
    mouse.press_key(scene.viewer, "Z", "Control", "Shift")
    assert scene.value(3, *LEFT_DISK) == 1
    scene.viewer.layers.selection.active = scene.workspace.layers.labels
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not scene.labels.any()


def test_removed_point_takes_its_effect_back(scene):
    scene.click(LEFT_DISK)
    scene.click((20, 25), button=2)
    points = scene.workspace.layers.points
    points.selected_data = {1}
    points.remove_selected()
    scene.settle()
    assert scene.value(3, 20, 25) == 1


def test_moved_point_segments_its_new_place(scene):
    scene.click(LEFT_DISK)
    scene.workspace.layers.points.data = [[3, *RIGHT_DISK]]
    scene.settle()
    assert scene.value(3, *RIGHT_DISK) == 1
    assert scene.value(3, *LEFT_DISK) == 0


def test_next_object_gets_its_own_number_and_points(scene):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "N")
    assert len(scene.workspace.layers.points.data) == 0
    scene.click(RIGHT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.value(3, *RIGHT_DISK) == 2
    scene.widget.annotation_panel.object_number.setValue(1)
    assert scene.workspace.layers.points.data[0] == pytest.approx(
        (3, *LEFT_DISK), abs=0.6
    )


def test_accepted_object_is_kept_and_can_be_picked_again(scene):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "K")
    assert scene.workspace.session.accepted_ids == [1]
    assert scene.state.object_id == 2
    assert len(scene.workspace.layers.points.data) == 0
    scene.workspace.layers.labels.selected_label = 1
    assert scene.state.object_id == 1
    assert len(scene.workspace.layers.points.data) == 1


def test_object_without_a_mask_cannot_be_accepted(scene):
    scene.press("accept")
    assert scene.state.message.is_error
    assert scene.state.object_id == 1


def test_stale_result_is_dropped(scene):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    scene.press("undo")
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *RIGHT_DISK) == 0
    assert scene.value(3, *LEFT_DISK) == 1


@pytest.mark.parametrize("undone", [("undo",), ("undo", "undo", "redo")])
def test_mask_of_a_click_that_was_overtaken_is_there_after_undo(scene, undone):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *RIGHT_DISK) == 1
    for name in undone:
        scene.press(name)
    scene.settle()
    assert len(scene.workspace.layers.points.data) == 1
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.value(3, *RIGHT_DISK) == 0


def test_labels_layer_with_other_data_gets_the_masks_back(scene):
    labels = scene.workspace.layers.labels
    scene.click(LEFT_DISK)
    labels.data = labels.data.astype("u1")
    assert labels.data is not scene.labels
    scene.click(RIGHT_DISK)
    assert labels.data is scene.labels
    assert scene.value(3, *RIGHT_DISK) == 1


def test_point_moved_outside_goes_back_and_the_next_click_counts(scene):
    scene.click(LEFT_DISK)
    points = scene.workspace.layers.points
    place = points.data.copy()
    points.data = [[3, -30, 10]]
    assert scene.state.message.is_error
    scene.qtbot.waitUntil(lambda: np.allclose(points.data, place))
    scene.click(RIGHT_DISK)
    assert not scene.state.message.is_error
    assert scene.value(3, *RIGHT_DISK) == 1
    assert len(points.data) == 2


def test_click_outside_the_image_is_refused_in_plain_words(scene):
    scene.click((-30, 10))
    assert scene.state.message.is_error
    assert scene.widget.activity_panel.status.text().endswith("Click inside the image.")
    scene.qtbot.waitUntil(lambda: len(scene.workspace.layers.points.data) == 0)
    assert scene.state.phase is Phase.READY


def test_brush_stroke_is_an_edit_that_undo_takes_back(scene):
    scene.click(LEFT_DISK)
    labels = scene.workspace.layers.labels
    labels.brush_size = 4
    labels.paint((3, *BETWEEN), 1)
    assert scene.value(3, *BETWEEN) == 1
    scene.press("undo")
    assert scene.value(3, *BETWEEN) == 0
    assert scene.value(3, *LEFT_DISK) == 1


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (IntensityMapping("contrast_limits", -5, 300), "seen from -5 to 300, and"),
        (CT_WINDOWS["soft tissue"], "seen by CT soft tissue (-160 to 240), and"),
        (IntensityMapping(PLANE), "seen each slice by itself, and"),
    ],
)
def test_the_window_that_an_adapter_wants_is_told(make_scene, window, told):
    scene = make_scene(disks())
    scene.predictor.intensity = window
    scene.controller.load_model()
    scene.settle()
    assert told in scene.state.message.text


def test_network_without_negative_points_clicks_on_objects_only(make_scene):
    scene = make_scene(disks())
    scene.predictor.capabilities = Capabilities(negative_points=False)
    scene.controller.set_polarity(False)
    scene.controller.load_model()
    scene.settle()
    told = "tiny is ready on cpu. It does not understand clicks on the background."
    assert scene.state.message.text == told
    assert scene.state.positive
    assert scene.widget.annotation_panel.negative.isHidden()
    mouse.press_key(scene.viewer, "J")
    assert scene.state.positive
    scene.press("use_points")
    for options in ({"button": 2}, {"modifiers": ("Shift",)}):
        scene.click(LEFT_DISK, **options)
        assert "points on the background" in scene.state.message.text
        assert scene.workspace.known_prompts() == {}
    scene.qtbot.waitUntil(lambda: len(scene.workspace.layers.points.data) == 0)
    scene.click(LEFT_DISK)
    assert scene.value(*LEFT_DISK) == 1
    scene.predictor.capabilities = ALL_PROMPTS
    scene.controller.choose_model(ModelChoice("another"))
    assert not scene.widget.annotation_panel.negative.isHidden()
    scene.click((20, 25), button=2)
    assert scene.value(20, 25) == 0
