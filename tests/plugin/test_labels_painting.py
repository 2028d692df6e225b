"""What is on the screen is what stands in the labels, without looking at all of it."""

from __future__ import annotations

import numpy as np
import pytest
from napari._vispy.utils.gl import get_max_texture_sizes
from napari.layers import Image
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack
from tests.plugin.monkey import is_shown

from napari_sam_adapter.plugin.layers.image_session import start_session
from napari_sam_adapter.plugin.viewing import labels_painting
from napari_sam_adapter.volume.document.edits import NewObject, Paint
from napari_sam_adapter.volume.document.object_edits import LockObject
from napari_sam_adapter.volume.planes.plane import Plane

pytestmark = pytest.mark.slow


@pytest.fixture
def show(make_scene, qtbot):
    """Build scenes in a window on the screen: napari draws nothing in a hidden one."""

    def build(image, labels=None):
        scene = make_scene(None)
        layer = Image(image, name="cells")
        if labels is not None:
            scene.controller.workspaces.starting_labels[layer] = labels
        scene.viewer.add_layer(layer)
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


@pytest.fixture
def waiting(show, monkeypatch):
    """A scene in which most of an undone mask waits to go from the screen."""
    monkeypatch.setattr(labels_painting, "MOST_PIXELS", 20)
    scene = show(disks())
    scene.click(LEFT_DISK)
    go_on(scene)
    scene.press("undo")
    assert not is_shown(scene.workspace.layers.labels)
    return scene


def go_on(scene):
    for _ in range(100):
        QApplication.processEvents()


def test_the_mask_goes_whole_though_the_image_is_gone(waiting):
    layer = waiting.workspace.layers.labels
    waiting.viewer.layers.remove(waiting.workspace.image)
    assert is_shown(layer)


@pytest.mark.parametrize("shape", [(4, 4), (70, 90)])
def test_a_layer_that_got_other_data_meanwhile_shows_these(waiting, shape):
    layer = waiting.workspace.layers.labels
    layer.data = np.ones(shape, int)
    go_on(waiting)  # an exception in the event loop fails the test
    assert is_shown(layer)
    waiting.press("redo")
    go_on(waiting)
    check_screen(waiting)


def test_undo_and_redo_again_and_again_leave_no_more_to_show(waiting):
    for _ in range(10):
        waiting.press("redo")
        waiting.press("undo")
    shown = []
    waiting.workspace.layers.labels.events.labels_update.connect(shown.append)
    go_on(waiting)
    assert len(shown) < 20
    check_screen(waiting)


def refreshes(scene):
    """Return how often napari makes the slice anew to show that a mask went."""
    go_on(scene)
    made = []
    scene.workspace.layers.labels.events.set_data.connect(made.append)
    scene.press("undo")
    go_on(scene)
    assert not scene.labels.any()
    return len(made)


def test_what_can_only_be_refreshed_is_refreshed_once(show, monkeypatch):
    monkeypatch.setattr(labels_painting, "MOST_PIXELS", 20)
    monkeypatch.setattr(labels_painting, "_OF_THE_BRUSH", ("no_such_name",))
    scene = show(disks())
    scene.click(LEFT_DISK)
    assert refreshes(scene) == 1


@pytest.mark.filterwarnings("ignore:data shape")
def test_a_slice_too_large_for_a_texture_is_refreshed_once(show, monkeypatch):
    monkeypatch.setattr(labels_painting, "MOST_PIXELS", 20)
    scene = show(np.zeros((get_max_texture_sizes()[0] + 1, 32), np.uint8))
    pixels = np.argwhere(np.ones((20, 20), bool))
    paint = Paint(Plane((0, 1), ()), pixels, np.ones(len(pixels), int))
    scene.workspace.apply(NewObject(1), paint)
    scene.workspace.repaint()
    scene.controller.update()
    assert refreshes(scene) == 1
    assert is_shown(scene.workspace.layers.labels)


