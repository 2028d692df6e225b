"""Every tool of napari's Labels layer is an edit, and masks spare what it did."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, stack

from napari_sam_adapter.volume.document.edits import NewObject
from napari_sam_adapter.volume.document.object_edits import LockObject
from napari_sam_adapter.volume.saving.replaying import replay

pytestmark = pytest.mark.slow

IMAGE = stack()


@pytest.fixture
def scene(make_scene):
    scene = make_scene(IMAGE, name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    return scene


@pytest.fixture
def labels_layer(scene):
    layer = scene.workspace.layers.labels
    scene.viewer.layers.selection.active = layer
    layer.brush_size = 5
    layer.selected_label = 1
    return layer


def brush(scene, layer, start=BETWEEN, stop=(34, 46)):
    """Drag with the left button until napari has drawn up to the end."""
    value = layer.selected_label if layer.mode == "paint" else 0
    place = (*scene.viewer.dims.current_step[:1], *stop)
    mouse.drag(
        scene.viewer,
        start,
        stop,
        lambda: scene.qtbot.waitUntil(lambda: layer.data[place] == value),
    )


def use_brush(scene, layer):
    layer.mode = "paint"
    brush(scene, layer)


def use_eraser(scene, layer):
    layer.mode = "erase"
    brush(scene, layer, (20, 14), (20, 24))


def use_fill(scene, layer):
    layer.mode = "fill"
    layer.selected_label = 2
    mouse.click(scene.viewer, LEFT_DISK)


def use_polygon(scene, layer, corners=((30, 30), (30, 50), (40, 50), (40, 30))):
    layer.mode = "polygon"
    for corner in corners:
        mouse.click(scene.viewer, corner)
    mouse.double_click(scene.viewer, corners[-1])


def use_polygon_around_the_disk(scene, layer):
    use_polygon(scene, layer, ((9, 9), (9, 31), (31, 31), (31, 9)))


POLYGON = [(3, 18, 18), (3, 18, 22), (3, 22, 22), (3, 22, 18)]
TOOLS = [use_brush, use_eraser, use_fill, use_polygon]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_is_an_edit_that_goes_back_and_forth(
    scene, labels_layer, tool, autosaves
):
    before = scene.labels.copy()
    tool(scene, labels_layer)
    painted = scene.labels.copy()
    assert not np.array_equal(painted, before)
    assert np.array_equal(painted[[0, 1, 2, 4]], before[[0, 1, 2, 4]])
    mouse.press_key(scene.viewer, "Z", "Control")
    assert np.array_equal(scene.labels, before)
    mouse.press_key(scene.viewer, "Z", "Control", "Shift")
    assert np.array_equal(scene.labels, painted)
    (path,) = autosaves.glob("*.jsonl")
    assert np.array_equal(replay(path, IMAGE, scene.predictor).labels, painted)


@pytest.mark.parametrize("tool", [use_brush, use_eraser, use_fill])
def test_tools_that_reach_into_depth_are_one_step(scene, labels_layer, tool, autosaves):
    scene.press("propagate")
    scene.settle()
    scene.viewer.layers.selection.active = labels_layer
    before = scene.labels.copy()
    labels_layer.n_edit_dimensions = 3
    tool(scene, labels_layer)
    painted = scene.labels.copy()
    assert (painted != before).any(axis=(1, 2)).sum() > 1
    scene.press("undo")
    assert np.array_equal(scene.labels, before)
    scene.press("redo")
    (path,) = autosaves.glob("*.jsonl")
    assert np.array_equal(replay(path, IMAGE, scene.predictor).labels, painted)


@pytest.mark.parametrize(
    "tool", [use_brush, use_eraser, use_fill, use_polygon_around_the_disk]
)
def test_no_tool_reaches_locked_objects(scene, labels_layer, tool, autosaves):
    locked = scene.labels == 1
    scene.workspace.apply(LockObject(1))
    labels_layer.selected_label = 2
    scene.workspace.apply(NewObject(2))
    labels_layer.brush_size = 30
    tool(scene, labels_layer)
    assert np.array_equal(scene.labels == 1, locked)
    (path,) = autosaves.glob("*.jsonl")
    replayed = replay(path, IMAGE, scene.predictor).labels
    assert np.array_equal(replayed, scene.labels)


@pytest.mark.parametrize(
    "write",
    [
        lambda layer: layer.paint((3, *LEFT_DISK), 0),
        lambda layer: layer.fill((3, *LEFT_DISK), 2),
        lambda layer: layer.paint_polygon(POLYGON, 2),
        lambda layer: layer.data_setitem(tuple(np.array([[3], [20], [20]])), 0),
    ],
)
def test_no_script_reaches_locked_objects(scene, labels_layer, write):
    before = scene.labels.copy()
    scene.workspace.apply(LockObject(1))
    write(labels_layer)
    assert "Unlock them first" in scene.state.message.text
    assert np.array_equal(scene.labels, before)


def test_masks_spare_what_was_painted_and_erased(scene, labels_layer):
    use_brush(scene, labels_layer)
    use_eraser(scene, labels_layer)
    painted = scene.labels[3].copy()
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    scene.press("propagate")
    scene.settle()
    assert scene.value(3, *RIGHT_DISK) == 1
    assert scene.value(3, *BETWEEN) == painted[BETWEEN] == 1
    assert scene.value(3, 20, 20) == painted[20, 20] == 0


def test_released_paint_is_overwritten_by_the_next_mask(scene, labels_layer):
    use_eraser(scene, labels_layer)
    assert scene.value(3, 20, 20) == 0
    scene.press("release_paint")
    scene.press("use_points")
    scene.click((22, 22))
    assert scene.value(3, 20, 20) == 1
    for _ in range(2):
        scene.press("undo")
    scene.click((22, 22))
    assert scene.value(3, 20, 20) == 0


def test_a_mask_that_comes_during_a_stroke_waits_for_its_end(
    scene, labels_layer, autosaves
):
    scene.predictor.gate.clear()
    scene.press("use_points")
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.viewer.layers.selection.active = labels_layer
    labels_layer.mode = "paint"
    segmenter = scene.controller.segmenter

    def wait():
        scene.predictor.gate.set()
        scene.qtbot.waitUntil(lambda: not segmenter.queue.jobs)
        assert scene.value(3, *RIGHT_DISK) == 0

    mouse.drag(scene.viewer, BETWEEN, (34, 46), wait)
    scene.qtbot.waitUntil(lambda: scene.value(3, *RIGHT_DISK) == 1)
    assert scene.value(3, *BETWEEN) == 1
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, IMAGE, scene.predictor)
    for session in (scene.workspace.session, again):
        session.undo()
    assert np.array_equal(again.labels, scene.labels)


def begin_outline(scene, layer):
    """Press the right button as a brush and go on without closing the outline."""
    scene.viewer.layers.selection.active = layer
    layer.mode = "paint"
    mouse.click(scene.viewer, BETWEEN, button=2)
    for point in ((44, 40), (44, 60)):
        mouse.move(scene.viewer, point)
        scene.qtbot.waitUntil(lambda point=point: scene.value(3, *point) == 1)


def test_a_closed_outline_is_an_edit(scene, labels_layer, autosaves):
    before = scene.labels.copy()
    begin_outline(scene, labels_layer)
    mouse.move(scene.viewer, BETWEEN)
    scene.qtbot.waitUntil(lambda: scene.value(3, 40, 45) == 1)
    painted = scene.labels.copy()
    scene.press("undo")
    assert np.array_equal(scene.labels, before)
    scene.press("redo")
    assert np.array_equal(scene.labels, painted)
    (path,) = autosaves.glob("*.jsonl")
    assert np.array_equal(replay(path, IMAGE, scene.predictor).labels, painted)


def test_undo_takes_an_open_outline_back_and_nothing_else(scene, labels_layer):
    before = scene.labels.copy()
    begin_outline(scene, labels_layer)
    mouse.press_key(scene.viewer, "Z", "Control")
    assert np.array_equal(scene.labels, before)
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not scene.labels.any()


def test_an_open_outline_is_no_part_of_the_next_edit(scene, labels_layer, autosaves):
    begin_outline(scene, labels_layer)
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    assert scene.value(3, 44, 50) == 0
    begin_outline(scene, labels_layer)
    mouse.press_key(scene.viewer, "D", "Shift")
    assert not scene.labels.any()
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, IMAGE, scene.predictor)
    assert not again.labels.any()
    again.undo()
    scene.press("undo")
    assert np.array_equal(again.labels, scene.labels)


def test_other_labels_layers_keep_napari_s_own_history(scene):
    own = scene.viewer.add_labels(np.zeros_like(scene.labels), name="mine")
    scene.viewer.layers.selection.active = own
    before = scene.labels.copy()
    own.mode = "paint"
    own.selected_label = 3
    mouse.click(scene.viewer, BETWEEN)
    assert (own.data == 3).any()
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not own.data.any()
    mouse.press_key(scene.viewer, "Z", "Control", "Shift")
    assert (own.data == 3).any()
    assert np.array_equal(scene.labels, before)
    assert scene.workspace.session.can_undo


def test_100_steps_go_back_and_forth_with_keys_on_any_of_our_layers(scene):
    session, states = scene.workspace.session, [scene.labels.copy()]
    for number in range(100):
        scene.workspace.layers.labels.paint((3, 5 + number % 50, number % 70), 1)
        states.append(scene.labels.copy())
    layers = scene.workspace.layers.all
    for number, expected in enumerate(reversed(states[:-1])):
        scene.viewer.layers.selection.active = layers[number % len(layers)]
        mouse.press_key(scene.viewer, "Z", "Control")
        assert np.array_equal(scene.labels, expected)
    for number, expected in enumerate(states[1:]):
        scene.viewer.layers.selection.active = layers[number % len(layers)]
        mouse.press_key(scene.viewer, "Z", "Control", "Shift")
        assert np.array_equal(scene.labels, expected)
    assert not session.can_redo


def paint_anew(scene, layer, label=7, place=RIGHT_DISK):
    """Draw a few pixels with the brush and a label."""
    layer.mode = "paint"
    layer.selected_label = label
    brush(scene, layer, place, (place[0], place[1] + 4))


def test_what_is_painted_with_a_new_label_is_under_work(scene, labels_layer):
    first = scene.labels == 1
    paint_anew(scene, labels_layer)
    assert scene.workspace.object_id == 7 == scene.state.object_id
    assert scene.state.message.text == (
        "Done: stroke on object 7. Clicks are for it from now on."
    )
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    assert np.array_equal(scene.labels == 1, first)
    assert (scene.labels == 7).sum() > 100
    assert labels_layer.selected_label == 7


def test_a_stroke_is_told_in_the_words_of_undo(scene, labels_layer):
    use_brush(scene, labels_layer)
    assert scene.state.message.text == "Done: stroke on object 1."
    use_eraser(scene, labels_layer)
    assert scene.state.message.text == "Done: stroke on object 1."
    assert scene.workspace.object_id == 1
    scene.press("undo")
    assert scene.state.message.text == "Taken back: stroke on object 1."


def test_undo_of_a_stroke_with_a_new_label_leaves_no_such_object(scene, labels_layer):
    paint_anew(scene, labels_layer)
    scene.press("undo")
    assert scene.state.object_ids == (1, 2)
    assert scene.workspace.object_id == 2
    scene.press("redo")
    assert scene.workspace.object_id == 7


def test_a_click_under_way_is_for_its_object_though_another_is_painted(
    scene, labels_layer
):
    scene.predictor.gate.clear()
    scene.press("use_points")
    mouse.click(scene.viewer, (20, 24))
    scene.viewer.layers.selection.active = labels_layer
    paint_anew(scene, labels_layer, place=(20, 18))
    scene.predictor.gate.set()
    scene.settle()
    assert scene.workspace.object_id == 7
    assert scene.value(3, 20, 26) == 1
    assert scene.value(3, 20, 20) == 7
