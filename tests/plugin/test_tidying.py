"""The button that tidies objects, driven with real clicks and keys."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, stack

from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.document.object_edits import LockObject
from napari_sam_adapter.volume.planes.plane import Plane

PLANE = Plane((1, 2), 3)


def at(disk, row=3, column=3):
    return 3, disk[0] + row, disk[1] + column


@pytest.fixture
def scene(make_scene):
    """Two objects on one slice, each with a hole; the second one is under work."""
    image = stack()
    image[at(LEFT_DISK)] = image[at(RIGHT_DISK)] = 0
    scene = make_scene(image, name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "K")
    scene.click(RIGHT_DISK)
    assert scene.value(*at(RIGHT_DISK)) == 0
    return scene


def test_the_key_fills_holes_of_the_object_under_work(scene):
    mouse.press_key(scene.viewer, "T", "Shift")
    scene.settle()
    assert scene.state.message.text == "1 hole filled."
    assert scene.value(*at(RIGHT_DISK)) == 2
    assert scene.value(*at(LEFT_DISK)) == 0
    mouse.press_key(scene.viewer, "Z", "Control")
    assert scene.state.message.text == "Taken back: tidying of object 2."
    assert scene.value(*at(RIGHT_DISK)) == 0


def test_the_button_tidies_all_selected_but_locked_objects(scene):
    panel = scene.widget.object_panel
    panel.table.selectAll()
    panel.buttons["tidy_objects"].click()
    scene.settle()
    assert scene.state.message.text == "2 holes filled."
    assert scene.value(*at(LEFT_DISK)) == 1
    scene.press("undo")
    scene.workspace.session.apply(LockObject(1))
    panel.table.selectAll()
    panel.buttons["tidy_objects"].click()
    scene.settle()
    assert scene.state.message.text == "1 hole filled. 1 locked object left alone."
    assert scene.value(*at(LEFT_DISK)) == 0


def test_what_is_tidy_locked_or_not_there_is_told(scene):
    for _ in range(2):
        scene.controller.do("tidy_objects")
        scene.settle()
    assert scene.state.message.text == "Nothing to tidy."
    scene.workspace.session.apply(LockObject(2))
    scene.controller.do("tidy_objects")
    scene.settle()
    assert "locked object 2" in scene.state.message.text
    scene.press("next_object")
    scene.controller.do("tidy_objects")
    assert "has no mask yet" in scene.state.message.text


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2)])
def test_slices_are_those_in_view_and_hidden_objects_are_tidied(scene, order):
    scene.viewer.dims.order = order
    scene.widget.object_panel.shown_changed.emit((2,), False)
    scene.controller.do("tidy_objects")
    scene.settle()
    is_open = order[0] == 1
    text = "Nothing to tidy." if is_open else "1 hole filled."
    assert scene.state.message.text == text
    own = scene.workspace.session.labels == 2
    assert own[at(RIGHT_DISK)] != is_open


def test_a_picture_is_tidied(make_scene):
    image = stack()[3]
    image[at(LEFT_DISK)[1:]] = 0
    scene = make_scene(image, name="cell")
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.controller.do("tidy_objects")
    scene.settle()
    assert scene.state.message.text == "1 hole filled."
    assert scene.value(*at(LEFT_DISK)[1:]) == 1


# What a worker finds comes when the window handles events, so not before `settle`.


def test_the_window_goes_on_and_stop_leaves_the_objects(scene):
    scene.controller.do("tidy_objects")
    assert "holes and specks of object 2" in scene.state.message.text
    scene.press("next_object")
    assert scene.widget.activity_panel.stop.isEnabled()
    scene.press("stop")
    assert not scene.state.is_busy
    assert scene.state.message.text == "Stopped. Nothing was changed."
    scene.select_row(0)
    scene.controller.do("tidy_objects")  # this comes after all that was stopped
    scene.settle()
    assert scene.state.message.text == "1 hole filled."
    assert scene.value(*at(LEFT_DISK)) == 1
    assert scene.value(*at(RIGHT_DISK)) == 0


def test_an_object_that_changed_meanwhile_is_left_as_it_is(scene):
    scene.controller.do("tidy_objects")
    scene.workspace.session.apply(Paint(PLANE, np.array([[1, 1]]), 2))
    scene.settle()
    assert "Tidy it again" in scene.state.message.text
    assert scene.value(*at(RIGHT_DISK)) == 0
    scene.controller.do("tidy_objects")
    scene.settle()
    assert scene.value(*at(RIGHT_DISK)) == 2
    assert scene.value(3, 1, 1) == 2
