"""Of a followed mask only the object is kept, not its blur."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from tests.fakes import DiskPredictor

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.predictions import MaskPrediction
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.cutting import cut, is_even
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.stop_rule import (
    Look,
    StopRule,
    surroundings,
)
from napari_sam_adapter.volume.session.session import Session

LEVEL = StopRule().min_level
ROWS, COLUMNS = np.indices((64, 64))


def disk(radius: float) -> np.ndarray:
    return np.hypot(ROWS - 32, COLUMNS - 32) <= radius


def blurred(shape: np.ndarray, low: float = 40, high: float = 200) -> np.ndarray:
    smooth = ndimage.gaussian_filter(shape.astype(float), 2)
    return (low + (high - low) * smooth).astype(np.uint8)


def part_of(image: np.ndarray, mask: BoxedMask) -> np.ndarray:
    top, left, bottom, right = surroundings(mask)
    return image[top:bottom, left:right]


@pytest.mark.parametrize("grey", [(40, 200), (200, 40)], ids=["bright", "dark"])
def test_what_is_only_blur_is_cut(grey):
    before = Look.of(blurred(disk(12), *grey), BoxedMask.of(disk(12)))
    image, wide = blurred(disk(8), *grey), BoxedMask.of(disk(14))
    left = cut(part_of(image, wide), wide, before, LEVEL)
    assert left is not None
    true = BoxedMask.of(disk(8))
    assert left.overlap(true) > 1.8 * wide.overlap(true)


def test_of_a_plane_with_a_glow_alone_nothing_is_left():
    before = Look.of(blurred(disk(12)), BoxedMask.of(disk(12)))
    glow, wide = blurred(disk(12), 40, 60), BoxedMask.of(disk(14))
    assert cut(part_of(glow, wide), wide, before, LEVEL) is None


def test_planes_of_three_colours_are_cut_alike():
    before = Look.of(blurred(disk(12)), BoxedMask.of(disk(12)))
    image, wide = part_of(blurred(disk(8)), BoxedMask.of(disk(14))), disk(14)
    colours = np.repeat(image[..., None], 3, axis=-1)
    one, three = (cut(g, BoxedMask.of(wide), before, LEVEL) for g in (image, colours))
    assert one is not None
    assert three is not None
    assert one.overlap(three) == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(disk(12), True), (disk(12) & (COLUMNS < 32), False), (disk(0), False)],
    ids=["even", "half of it", "nothing"],
)
def test_only_an_even_object_is_cut(shape, expected):
    image, mask = blurred(shape), BoxedMask.of(disk(12))
    look = Look.of(image, mask)
    assert is_even(part_of(image, mask), mask, look, LEVEL) == expected


def test_a_level_above_one_is_refused():
    with pytest.raises(SessionError, match="min_level from 0 to 1"):
        replace(StopRule(), min_level=1.5)


class Wide(DiskPredictor):
    """Marks the same disk on every plane, as a network does that sees a glow."""

    def predict(self, embedding, prompts, previous=None):
        mask = disk(13)
        return MaskPrediction(mask, 0.9, np.zeros((4, 4), np.float32))


BALL = 12


def follow_ball(level: float) -> tuple[np.ndarray, np.ndarray]:
    radii = [np.sqrt(max(BALL**2 - (z - 16) ** 2, 0)) for z in range(33)]
    ball = np.stack([disk(r) & (r > 0) for r in radii])
    image = np.stack([blurred(plane) for plane in ball])
    session = Session(image, Wide(), axes="zyx")
    session.new_object()
    session.add_point(1, Plane((1, 2), (16,)), (32, 32))
    session.mask(1, Plane((1, 2), (16,)))
    settings = PropagationSettings(stop=replace(StopRule(), min_level=level))
    list(propagate(session, 1, settings=settings))
    return session.labels == 1, ball


def test_a_followed_ball_gets_smaller_towards_its_ends():
    found, ball = follow_ball(LEVEL)
    assert found[16].sum() > 2 * found[6].sum() > 0
    assert not found[:3].any()
    assert not found[-3:].any()
    left = np.logical_and(found, ball).sum() / np.logical_or(found, ball).sum()
    assert left > 0.75


def test_level_zero_leaves_the_masks_of_the_network():
    found, _ = follow_ball(0)
    assert (found[8] == found[16]).all()
