"""Layers of one picture that the network sees together, as colours."""

from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import OpenedImage
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session

pytestmark = pytest.mark.slow

CHANNELS = np.stack(
    [
        stack().astype(np.uint16) * 10,
        np.stack([disks(radius=5)] * 8).astype(np.uint16) + 100,
        np.stack([disks(radius=7)] * 8).astype(np.uint16) * 3,
        np.stack([disks(centres=())] * 8).astype(np.uint16),
    ],
    axis=1,
)
NAMES = ["cells", "nuclei", "tubes", "noise"]
GRID = {"scale": (2, 0.5, 0.5), "translate": (0, 3, 4)}
ORIGIN = np.array(GRID["translate"][1:])


def at(point):
    """Return where a pixel lies in the world."""
    return tuple(ORIGIN + 0.5 * np.array(point))


def as_in_the_library(*numbers):
    image = OpenedImage(LazyArray(CHANNELS, "cells"), "zcyx", (1,) * 4, ("",) * 4, "")
    return image.composite(numbers)


@pytest.fixture
def scene(make_scene):
    def add_others(viewer):
        viewer.add_image(
            CHANNELS, channel_axis=1, name=NAMES, blending="additive", **GRID
        )

    scene = make_scene(None, before=add_others)
    choose_image(scene, "cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def choose_image(scene, name):
    picker = scene.widget.image_panel.picker
    picker.activated.emit(picker.findText(name))


def button_of(scene):
    return scene.widget.image_panel.channels


def actions_of(scene):
    return {a.text(): a for a in button_of(scene).menu().actions()}


def tick(scene, name):
    button_of(scene).menu().aboutToShow.emit()
    actions_of(scene)[name].trigger()
    scene.settle()


def is_offered(scene):
    return not button_of(scene).isHidden()


def layers_of(scene, kind, like=""):
    layers = [la for la in scene.viewer.layers if isinstance(la, kind)]
    return [la for la in layers if like in la.name and la.name != "SAM candidates"]


def with_channels(scene):
    return [w for w in scene.controller.workspaces if w.level.partners]


def seen_last(scene):
    scene.click(at(LEFT_DISK))
    return scene.predictor.encoded[-1]


def test_the_image_is_seen_alone_unless_others_are_ticked(scene):
    assert is_offered(scene)
    assert button_of(scene).text() == "the layer alone"
    assert list(actions_of(scene)) == ["nuclei", "tubes", "noise"]
    assert not any(a.isChecked() for a in actions_of(scene).values())
    alone = Volume(CHANNELS[:, 0]).read_uint8(Plane((1, 2), (3,)))
    assert np.array_equal(seen_last(scene), alone)


@pytest.mark.parametrize("numbers", [(0, 2), (0, 1, 2)])
def test_ticked_channels_are_seen_as_the_library_shows_them(scene, numbers):
    for number in numbers[1:]:
        tick(scene, NAMES[number])
    expected = Volume(as_in_the_library(*numbers)).read_uint8(Plane((1, 2), (3,)))
    assert np.array_equal(seen_last(scene), expected)
    assert scene.value(3, *LEFT_DISK) == 1
    picker = scene.widget.image_window_panel.picker
    assert picker.currentText() == "percentiles of each channel"
    for name in ("cells", *(NAMES[number] for number in numbers[1:])):
        assert name in scene.workspace.layers.labels.name


def test_the_chosen_image_has_the_first_colour(scene):
    choose_image(scene, "tubes")
    tick(scene, "cells")
    expected = Volume(as_in_the_library(2, 0)).read_uint8(Plane((1, 2), (3,)))
    scene.press("use_points")
    assert np.array_equal(seen_last(scene), expected)
    assert "cells is blue" in button_of(scene).toolTip()


def test_a_fourth_channel_cannot_be_ticked(scene):
    tick(scene, "nuclei")
    tick(scene, "noise")
    assert not actions_of(scene)["tubes"].isEnabled()
    assert actions_of(scene)["noise"].isEnabled()
    tick(scene, "noise")
    assert actions_of(scene)["tubes"].isEnabled()


def test_each_choice_keeps_its_masks_and_prompts(scene):
    scene.click(at(LEFT_DISK))
    tick(scene, "nuclei")
    assert not scene.labels.any()
    scene.click(at(RIGHT_DISK))
    together, labels = scene.workspace, scene.labels.copy()
    tick(scene, "nuclei")
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.value(3, *RIGHT_DISK) == 0
    assert np.allclose(scene.prompts.points, [LEFT_DISK], atol=1)
    tick(scene, "nuclei")
    assert scene.workspace is together
    assert np.array_equal(scene.labels, labels)
    assert layers_of(scene, Labels, "cells + nuclei")[0].data is scene.labels


def test_masks_of_one_choice_can_be_taken_into_another(scene):
    scene.click(at(LEFT_DISK))
    labels = scene.labels.copy()
    tick(scene, "nuclei")
    scene.widget.object_panel.buttons["take_labels"].click()
    scene.qtbot.waitUntil(lambda: scene.labels.any())
    scene.settle()
    assert np.array_equal(scene.labels, labels)
    tick(scene, "nuclei")
    assert np.array_equal(scene.labels, labels)
    assert np.allclose(scene.prompts.points, [LEFT_DISK], atol=1)


def test_embeddings_of_one_choice_are_not_those_of_another(scene):
    pictures = set()
    for name in ("nuclei", "tubes", "tubes", "nuclei"):
        tick(scene, name)
        scene.click(at(LEFT_DISK))
        picture = scene.workspace.volume.read_uint8(Plane((1, 2), (3,)))
        assert any(np.array_equal(picture, e) for e in scene.predictor.encoded)
        pictures.add(picture.tobytes())
    assert len(pictures) == 3


def test_choices_without_work_leave_no_layers(scene):
    for name in ("nuclei", "tubes", "nuclei", "tubes"):
        tick(scene, name)
    assert len(layers_of(scene, Labels)) == len(layers_of(scene, Points)) == 1
    assert not with_channels(scene)


def test_the_tool_stays_in_hand_and_undo_is_that_of_the_choice(scene):
    scene.click(at(LEFT_DISK))
    tick(scene, "nuclei")
    assert scene.state.tool.name == "POINTS"
    assert not scene.state.can_undo
    scene.click(at(RIGHT_DISK))
    scene.press("undo")
    scene.settle()
    assert not scene.labels.any()
    tick(scene, "nuclei")
    assert scene.value(3, *LEFT_DISK) == 1


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (stack()[:, :-1], GRID),
        (np.stack([stack()] * 3, axis=-1), {**GRID, "rgb": True}),
        (stack(), {**GRID, "scale": (2, 0.5, 0.6)}),
        (stack(), {**GRID, "translate": (0, 3, 4.5)}),
        (stack(), {**GRID, "rotate": 10}),
        (stack(), {**GRID, "units": ("um", "um", "um")}),
        ([stack(), stack()[:, ::2, ::2]], {**GRID, "multiscale": True}),
    ],
    ids=["shape", "rgb", "scale", "place", "turned", "units", "levels"],
)
def test_what_does_not_fit_is_not_offered(make_scene, data, options):
    scene = make_scene(CHANNELS[:, 0], name="cells", **GRID)
    assert not is_offered(scene)
    scene.viewer.add_image(data, name="other", **options)
    assert not is_offered(scene)
    scene.viewer.add_image(CHANNELS[:, 1], name="nuclei", **GRID)
    assert list(actions_of(scene)) == ["nuclei"]
    assert is_offered(scene)
    scene.viewer.layers.remove("nuclei")
    assert not is_offered(scene)


