"""Objects of a Labels layer that the user has, by one button."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack


@pytest.fixture
def scene(make_scene):
    return make_scene(disks(), name="cells")


def foreign():
    """What another plugin might have made of the two disks: one is too large."""
    labels = np.zeros(disks().shape, np.int32)
    labels[disks() > 100] = 5
    labels[:, : disks().shape[1] // 2] *= 2
    labels[:3, :3] = 10
    return labels


def take(scene):
    scene.widget.object_panel.buttons["take_labels"].click()
    scene.settle()


def test_objects_of_the_only_layer_that_fits_are_taken_and_can_be_corrected(scene):
    layer = scene.viewer.add_labels(foreign(), name="cellpose")
    scene.viewer.add_labels(np.ones((5, 5), int), name="other")
    take(scene)
    np.testing.assert_array_equal(scene.labels, foreign())
    assert scene.widget.object_panel.table.model().rowCount() == 2
    assert "2 objects taken from cellpose" in scene.state.message.text
    assert not layer.visible
    scene.widget.controller.choose_object(10)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(*LEFT_DISK) == 10
    assert scene.value(1, 1) == 0
    np.testing.assert_array_equal(layer.data, foreign())
    scene.press("undo")
    scene.press("undo")
    scene.press("undo")
    assert scene.workspace.session.object_ids == []


def test_of_several_layers_the_selected_one_is_taken(scene):
    scene.viewer.add_labels(foreign(), name="first")
    second = scene.viewer.add_labels(foreign() * 2, name="second")
    scene.viewer.layers.selection.clear()
    take(scene)
    assert scene.state.message.is_error
    assert "Select one in the layer list" in scene.state.message.text
    scene.viewer.layers.selection = {second}
    take(scene)
    assert scene.value(*RIGHT_DISK) == 10


def test_without_a_layer_that_fits_it_is_told_what_to_open(scene):
    scene.press("use_points")  # makes the layer of our own masks
    take(scene)
    assert scene.state.message.is_error
    rows, columns = disks().shape
    assert f"{rows} x {columns} pixels" in scene.state.message.text
    assert scene.workspace.session.object_ids == []


def test_the_layer_that_may_be_meant_is_named(scene):
    picture = scene.viewer.add_image(foreign(), name="mask")
    scene.viewer.layers.selection = {picture}
    take(scene)
    assert "got mask, an image. If it holds labels" in scene.state.message.text
    scene.viewer.add_labels(np.ones((5, 6), int), name="crop")
    take(scene)
    assert "got crop of 5 x 6. Choose the image" in scene.state.message.text


def test_labels_of_all_slices_are_taken(make_scene):
    scene = make_scene(stack(), name="cells")
    labels = (stack() > 100).astype(np.uint8) * 3
    scene.viewer.add_labels(labels, name="cellpose")
    take(scene)
    np.testing.assert_array_equal(scene.labels, labels)
    assert scene.workspace.session.object_ids == [3]
