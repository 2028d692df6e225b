"""Of a followed mask only the object is kept, not its blur."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.propagation.cutting import cut, is_even
from napari_sam_adapter.volume.propagation.stop_rule import (
    Look,
    StopRule,
    surroundings,
)

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
