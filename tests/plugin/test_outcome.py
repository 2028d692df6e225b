"""The status line says what came of a click, also if it is nothing."""

from __future__ import annotations

import pytest
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, disks


@pytest.fixture
def scene(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    return scene


def test_a_click_on_an_object_is_segmented(scene):
    scene.click(LEFT_DISK)
    assert scene.state.message.text == "Object 1 is segmented."


def test_a_click_on_nothing_says_that_nothing_was_found(scene):
    scene.click(BETWEEN)
    assert not scene.labels.any()
    assert scene.state.message.text == (
        "Object 1: nothing was found here. Click elsewhere, or undo."
    )


def test_a_click_on_a_neighbour_says_who_has_the_pixels(scene):
    scene.click(LEFT_DISK)
    scene.press("accept")
    scene.click((LEFT_DISK[0] + 2, LEFT_DISK[1]))
    assert scene.workspace.object_id == 2
    assert scene.state.message.text.startswith("Object 2 got no pixel: others have")


def test_a_click_that_changes_nothing_says_so(scene):
    scene.click(LEFT_DISK)
    scene.click((LEFT_DISK[0] + 2, LEFT_DISK[1]))
    assert scene.state.message.text == (
        "Object 1 is as before: the answer is the same."
    )


def test_of_several_clicks_each_is_told(scene):
    scene.click(LEFT_DISK)
    scene.press("accept")
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, (LEFT_DISK[0], LEFT_DISK[1] + 1))
    scene.qtbot.waitUntil(lambda: scene.predictor.asked == 2)
    for place in (RIGHT_DISK, BETWEEN):
        scene.press("next_object")
        mouse.click(scene.viewer, place)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.state.message.text == (
        "Object 3 is segmented. Object 4: nothing was found here. Click elsewhere, or "
        "undo."
    )
