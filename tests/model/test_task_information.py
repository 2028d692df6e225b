"""What each source of task information keeps of an image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.model.adapters.task_information import (
    FILTERS,
    filtered,
    high_frequencies,
    low_frequencies,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def stripes(rows: int, columns: int, frequency: float, axis: int) -> Tensor:
    """Waves of so many cycles a pixel, from row to row (0) or column to column (1)."""
    position = torch.arange((rows, columns)[axis])
    wave = torch.cos(2 * math.pi * frequency * position)
    wave = wave[:, None] if axis == 0 else wave[None]
    return wave.expand(1, 3, rows, columns)


def padded(image: Tensor, size: int) -> Tensor:
    below, right = size - image.shape[2], size - image.shape[3]
    return torch.nn.functional.pad(image, (0, right, 0, below))


def stretched(image: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(image, (size, size), mode="bicubic")


def is_kept(image: Tensor) -> bool:
    inside = high_frequencies(image)[..., 8:-8, 8:-8]
    return bool(inside.mean() > 0.25)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(40, 64), (64, 23), (1, 64)])
def test_padding_is_not_looked_at(name: str, shape: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *shape) + 5
    square = padded(image, 64)
    square[..., shape[0] :, :] = 1e3
    square[..., shape[1] :] = -1e3
    expected = padded(FILTERS[name](image, None), 64)
    assert torch.allclose(FILTERS[name](square, shape), expected, atol=1e-4)


def test_padding_that_is_looked_at_lights_up_at_its_edge() -> None:
    image = torch.full((1, 3, 40, 64), 2.0)
    assert high_frequencies(padded(image, 64), (40, 64)).max() < 1e-5
    assert high_frequencies(padded(image, 64))[..., 39:41, :].mean() > 0.3


@pytest.mark.parametrize(
    ("axis", "frequency", "unpadded", "as_published"),
    [
        (1, 0.2, True, False),
        (1, 0.3, True, True),
        (0, 0.3, False, False),
        (0, 0.45, True, False),
    ],
)
def test_oblong_images_keep_other_frequencies_than_the_published_stretch(
    axis: int, frequency: float, unpadded: bool, as_published: bool
) -> None:
    # 64 x 128: cut at sqrt(1 / 4 * 2) / 2 = 0.35 from row to row and at 0.18 from
    # column to column; the stretch makes rows twice as many, and cuts both at 0.25
    image = stripes(64, 128, frequency, axis)
    assert is_kept(image) is unpadded
    assert is_kept(stretched(image, 128)) is as_published


@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (48, 80), (33, 97)])
def test_a_quarter_of_the_spectrum_is_removed_whatever_the_shape(
    shape: tuple[int, int],
) -> None:
    noise = torch.randn(8, 3, *shape, generator=torch.Generator().manual_seed(0))
    removed = low_frequencies(noise).square().mean() / noise.square().mean()
    assert removed == pytest.approx(0.25, abs=0.03)


def test_high_and_low_frequencies_differ() -> None:
    fine, coarse = stripes(64, 64, 0.45, 0), stripes(64, 64, 1 / 32, 1)
    assert torch.allclose(high_frequencies(fine + coarse), fine.abs(), atol=0.3)
    assert torch.allclose(low_frequencies(fine + coarse), coarse.abs(), atol=0.3)


def test_gaussian_blurs_and_keeps_brightness() -> None:
    dot = torch.zeros(1, 3, 9, 9)
    dot[..., 4, 4] = 256.0
    blurred = FILTERS["gaussian"](dot, None)
    assert blurred[0, 0, 4, 2:7].tolist() == [6, 24, 36, 24, 6]
    flat = torch.full((1, 3, 9, 9), 7.0)
    assert torch.allclose(FILTERS["gaussian"](flat, None), flat)


def test_residuals_see_noise_and_no_slope() -> None:
    slope = (torch.arange(20.0)[:, None] + 2 * torch.arange(30.0)).expand(1, 3, -1, -1)
    inside = FILTERS["srm"](slope, None)[..., 3:-3, 3:-3]
    assert inside.abs().max() < 1e-4
    dot = torch.zeros(1, 3, 9, 9)
    dot[:, 1, 4, 4] = 1.0
    assert FILTERS["srm"](dot, None)[0, :, 4, 4].tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (lambda part: part[:, :1], r"\(1, 3, 16, 16\), got \(1, 1, 16, 16\)"),
        (lambda part: part.numpy(), "as a tensor, got ndarray"),
        (lambda _: None, "as a tensor, got NoneType"),
        (lambda part: part * math.nan, "finite numbers, got NaN or infinity"),
        (lambda part: part.double() + 1e300, "finite numbers, got NaN or infinity"),
        (torch.fft.fft2, "as real numbers, got torch.complex64"),
        (lambda part: part.to_sparse(), "as real numbers, got .*sparse"),
    ],
    ids=["shape", "array", "nothing", "NaN", "too large", "complex", "sparse"],
)
def test_what_an_own_filter_returns_is_checked(
    own: Callable[[Tensor], Tensor], told: str
) -> None:
    with pytest.raises(ImageError, match=told):
        filtered(torch.randn(1, 3, 16, 16), own)


def test_an_own_filter_that_fails_is_told_with_its_cause() -> None:
    with pytest.raises(ImageError, match="got ZeroDivisionError: division") as caught:
        filtered(torch.randn(1, 3, 16, 16), lambda part: part * (1 / 0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_that_memory_runs_out_in_an_own_filter_is_left_to_others() -> None:
    def greedy(_: Tensor) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    with pytest.raises(RuntimeError, match="not enough memory"):
        filtered(torch.randn(1, 3, 16, 16), greedy)


@pytest.mark.parametrize("valid", [None, (10, 16)])
def test_an_own_filter_may_work_in_place(valid: tuple[int, int] | None) -> None:
    image = torch.randn(1, 3, 16, 16)
    before = image.clone()
    assert not filtered(image, lambda part: part.mul_(0), valid).any()
    assert torch.equal(image, before)