def test_a_layer_is_offered_once_it_lies_as_the_image(make_scene):
    scene = make_scene(stack(), name="cells", **GRID)
    other = scene.viewer.add_image(stack(), name="nuclei")
    scene.viewer.dims.set_current_step(0, 2)
    assert not is_offered(scene)
    other.scale, other.translate = GRID["scale"], GRID["translate"]
    scene.viewer.dims.set_current_step(0, 3)
    assert is_offered(scene)


def test_colours_have_no_channels_beside_them(make_scene):
    picture = np.stack([disks()] * 3, axis=-1)
    scene = make_scene(picture, name="picture", rgb=True)
    scene.viewer.add_image(disks(), name="grey")
    assert not is_offered(scene)


def test_a_channel_that_leaves_takes_no_masks_along(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    labels = scene.labels.copy()
    scene.viewer.layers.remove("nuclei")
    scene.qtbot.waitUntil(lambda: not scene.workspace.level.partners)
    assert scene.state.image.name == "cells"
    assert "sees 'nuclei' no longer" in scene.state.message.text
    (kept,) = layers_of(scene, Labels, "cells + nuclei")
    assert np.array_equal(kept.data, labels)
    assert button_of(scene).text() == "the layer alone"
    scene.click(at(RIGHT_DISK))
    assert scene.value(3, *RIGHT_DISK) == 1
    assert np.array_equal(kept.data, labels)
    assert len(layers_of(scene, Points)) == 1


def test_a_channel_that_comes_back_brings_its_session(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    labels = scene.labels.copy()
    scene.viewer.layers.remove("nuclei")
    scene.qtbot.waitUntil(lambda: not scene.workspace.level.partners)
    scene.viewer.add_image(CHANNELS[:, 1], name="nuclei", **GRID)
    tick(scene, "nuclei")
    bar = scene.widget.session_panel.bar
    scene.qtbot.waitUntil(lambda: not bar.isHidden())
    bar.restore.click()
    scene.settle()
    assert np.array_equal(scene.labels, labels)
    assert scene.workspace.level.partners


def test_other_choices_live_on_when_a_channel_leaves(scene):
    scene.click(at(LEFT_DISK))
    alone = scene.workspace
    tick(scene, "nuclei")
    scene.click(at(RIGHT_DISK))
    tick(scene, "nuclei")
    tick(scene, "tubes")
    in_use = scene.workspace
    scene.viewer.layers.remove("nuclei")
    scene.qtbot.waitUntil(lambda: len(with_channels(scene)) == 1)
    assert scene.workspace is in_use
    tick(scene, "tubes")
    assert scene.workspace is alone
    assert scene.value(3, *LEFT_DISK) == 1


def test_a_channel_can_leave_while_another_image_is_in_use(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    choose_image(scene, "tubes")
    nuclei = scene.viewer.layers["nuclei"]
    scene.viewer.layers.remove(nuclei)
    scene.qtbot.waitUntil(lambda: not with_channels(scene))
    scene.viewer.layers.append(nuclei)
    choose_image(scene, "cells")
    assert not scene.workspace.level.partners
    assert not actions_of(scene)["nuclei"].isChecked()
    (kept,) = layers_of(scene, Labels, "cells + nuclei")
    assert kept.data[(3, *LEFT_DISK)] == 1


def test_all_layers_can_leave_at_once(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    scene.viewer.layers.clear()
    QApplication.processEvents()
    assert scene.workspace is None
    assert not is_offered(scene)
    assert not scene.state.message.is_error


def test_other_pixels_of_a_channel_begin_anew_and_masks_stay(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    masks = scene.workspace.layers.labels
    before = masks.data.copy()
    scene.viewer.layers["nuclei"].data = CHANNELS[:, 2]
    assert "'nuclei' were replaced" in scene.state.message.text
    assert scene.workspace.level.partners
    assert not scene.labels.any()
    expected = Volume(as_in_the_library(0, 2)).read_uint8(Plane((1, 2), (3,)))
    assert np.array_equal(seen_last(scene), expected)
    assert np.array_equal(masks.data, before)
    scene.viewer.layers["nuclei"].data = CHANNELS[:, 2, :-1]
    assert not scene.workspace.level.partners
    assert masks in scene.viewer.layers


def test_other_pixels_of_a_channel_leave_the_image_alone_as_it_was(scene):
    scene.click(at(LEFT_DISK))
    alone = scene.workspace
    tick(scene, "nuclei")
    tick(scene, "nuclei")
    scene.viewer.layers["nuclei"].data = CHANNELS[:, 2]
    assert scene.workspace is alone
    assert scene.value(3, *LEFT_DISK) == 1


def test_a_channel_may_be_hidden_moved_and_renamed(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    in_use, nuclei = scene.workspace, scene.viewer.layers["nuclei"]
    nuclei.visible = False
    nuclei.name = "DAPI & more"
    nuclei.scale = (2, 0.25, 0.25)
    assert scene.workspace is in_use
    assert actions_of(scene)["DAPI && more"].isChecked()
    tick(scene, "DAPI && more")
    assert "DAPI && more" not in actions_of(scene)


def test_the_masks_follow_the_image(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    cells, masks = scene.viewer.layers["cells"], scene.workspace.layers.labels
    assert np.allclose(masks.scale, GRID["scale"])
    cells.translate = (0, 7, 9)
    assert np.allclose(masks.translate, (0, 7, 9))


def test_propagation_and_replay_see_the_colours(scene, autosaves):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    scene.press("propagate")
    scene.settle()
    assert all(scene.value(z, *LEFT_DISK) == 1 for z in range(1, 7))
    assert all(image.ndim == 3 for image in scene.predictor.encoded)
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, as_in_the_library(0, 1), scene.predictor)
    assert np.array_equal(again.labels, scene.labels)


def test_a_saved_session_opens_with_its_channels_and_is_refused_with_others(
    scene, tmp_path
):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    keeper, path = scene.widget.safekeeping, tmp_path / "mine.session"
    assert keeper.suggested_name() == "cells + nuclei.session"
    labels = scene.labels.copy()
    keeper.save(path)
    scene.qtbot.waitUntil(path.exists)
    scene.settle()
    opened = open_session(path, as_in_the_library(0, 1), scene.predictor)
    assert np.array_equal(opened.labels, labels)
    scene.press("undo")
    keeper.open(path)
    scene.settle()
    assert np.array_equal(scene.labels, labels)
    tick(scene, "nuclei")
    keeper.open(path)
    scene.settle()
    assert scene.state.message.is_error
    assert "uint16" in scene.state.message.text
    assert "channels" in scene.state.message.text


def test_a_closed_widget_leaves_the_session_to_be_restored(scene, make_scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    labels = scene.labels.copy()
    scene.viewer.window.remove_dock_widget(scene.widget)
    later = make_scene(CHANNELS[:, 0], name="cells", **GRID)
    later.viewer.add_image(CHANNELS[:, 1], name="nuclei", **GRID)
    tick(later, "nuclei")
    bar = later.widget.session_panel.bar
    later.qtbot.waitUntil(lambda: not bar.isHidden())
    bar.restore.click()
    later.settle()
    assert np.array_equal(later.labels, labels)


def test_objects_are_measured_on_the_image_itself(scene):
    tick(scene, "nuclei")
    scene.click(at(LEFT_DISK))
    scene.widget.object_panel.buttons["measure"].click()
    masks = scene.workspace.layers.labels
    scene.qtbot.waitUntil(lambda: len(masks.features) == 1)
    assert masks.features["intensity_mean"][0] == 2000


def test_channels_are_read_slice_by_slice_at_every_level(make_scene):
    full = [da.from_array(CHANNELS[:, n], chunks=(1, 64, 80)) for n in range(2)]
    cells, nuclei = ([each, each[:, ::2, ::2]] for each in full)
    scene = make_scene(cells, multiscale=True, name="cells")
    scene.viewer.add_image(nuclei, multiscale=True, name="nuclei")
    scene.viewer.dims.set_current_step(0, 3)
    tick(scene, "nuclei")
    assert scene.workspace.volume.level_shapes == ((8, 32, 40),)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    scene.widget.image_panel.level.activated.emit(1)
    assert scene.workspace.level.partners
    assert "cells + nuclei 1/2" in scene.workspace.layers.labels.name
    scene.click(LEFT_DISK)
    assert scene.labels.shape == (8, 32, 40)
    assert scene.value(3, LEFT_DISK[0] // 2, LEFT_DISK[1] // 2) == 1
    shapes = {image.shape for image in scene.predictor.encoded}
    assert shapes == {(64, 80, 3), (32, 40, 3)}


def test_a_broken_slice_of_a_channel_leaves_the_others_useful(make_scene):
    def read(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 4:
            raise OSError("broken")
        return block

    whole = da.from_array(CHANNELS[:, 1], chunks=(1, 64, 80))
    broken = whole.map_blocks(read, dtype=whole.dtype, meta=CHANNELS[:0, 1])
    scene = make_scene(CHANNELS[:, 0], name="cells")
    scene.viewer.add_image(
        broken, name="nuclei", visible=False, contrast_limits=(0, 400)
    )
    scene.viewer.dims.set_current_step(0, 3)
    tick(scene, "nuclei")
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    scene.viewer.dims.set_current_step(0, 4)
    scene.click(LEFT_DISK)
    assert "broken" in scene.state.message.text
    assert scene.value(3, *LEFT_DISK) == 1


def press_in_menu(scene, *keys):
    """Open the menu with the keyboard, and go on with keys."""
    pressed = []

    def press_keys():
        menu = QApplication.activePopupWidget()
        if menu is None:
            QTimer.singleShot(10, press_keys)
            return
        for key in keys:
            QTest.keyClick(menu, key)
        pressed.append(menu.isVisible())

    QTimer.singleShot(0, press_keys)
    QTest.keyClick(button_of(scene), Qt.Key.Key_Space)
    scene.qtbot.waitUntil(lambda: bool(pressed))
    scene.settle()


def test_the_keyboard_alone_ticks_a_channel(scene):
    button = button_of(scene)
    button.setFocus(Qt.FocusReason.TabFocusReason)
    assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    down, enter = Qt.Key.Key_Down, Qt.Key.Key_Return
    press_in_menu(scene, down, down, enter)
    assert [layer.name for layer in scene.workspace.level.partners] == ["tubes"]
    assert button.text() == "with tubes"
    assert button.accessibleName() == "Channels: with tubes"
    press_in_menu(scene, down, down, enter)
    assert not scene.workspace.level.partners


def test_long_names_fit_into_300_pixels(scene):
    names = [f"2024-05-17 plate 3 well B07 {name}" for name in ("nuclei", "tubes")]
    for before, name in zip(("nuclei", "tubes"), names, strict=True):
        scene.viewer.layers[before].name = name
    for number in range(len(names)):
        button_of(scene).menu().aboutToShow.emit()
        button_of(scene).menu().actions()[number].trigger()
        scene.settle()
    QApplication.processEvents()
    assert scene.widget.minimumSizeHint().width() <= 300
    assert button_of(scene).toolTip().endswith("tubes is blue.")


def test_a_click_under_way_stays_with_its_choice(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, at(LEFT_DISK))
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    actions_of(scene)["nuclei"].trigger()
    scene.predictor.gate.set()
    scene.settle()
    assert not scene.labels.any()
    tick(scene, "nuclei")
    assert scene.value(3, *LEFT_DISK) == 1


def load_network(scene):
    scene.controller.load_model()
    scene.settle()


def wait_for_prefetch(scene, encoded):
    scene.qtbot.waitUntil(lambda: len(scene.predictor.encoded) > encoded)
    scene.settle()


def test_choices_without_work_leave_no_layers_once_a_network_is_there(scene):
    load_network(scene)
    for name in ("nuclei", "tubes", "nuclei", "tubes"):
        encoded = len(scene.predictor.encoded)
        tick(scene, name)
        if len(scene.workspace.level.layers) > 1:
            wait_for_prefetch(scene, encoded)
    assert len(layers_of(scene, Labels)) == len(layers_of(scene, Points)) == 1
    assert not with_channels(scene)


def test_channels_that_change_leave_no_empty_masks(scene):
    load_network(scene)
    tick(scene, "nuclei")
    wait_for_prefetch(scene, 0)
    scene.viewer.layers["nuclei"].data = CHANNELS[:, 2]
    assert len(layers_of(scene, Labels, "cells + nuclei")) == 1
    wait_for_prefetch(scene, len(scene.predictor.encoded))
    scene.viewer.layers.remove("nuclei")
    scene.qtbot.waitUntil(lambda: not scene.workspace.level.partners)
    assert not layers_of(scene, Labels, "cells + nuclei")


def test_colours_follow_the_layer_list_until_there_is_work(scene):
    load_network(scene)
    tick(scene, "nuclei")
    tick(scene, "tubes")
    wait_for_prefetch(scene, 0)
    scene.viewer.layers.move(scene.viewer.layers.index("tubes"), 0)
    for name in ("nuclei", "nuclei"):
        tick(scene, name)
    assert [p.name for p in scene.workspace.level.partners] == ["tubes", "nuclei"]
    assert "tubes is green, nuclei is blue" in button_of(scene).toolTip()


@pytest.mark.parametrize("how", ["tick", "replace", "in place"])
def test_masks_that_somebody_else_put_in_stay(scene, how):
    tick(scene, "nuclei")
    masks = scene.workspace.layers.labels
    if how == "in place":
        masks.data[3, 10:20, 10:20] = 4
    else:
        masks.data = np.where(np.indices(masks.data.shape).sum(0) > 40, 4, 0)
    before = np.array(masks.data)
    if how == "replace":
        scene.viewer.layers["nuclei"].data = CHANNELS[:, 2]
    else:
        tick(scene, "nuclei")
    assert masks in scene.viewer.layers
    assert np.array_equal(masks.data, before)


def slow_loading(scene):
    gate = threading.Event()

    def load(choice):
        assert gate.wait(10)
        return scene.predictor

    scene.controller.segmenter._load = load
    return gate


def switch_now(scene, name):
    """Tick a channel without waiting for what is under way."""
    button_of(scene).menu().aboutToShow.emit()
    actions_of(scene)[name].trigger()


def test_choices_made_while_the_network_loads_leave_no_layers(scene):
    gate = slow_loading(scene)
    scene.controller.load_model()
    for name in ("nuclei", "tubes", "nuclei", "tubes"):
        switch_now(scene, name)
    gate.set()
    scene.settle()
    assert len(layers_of(scene, Labels)) == len(layers_of(scene, Points)) == 1
    assert not with_channels(scene)


@pytest.mark.parametrize("wish", ["find_objects", "click"])
def test_what_waits_for_the_network_keeps_its_choice(scene, wish):
    gate = slow_loading(scene)
    switch_now(scene, "nuclei")
    together = scene.workspace
    if wish == "click":
        mouse.click(scene.viewer, at(LEFT_DISK))
    else:
        scene.press(wish)
    switch_now(scene, "nuclei")
    assert together in with_channels(scene)
    gate.set()
    scene.settle()
    assert together in with_channels(scene)
    assert not scene.labels.any()


def test_a_choice_whose_wish_came_to_nothing_goes_with_the_next_tick(scene):
    gate = slow_loading(scene)
    switch_now(scene, "nuclei")
    scene.press("find_objects")
    switch_now(scene, "nuclei")
    scene.press("stop")
    gate.set()
    scene.settle()
    tick(scene, "tubes")
    assert [w.level.frame.name for w in with_channels(scene)] == ["cells + tubes"]
    assert not layers_of(scene, Labels, "cells + nuclei")


@pytest.mark.parametrize(
    ("grid", "other"),
    [
        (
            {"scale": (0.1,) * 3, "translate": (0, 5e4, 5e4)},
            {"scale": (0.1,) * 3, "translate": (0, 5e4 + 0.4, 5e4)},
        ),
        ({"scale": (4e-9,) * 3}, {"scale": (8e-9,) * 3}),
        ({"scale": (4e-9,) * 3}, {"scale": (4e-9,) * 3, "translate": (0, 4e-9, 0)}),
        ({}, {"scale": (1, 1, 1.001)}),
        ({}, {"affine": np.array([[1, 0, 0, 0], [0, 1, 0.01, 0], [0, 0, 1, 0]])}),
    ],
    ids=["4 pixels far away", "scale in metres", "1 pixel of nm", "0.1 %", "affine"],
)
def test_layers_a_little_apart_are_not_offered(make_scene, grid, other):
    scene = make_scene(stack(), name="cells", **grid)
    if "affine" in other:
        other = {"affine": np.vstack([other["affine"], [0, 0, 0, 1]])}
    scene.viewer.add_image(stack(), name="nuclei", **other)
    choose_image(scene, "cells")
    assert not is_offered(scene)


def test_rounding_does_not_keep_a_layer_away(make_scene):
    far = {"scale": (0.1, 0.3, 0.3), "translate": (0, 5e4, 5e4)}
    scene = make_scene(stack(), name="cells", **far)
    near = {"scale": (0.1, 0.1 * 3, 0.3), "translate": (0, 5e4 + 1e-6, 5e4)}
    scene.viewer.add_image(stack(), name="nuclei", **near)
    choose_image(scene, "cells")
    assert is_offered(scene)


@pytest.mark.parametrize("what", ["data", "rotate", "shear", "affine", "units"])
def test_the_channels_are_seen_once_a_layer_fits(make_scene, what):
    off = {
        "data": stack()[:, :-1],
        "rotate": 10,
        "shear": (0.1, 0, 0),
        "affine": np.diag([1, 2, 1, 1]),
        "units": ("um",) * 3,
    }
    scene = make_scene(stack(), name="cells")
    options = {"data": stack(), **{what: off[what]}}
    other = scene.viewer.add_image(options.pop("data"), name="nuclei", **options)
    choose_image(scene, "cells")
    assert not is_offered(scene)
    like = scene.viewer.layers["cells"]
    setattr(other, what, stack() if what == "data" else getattr(like, what))
    scene.viewer.dims.set_current_step(0, 3)
    scene.viewer.dims.set_current_step(0, 4)
    assert is_offered(scene)


def test_long_names_are_told_apart(scene):
    names = [f"2024-05-17 plate 3 well B07 {name}" for name in ("nuclei", "tubes")]
    for before, name in zip(("nuclei", "tubes"), names, strict=True):
        scene.viewer.layers[before].name = name
    button_of(scene).menu().aboutToShow.emit()
    listed = button_of(scene).menu().actions()[:2]
    assert all(len(action.text()) < len(names[0]) for action in listed)
    assert [action.toolTip() for action in listed] == names
    for number in range(2):
        button_of(scene).menu().actions()[number].trigger()
        scene.settle()
    text = button_of(scene).text()
    assert text.startswith("2: 2")
    assert "lei, 2" in text
    assert text.endswith("bes")
    assert button_of(scene).fontMetrics().horizontalAdvance(text) <= 150
    assert all(name in button_of(scene).accessibleName() for name in names)


def test_a_new_name_is_seen_at_once(scene):
    tick(scene, "nuclei")
    nuclei = scene.viewer.layers["nuclei"]
    nuclei.name = "DAPI"
    assert button_of(scene).text() == "with DAPI"
    assert button_of(scene).toolTip().endswith("DAPI is blue.")
    assert "DAPI" in actions_of(scene)
    assert scene.widget.image_panel.picker.findText("DAPI") >= 0
    scene.viewer.window.remove_dock_widget(scene.widget)
    nuclei.name = "Hoechst"
    assert button_of(scene).text() == "with DAPI"


def test_a_tick_that_cannot_be_is_taken_back(scene):
    tick(scene, "nuclei")
    tick(scene, "noise")
    button_of(scene).switched.emit(scene.viewer.layers["tubes"])
    assert not actions_of(scene)["tubes"].isChecked()
    actions_of(scene)["tubes"].setChecked(True)
    button_of(scene).switched.emit(scene.viewer.layers["tubes"])
    assert not actions_of(scene)["tubes"].isChecked()
    assert len(scene.workspace.level.partners) == 2
