"""The short way of an adapter gives the numbers of the published one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_sam_adapter.model.adapter import AdaptedImageEncoder, SamAdapter
from napari_sam_adapter.model.fast_adapter import run_with_prompt
from napari_sam_adapter.model.image_encoder import Block
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.model.task_information import (
    grey_shades,
    high_frequencies,
    low_frequencies,
)

WIDTH, DEPTH = 32, 3
MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.manual_seed(0)


def picture(rows: int, columns: int, channels: int) -> Tensor:
    """Two normalised images, channels last in memory as the predictor makes them."""
    pixels = torch.randint(0, 256, (2, channels, rows, columns)).expand(-1, 3, -1, -1)
    return ((pixels - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def published_high_frequencies(image: Tensor) -> Tensor:
    """Complex transform, half-open square in the middle, real part, magnitude."""
    rows, columns = image.shape[-2:]
    reach = int((rows * columns * 0.25) ** 0.5 // 2)
    spectrum = torch.fft.fftshift(torch.fft.fft2(image, norm="forward"), (-2, -1))
    middle = [slice(side // 2 - reach, side // 2 + reach) for side in (rows, columns)]
    spectrum[..., middle[0], middle[1]] = 0
    spectrum = torch.fft.ifftshift(spectrum, (-2, -1))
    return torch.fft.ifft2(spectrum, norm="forward").real.abs()


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (33, 97)])
def test_high_frequencies_equal_the_published_way(
    shape: tuple[int, int], channels: int
) -> None:
    image = picture(*shape, channels)
    with torch.inference_mode():
        assert (grey_shades(image) is None) == (channels == 3)
        found = high_frequencies(image)
    assert torch.allclose(found, published_high_frequencies(image), atol=1e-5)
    assert torch.allclose(found, high_frequencies(image), atol=1e-5)


def test_a_channel_that_differs_in_one_pixel_is_no_grey_image() -> None:
    image = picture(64, 64, 1)
    image[1, 2, 30, 40] += 0.01
    with torch.inference_mode():
        assert grey_shades(image) is None
        assert grey_shades(torch.ones(1, 3, 8, 8)) is None


def test_one_pixel_has_its_brightness_kept() -> None:
    image = picture(1, 1, 1)
    with torch.inference_mode():
        assert torch.allclose(high_frequencies(image), image.abs())
        assert not low_frequencies(image).any()


def test_kept_frequencies_of_inference_serve_training() -> None:
    image = torch.randn(1, 3, 40, 40)
    with torch.inference_mode():
        high_frequencies(image)
    image.requires_grad_()
    high_frequencies(image).sum().backward()
    assert image.grad is not None


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_encoder_in_inference_mode_equals_the_plain_way(channels: int) -> None:
    encoder = build_sam(SamShape(64, WIDTH, 2, (2, 0, 2), 64)).image_encoder.eval()
    adapter = SamAdapter(WIDTH, DEPTH).eval()
    for parameter in [*encoder.parameters(), *adapter.parameters()]:
        torch.nn.init.normal_(parameter, std=0.1)
    adapted = AdaptedImageEncoder(encoder, adapter)
    image = picture(64, 64, channels)
    expected = adapted(image, (40, 64)).embedding
    expected.sum().backward()
    assert adapter.shared_mlp.weight.grad is not None
    with torch.inference_mode():
        for _ in range(2):  # nothing of the first time is left behind
            found = adapted(image, (40, 64)).embedding
            assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("window", [0, 5])
def test_a_block_with_a_prompt_before_it_equals_both_steps(window: int) -> None:
    block = Block(24, 3, 48, window, 13).eval().requires_grad_(False)
    shared = torch.nn.Linear(7, 24).requires_grad_(False)
    for parameter in block.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens, tuned = torch.randn(2, 13, 13, 24), torch.randn(2, 13, 13, 7)
    before = tokens.clone()
    expected = block(tokens + shared(tuned))
    with torch.inference_mode():
        found = run_with_prompt(block, shared, tuned, tokens)
        assert torch.allclose(found, expected, atol=1e-5)
        assert torch.equal(tokens, before)
        with torch.autocast("cpu", torch.bfloat16):
            half = run_with_prompt(block, shared, tuned.bfloat16(), tokens)
    assert half.dtype == torch.float32
    assert 0 < (half - expected).abs().mean() < 0.02 * expected.std()
