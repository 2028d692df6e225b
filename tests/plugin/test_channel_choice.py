"""Layers of one picture that the network sees together, as colours."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels, Points
from tests.plugin import mouse
from tests.plugin.channels import (
    CHANNELS,
    GRID,
    NAMES,
    actions_of,
    as_in_the_library,
    at,
    button_of,
    choose_image,
    is_offered,
    layers_of,
    open_channels,
    seen_last,
    tick,
    with_channels,
)
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK

from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    return open_channels(make_scene)


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
