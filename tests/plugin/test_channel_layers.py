"""Channels that come, change and go, and the layers that choices leave."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtWidgets import QApplication
from tests.plugin import mouse
from tests.plugin.channels import (
    CHANNELS,
    GRID,
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

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    return open_channels(make_scene)


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