def give_another_session(scene):
    """Open another session with a mask, without a turn of the event loop after it."""
    session = start_session(scene.workspace.level)
    pixels = np.argwhere(np.ones((20, 20), bool)) + LEFT_DISK
    paint = Paint(Plane((0, 1), ()), pixels, np.ones(len(pixels), int))
    session.apply(NewObject(1), paint)
    scene.workspace.take_session(session)
    scene.controller.update()


@pytest.fixture
def clicked(show):
    scene = show(disks())
    scene.click(LEFT_DISK)
    return scene


def test_another_session_is_there_at_once_and_seen_a_turn_later(clicked, conversions):
    layer = clicked.workspace.layers.labels
    conversions.clear()
    give_another_session(clicked)
    assert layer.data is clicked.workspace.session.labels
    assert layer.data.size not in conversions
    go_on(clicked)
    assert conversions.count(layer.data.size) == 1
    check_screen(clicked)


@pytest.mark.parametrize("shape", [(4, 4), (70, 90)])
def test_a_layer_that_got_other_data_shows_these(clicked, shape):
    layer = clicked.workspace.layers.labels
    give_another_session(clicked)
    layer.data = np.ones(shape, int)
    go_on(clicked)
    assert layer._slice.image.raw.shape == shape


@pytest.mark.parametrize("shape", [(4, 4), (4, 64, 80)])
def test_another_session_replaces_data_of_another_shape(clicked, shape):
    layer = clicked.workspace.layers.labels
    layer.data = np.ones(shape, int)
    assert layer.extent.data[1].tolist() == [length - 1 for length in shape]
    give_another_session(clicked)
    go_on(clicked)
    assert layer.extent.data[1].tolist() == [63, 79]
    assert clicked.viewer.dims.ndim == 2


def test_the_thumbnail_is_that_of_the_other_session(clicked):
    layer = clicked.workspace.layers.labels
    give_another_session(clicked)
    go_on(clicked)
    shown = layer.thumbnail.copy()
    layer.refresh()
    assert np.array_equal(shown, layer.thumbnail)


def test_what_napari_made_anew_meanwhile_is_not_made_again(clicked, conversions):
    layer = clicked.workspace.layers.labels
    give_another_session(clicked)
    layer.refresh()  # as a step does
    conversions.clear()
    go_on(clicked)
    assert layer.data.size not in conversions
    check_screen(clicked)


def test_an_edit_of_another_session_is_seen(clicked):
    give_another_session(clicked)
    clicked.workspace.session.undo()
    clicked.workspace.repaint()
    go_on(clicked)
    check_screen(clicked)


def test_another_session_is_seen_though_the_image_is_gone(clicked):
    layer = clicked.workspace.layers.labels
    give_another_session(clicked)
    clicked.viewer.layers.remove(clicked.workspace.image)
    assert np.array_equal(layer._slice.image.raw, layer.data)
    assert is_shown(layer)


@pytest.fixture
def asynchronous():
    """napari slices on a thread, as its experimental setting has it."""
    settings = get_settings().experimental
    before, settings.async_ = settings.async_, True
    yield
    settings.async_ = before


@pytest.mark.parametrize("hidden", ["", "points", "labels"])
def test_undo_and_redo_while_napari_slices_on_a_thread(
    show, asynchronous, qtbot, hidden
):
    scene = show(stack())
    scene.viewer.dims.set_current_step(0, 3)
    scene.click(LEFT_DISK)
    layers = scene.workspace.layers
    if hidden:
        getattr(layers, hidden).visible = False
    scene.press("undo")
    scene.press("undo")
    assert not scene.labels.any()
    scene.press("redo")
    scene.press("redo")
    for layer in layers.all:
        layer.visible = True
    qtbot.waitUntil(lambda: all(layer.loaded for layer in layers.all))
    assert layers.labels._slice.image.raw.any()
    assert is_shown(layers.labels)
    assert len(layers.points.data) == 1


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_labels_of_other_types_are_on_the_screen(show, dtype):
    own = np.zeros((64, 80), dtype)
    own[4:12, 35:45] = 7
    scene = show(disks(), own)
    scene.click(LEFT_DISK)
    assert scene.labels is own
    check_screen(scene)
    scene.press("undo")
    assert own.any()
    check_screen(scene)


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
