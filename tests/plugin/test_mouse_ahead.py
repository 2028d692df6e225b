"""On a large plane, what a click needs is encoded where the mouse rests."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QTimer
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, corner_of, disks

from napari_sam_adapter.plugin.mouse_ahead import REST

SPOT = (150, 100)


@pytest.fixture
def scene(make_scene):
    """A plane that is three times as long as what the network sees at once."""
    scene = make_scene(disks((200, 200), [LEFT_DISK, RIGHT_DISK, SPOT]))
    scene.predictor.image_size = 64
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    scene.press("next_object")
    return scene


def rest(scene, point):
    """Move the mouse and wait until everything is done that comes of it."""
    encoded = len(scene.predictor.encoded)
    looked = []
    scene.widget.mouse_ahead.looked.connect(lambda: looked.append(1))
    mouse.move(scene.viewer, point)
    scene.qtbot.waitUntil(lambda: bool(looked) and not scene.is_working())
    return len(scene.predictor.encoded) - encoded


def test_a_click_where_the_mouse_rested_encodes_nothing(scene):
    assert rest(scene, SPOT) > 0
    assert not (scene.labels == 2).any()
    encoded = len(scene.predictor.encoded)
    scene.click(SPOT)
    assert scene.value(*SPOT) == 2
    assert len(scene.predictor.encoded) == encoded


def test_a_place_is_encoded_once(scene):
    rest(scene, SPOT)
    assert rest(scene, (SPOT[0], SPOT[1] + 1)) == 0


def test_a_preview_comes_to_a_mouse_that_rests(scene):
    mouse.press_key(scene.viewer, "H", "Shift")
    rest(scene, SPOT)
    scene.qtbot.waitUntil(lambda: scene.widget.preview.overlay.is_shown)
    assert corner_of(scene.widget.preview.overlay.layer) == (142, 92)


def test_nobody_looks_ahead_without_the_point_tool(scene):
    scene.press("use_boxes")
    looked, later = [], []
    scene.widget.mouse_ahead.looked.connect(lambda: looked.append(1))
    mouse.move(scene.viewer, SPOT)
    QTimer.singleShot(2 * REST, lambda: later.append(1))
    scene.qtbot.waitUntil(lambda: bool(later) and not scene.is_working())
    assert not looked
