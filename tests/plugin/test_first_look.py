"""What the first window of a large plane shows is shown until the answer comes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import (
    LEFT_DISK,
    RIGHT_DISK,
    GatedPredictor,
    corner_of,
    disks,
)

from napari_sam_adapter.volume.saving.replaying import replay

SPOT = (220, 160)
RADIUS = 3
SIDE = 64
"""Of a first window; the closer look takes half of it."""


class CloserLookWaits(GatedPredictor):
    """Encodes windows of the first look at once, and closer ones when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.closer = threading.Event()

    def encode(self, image):
        assert len(image) >= SIDE or self.closer.wait(10)
        return super().encode(image)


@pytest.fixture
def predictor():
    predictor = CloserLookWaits()
    predictor.image_size = 2 * SIDE
    yield predictor
    predictor.closer.set()


@pytest.fixture
def scene(make_scene, predictor):
    """A plane of several windows, and one click on a small disk in it."""
    others = disks((300, 300), [LEFT_DISK, RIGHT_DISK], 12)
    image = np.maximum(others, disks((300, 300), [SPOT], RADIUS))
    scene = make_scene(image, predictor=predictor)
    scene.press("use_points")
    mouse.click(scene.viewer, SPOT)
    overlay = scene.widget.candidates.overlay
    scene.qtbot.waitUntil(lambda: overlay.is_shown)
    return scene


def test_the_first_look_is_shown_but_is_no_mask(scene):
    overlay = scene.widget.candidates.overlay
    row, column = SPOT
    assert corner_of(overlay.layer) == (row - RADIUS, column - RADIUS)
    area = np.count_nonzero(disks((16, 16), [(8, 8)], RADIUS) == 200)
    assert np.count_nonzero(overlay.layer.data) == area
    assert not scene.labels.any()
    assert scene.state.is_busy


def test_the_answer_takes_its_place_in_one_step(scene, predictor):
    predictor.closer.set()
    scene.settle()
    assert scene.value(*SPOT) == 1
    scene.qtbot.waitUntil(lambda: len(scene.state.choices) == 3)
    mouse.press_key(scene.viewer, "Z", "Control")
    assert not scene.labels.any()
    assert not scene.state.can_undo


def test_the_journal_knows_the_answer_alone(scene, predictor, autosaves):
    predictor.closer.set()
    scene.settle()
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, scene.workspace.image.data, predictor)
    assert np.array_equal(again.labels, scene.labels)


def test_it_goes_when_the_click_is_taken_back(scene):
    mouse.press_key(scene.viewer, "Z", "Control")
    scene.qtbot.waitUntil(lambda: not scene.widget.candidates.overlay.is_shown)
    assert not scene.labels.any()


def test_stop_takes_it_away(scene):
    scene.press("stop")
    scene.qtbot.waitUntil(lambda: not scene.widget.candidates.overlay.is_shown)
    assert not scene.labels.any()
