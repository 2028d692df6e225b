"""Masks from low-resolution logits equal the published two steps, pixel by pixel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_sam_adapter.inference.frame.preprocessing import Frame, frame_of
from napari_sam_adapter.inference.masks.mask_pixels import (
    scaled_logits,
    to_boxes,
    to_pixels,
)
from napari_sam_adapter.inference.masks.stability import stability
from napari_sam_adapter.model.families.preparation import EFFICIENT_SAM, MEDSAM, SAM

FRAMES = {
    "enlarged": frame_of((300, 411), 128),
    "reduced": frame_of((45, 61), 128),
    "stretched": frame_of((90, 31), 128, stretch=True),
    "a line": frame_of((2, 300), 128),
    "a small square": frame_of((150, 192), 96),
    "in several bands": frame_of((500, 901), 128),
    "cells of 8, a narrow part": frame_of((256, 41), 128),
    "cells of 8, the whole square": frame_of((256, 256), 128),
    "cells of 16, a part of the square": frame_of((301, 512), 128),
    "cells of 8, a part of the square": frame_of((256, 150), 128),
    "cells of 8, cut ones at the end": frame_of((94, 256), 128),
    "cells of 16": frame_of((512, 512), 128),
}


def whole_of(masks):
    return np.stack([mask.full() for mask in masks])


@pytest.mark.parametrize("blur", [0.0, 3.0], ids=["noise", "blobs"])
@pytest.mark.parametrize("name", FRAMES)
def test_pixels_equal_the_two_published_steps(name: str, blur: float) -> None:
    frame: Frame = FRAMES[name]
    noise = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = torch.from_numpy(ndimage.gaussian_filter(noise.numpy(), (0, blur, blur)))
    expected = (frame.to_masks(logits) > 0).numpy()
    assert (whole_of(to_pixels(logits, frame)) == expected).all()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cells of 8, cut ones at the end", (0.3, 15)),
        ("cells of 8, cut ones at the end", (5, 0.3)),
        ("cells of 8, cut ones at the end", (11.3, 15)),
        ("cells of 8, a part of the square", (15, 18.3)),
    ],
    ids=["top", "left", "bottom", "right"],
)
def test_a_mask_at_one_side_alone_keeps_the_published_steps(
    name: str, place: tuple[float, float]
) -> None:
    frame: Frame = FRAMES[name]
    y, x = np.indices((32, 32))
    distance = np.hypot(y - place[0], x - place[1])
    logits = torch.from_numpy(3 - distance).float()[None]
    expected = (frame.to_masks(logits) > 0).numpy()
    assert (whole_of(to_pixels(logits, frame)) == expected).all()
    (found,) = to_boxes(logits, frame)
    (of_all,) = stability(scaled_logits(logits, frame, SAM))
    assert found.stability == pytest.approx(float(of_all), abs=1e-6)


def test_threads_do_not_share_room() -> None:
    frame = frame_of((500, 901), 128)
    noise = torch.randn(24, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = list(to_boxes(noise, frame))
    with ThreadPoolExecutor(4) as pool:
        found = [
            m for (m,) in pool.map(lambda low: [*to_boxes(low[None], frame)], noise)
        ]
    for one, other in zip(found, expected, strict=True):
        assert (one.pixels == other.pixels).all()
        assert one.stability == other.stability


def test_object_in_a_corner_and_no_object() -> None:
    frame = frame_of((100, 70), 128)
    logits = torch.full((3, 32, 32), -1.0)
    logits[0, 0, 0] = logits[1, 5:9, 4:6] = 2.0
    logits[2, :, 31] = 5.0  # in the padding
    expected = (frame.to_masks(logits) > 0).numpy()
    assert (whole_of(to_pixels(logits, frame)) == expected).all()


def test_sign_of_zero_sums_is_that_of_the_two_steps() -> None:
    frame = frame_of((257, 100), 128)
    logits = torch.ones(1, 32, 32)
    logits[0, ::2] = -1.0
    expected = (frame.to_masks(logits) > 0).numpy()
    assert (whole_of(to_pixels(logits, frame)) == expected).all()


CELLS = [name for name in FRAMES if name.startswith("cells")]


def assert_alike(logits: torch.Tensor, frame: Frame) -> None:
    """Compare with the published steps, and with each mask by itself."""
    expected = (frame.to_masks(logits) > 0).numpy()
    assert (whole_of(to_pixels(logits, frame)) == expected).all()
    for i, found in enumerate(to_boxes(logits, frame)):
        (alone,) = to_boxes(logits[i, None], frame)
        assert found[:2] == alone[:2]
        assert (found.pixels == alone.pixels).all()
        assert found.stability == pytest.approx(alone.stability)
        assert found.pixels.sum() == expected[i].sum()


@pytest.mark.parametrize("name", CELLS)
def test_masks_made_together_equal_each_by_itself(name: str) -> None:
    noise = torch.randn(11, 32, 32, generator=torch.Generator().manual_seed(1))
    blobs = torch.from_numpy(ndimage.gaussian_filter(noise.numpy(), (0, 2, 2)))
    blobs *= 10
    blobs[3], blobs[5] = -4.0, 4.0  # one is nowhere, one everywhere
    blobs[9] = noise[9]
    assert_alike(blobs, FRAMES[name])


def test_of_masks_without_a_pixel_each_is_empty() -> None:
    found = list(to_boxes(torch.full((3, 32, 32), -5.0), FRAMES["cells of 16"]))
    assert [mask.pixels.size for mask in found] == [0, 0, 0]


@pytest.mark.parametrize("name", FRAMES)
def test_where_rounding_could_decide_each_mask_has_its_own_two_steps(name) -> None:
    # between two rows some pixels have weights k / 32 and 1 - k / 32: sums of zero
    shares = torch.arange(1, 13)[:, None] / 32
    columns = 1 + torch.rand(12, 1, 32, generator=torch.Generator().manual_seed(2))
    rows = torch.where(torch.arange(32) % 2 == 0, 1 - shares, -shares)
    scales = torch.tensor([1.0, 1e-3, 1e6]).repeat(4)[:, None, None]
    assert_alike(rows[:, :, None] * columns * scales, FRAMES[name])


def test_masks_may_be_asked_for_in_turn() -> None:
    frame = FRAMES["cells of 8, the whole square"]
    noise = torch.randn(16, 32, 32, generator=torch.Generator().manual_seed(4))
    blobs = torch.from_numpy(ndimage.gaussian_filter(noise.numpy(), (0, 2, 2)))
    one, other = blobs[:8], blobs[8:]
    expected = [*to_boxes(one, frame)], [*to_boxes(other, frame)]
    found = list(zip(to_boxes(one, frame), to_boxes(other, frame), strict=True))
    for pair, alone in zip(found, zip(*expected, strict=True), strict=True):
        for mask, same in zip(pair, alone, strict=True):
            assert (mask.pixels == same.pixels).all()


def test_a_mask_of_no_numbers_leaves_the_others_alone() -> None:
    frame = FRAMES["cells of 8, the whole square"]
    y, x = np.indices((32, 32))
    disks = torch.from_numpy(5 - np.hypot(y - 15, x - 15)).float().repeat(3, 1, 1)
    expected = whole_of(to_pixels(disks, frame))[0]
    disks[1, 15, 10:20] = torch.nan
    found = whole_of(to_pixels(disks, frame))
    assert (found[[0, 2]] == expected).all()


@pytest.mark.parametrize("family", [SAM, MEDSAM, EFFICIENT_SAM], ids=lambda f: f.name)
@pytest.mark.parametrize("name", FRAMES)
def test_a_mask_in_its_box_has_pixels_and_stability_of_the_plane(name, family) -> None:
    frame: Frame = FRAMES[name]
    noise = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(0))
    blobs = 30 * ndimage.gaussian_filter(noise.numpy(), (0, 3, 3))
    lows = torch.from_numpy(blobs)
    for low, found in zip(lows, to_boxes(lows, frame, family), strict=True):
        rows, columns = found.pixels.shape
        (placed,) = whole_of(to_pixels(low[None], frame, family))
        part = placed[found.top : found.top + rows, found.left : found.left + columns]
        assert (part == found.pixels).all()
        assert part.sum() == placed.sum() > 0
        assert found.pixels.any(0)[[0, -1]].all()
        assert found.pixels.any(1)[[0, -1]].all()
        expected = stability(scaled_logits(low[None], frame, family))[0]
        assert found.stability == pytest.approx(float(expected), abs=1e-6)


def test_a_mask_without_pixels_has_an_empty_box() -> None:
    frame = frame_of((100, 70), 128)
    for value in (-0.5, -5.0):
        (found,) = to_boxes(torch.full((1, 32, 32), value), frame)
        assert found.pixels.shape == (0, 0)
        assert found.stability == 0
