"""On a large plane, what a click needs is encoded where the mouse rests."""

from __future__ import annotations

import threading

import pytest
from qtpy.QtCore import QTimer
from tests.plugin import mouse
from tests.plugin.conftest import (
    LEFT_DISK,
    RIGHT_DISK,
    GatedPredictor,
    corner_of,
    disks,
)

from napari_sam_adapter.plugin.background import Priority
from napari_sam_adapter.plugin.network.mouse_ahead import LONG_REST, REST
from napari_sam_adapter.plugin.state import ModelChoice

pytestmark = pytest.mark.slow

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


def test_after_a_longer_rest_a_click_beside_the_mouse_encodes_nothing(scene):
    queue = scene.controller.segmenter.queue
    rest(scene, (SPOT[0] - 12, SPOT[1] + 8))
    encoded = len(scene.predictor.encoded)
    scene.qtbot.waitUntil(lambda: len(scene.predictor.encoded) > encoded)
    scene.qtbot.waitUntil(lambda: not queue.jobs)
    encoded = len(scene.predictor.encoded)
    scene.click(SPOT)
    assert scene.value(*SPOT) == 2
    assert len(scene.predictor.encoded) == encoded


def test_a_mouse_that_moves_stops_what_is_encoded_around_it(scene):
    gate, encode = threading.Event(), scene.predictor.encode
    scene.predictor.encode = lambda image: gate.wait(10) and encode(image)
    mouse.move(scene.viewer, SPOT)
    queue = scene.controller.segmenter.queue
    scene.qtbot.waitUntil(lambda: queue.has(Priority.IDLE))
    mouse.move(scene.viewer, LEFT_DISK)
    assert not queue.has(Priority.IDLE)
    gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())


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


def test_another_network_ends_what_the_old_one_would_do_next(scene):
    old, other = scene.predictor, GatedPredictor()
    rest(scene, SPOT)
    segmenter, passed = scene.controller.segmenter, []
    encoded = len(old.encoded)
    segmenter._load = lambda choice: other
    scene.state.model = ModelChoice("vit_b")
    scene.controller.load_model()
    scene.qtbot.waitUntil(lambda: segmenter.predictor is other)
    QTimer.singleShot(LONG_REST + 2 * REST, lambda: passed.append(1))
    scene.qtbot.waitUntil(lambda: bool(passed) and not scene.is_working())
    assert len(old.encoded) == encoded
