"""What is on the screen is what stands in the labels, without looking at all of it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.plugin import labels_painting
from napari_sam_adapter.plugin.labels_painting import LabelsPainter
from napari_sam_adapter.volume.object_edits import LockObject


@pytest.fixture
def show(make_scene, qtbot):
    """Build scenes in a window on the screen: napari draws nothing in a hidden one."""

    def build(image):
        scene = make_scene(image, name="cells")
        scene.widget.window().show()
        qtbot.waitExposed(scene.widget.window())
        scene.press("use_points")
        overlay = scene.widget.candidates.overlay
        qtbot.waitUntil(lambda: overlay.layer is not None)
        overlay.layer.visible = False  # outlines come a moment after the masks
        canvas(scene)
        return scene

    return build


def canvas(scene):
    QApplication.processEvents()
    return scene.viewer.screenshot(canvas_only=True, flash=False)


def check_screen(scene):
    """Compare the masks on the canvas with those that napari makes anew."""
    labels = scene.workspace.layers.labels
    for layer in scene.viewer.layers:
        if layer is not labels:
            layer.visible = False
    shown = canvas(scene)
    labels.refresh()
    np.testing.assert_array_equal(shown, canvas(scene))
    assert shown[..., :3].any() == labels.data.any()


@pytest.fixture
def conversions(monkeypatch):
    """Collect how many labels napari converts for the screen at a time."""
    sizes = []

    def convert(colormap, values):
        sizes.append(np.size(values))
        return whole(colormap, values)

    from napari.utils.colormaps import CyclicLabelColormap

    whole = CyclicLabelColormap._data_to_texture
    monkeypatch.setattr(CyclicLabelColormap, "_data_to_texture", convert)
    return sizes


@pytest.mark.parametrize("contour", [0, 2])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_mask_undo_and_redo_are_on_the_screen(show, order, contour):
    volume = np.moveaxis(stack(), (0, 1, 2), order)  # the disks face the user
    scene = show(volume)
    scene.viewer.dims.order = order
    scene.viewer.dims.set_current_step(order[0], 3)
    scene.workspace.layers.labels.contour = contour
    scene.click(LEFT_DISK)
    assert scene.labels.any()
    check_screen(scene)
    scene.press("undo")
    assert not scene.labels.any()
    check_screen(scene)
    scene.press("redo")
    check_screen(scene)


def test_a_click_converts_the_box_that_changed(show, conversions):
    scene = show(disks())
    scene.click(LEFT_DISK)
    conversions.clear()
    scene.click(RIGHT_DISK)
    assert scene.labels[RIGHT_DISK]
    assert 0 < max(conversions) < scene.labels.size / 4


def test_a_large_change_is_shown_in_parts(show, conversions, monkeypatch):
    monkeypatch.setattr(labels_painting, "MOST_PIXELS", 300)
    scene = show(disks())
    scene.click(LEFT_DISK)
    conversions.clear()
    scene.click(RIGHT_DISK)
    scene.press("undo")
    scene.press("redo")
    assert max(conversions) <= 300
    check_screen(scene)


def test_a_stroke_that_is_refused_goes_from_the_screen(show):
    scene = show(disks())
    scene.click(LEFT_DISK)
    workspace = scene.workspace
    workspace.apply(LockObject(workspace.object_id))
    with workspace.layers.labels.block_history():
        workspace.layers.labels.paint(LEFT_DISK, 0)
    assert "Unlock them first" in scene.state.message.text
    assert scene.labels[LEFT_DISK]
    check_screen(scene)


def test_a_hidden_layer_shows_all_when_it_is_seen_again(show):
    scene = show(stack())
    scene.viewer.dims.set_current_step(0, 3)
    scene.workspace.layers.labels.visible = False
    scene.click(LEFT_DISK)
    scene.workspace.layers.labels.visible = True
    assert scene.labels.any()
    check_screen(scene)


def test_a_layer_without_the_ways_of_the_brush_is_refreshed(show, monkeypatch):
    scene = show(disks())
    monkeypatch.setattr(labels_painting, "_OF_THE_BRUSH", ("no_such_name",))
    scene.click(LEFT_DISK)
    assert scene.labels[LEFT_DISK]
    check_screen(scene)


def test_parts_of_a_closed_painter_are_left_out(show, monkeypatch, qtbot):
    monkeypatch.setattr(labels_painting, "MOST_PIXELS", 80)
    scene = show(disks())
    layer, shown = scene.workspace.layers.labels, []
    layer.events.labels_update.connect(shown.append)
    painter = LabelsPainter()
    painter.paint(layer, layer.data, (slice(0, 64), slice(0, 80)))
    painter.close()
    QApplication.processEvents()
    assert len(shown) == 1


def test_undo_is_seen_in_three_dimensions(show):
    scene = show(stack())
    scene.viewer.dims.set_current_step(0, 3)
    scene.click(LEFT_DISK)
    scene.viewer.dims.ndisplay = 3
    canvas(scene)
    scene.press("undo")
    check_screen(scene)
    scene.press("redo")
    assert scene.labels.any()
    check_screen(scene)
