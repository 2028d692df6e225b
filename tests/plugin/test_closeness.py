"""How closely a large plane is looked at is told by the objects before."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.plugin.conftest import MarkingPredictor, disks

from napari_sam_adapter.volume.saving.replaying import replay

SMALL = (40, 40), (220, 60), (60, 220)
LARGE = (220, 220)
SIDE = 64
"""Of a first window; the closer look takes half of it."""


@pytest.fixture
def image():
    small, large = disks((300, 300), SMALL, 3), disks((300, 300), [LARGE], 12)
    return np.maximum(small, large)


@pytest.fixture
def scene(make_scene, image):
    """A plane of many windows, all objects but one of a size."""
    scene = make_scene(image)
    scene.predictor.image_size = 2 * SIDE
    scene.press("use_points")
    scene.state.one_per_click = True
    return scene


def sides_for(scene, spot):
    """Click and return the sides of the windows that had to be encoded."""
    before = len(scene.predictor.encoded)
    scene.click(spot)
    assert scene.value(*spot) > 0
    return [len(image) for image in scene.predictor.encoded[before:]]


def test_the_first_object_is_looked_at_twice_the_next_one_once(scene):
    assert sides_for(scene, SMALL[0]) == [SIDE, SIDE // 2]
    assert sides_for(scene, SMALL[1]) == [SIDE // 2]


def test_a_larger_one_is_still_seen_as_a_whole(scene, image):
    sides_for(scene, SMALL[0])
    assert sides_for(scene, LARGE)[0] == SIDE // 2
    around = np.s_[200:240, 200:240]
    own = scene.labels == scene.value(*LARGE)
    assert np.array_equal(own[around], image[around] == 200)


def test_an_object_that_was_taken_back_tells_nothing(scene):
    sides_for(scene, SMALL[0])
    scene.press("undo")
    assert sides_for(scene, SMALL[1]) == [SIDE, SIDE // 2]


def test_the_journal_repeats_it(scene, image, autosaves):
    for spot in (*SMALL, LARGE):
        scene.click(spot)
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, image, DiskPredictor(image_size=2 * SIDE))
    assert np.array_equal(again.labels, scene.labels)


def test_a_click_sees_a_small_plane_as_a_whole_also_after_a_closer_search(make_scene):
    image = disks((100, 80), [(10, 12), (50, 40), (88, 66), (88, 20)], 4)
    scene = make_scene(image, predictor=MarkingPredictor())
    scene.predictor.image_size = 160
    scene.press("use_points")
    scene.press("find_objects")
    scene.settle()
    assert len(scene.predictor.encoded) > 1  # closer windows
    scene.click((50, 60))  # beside all of them
    (plane,) = scene.workspace.known_prompts()
    assert scene.workspace.known_prompts()[plane].reduction == 1
