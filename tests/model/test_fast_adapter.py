"""The short way of an adapter gives the numbers of the published one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
from napari_sam_adapter.model.adapters.adapter import LearnedWeights, SamAdapter
from napari_sam_adapter.model.adapters.fast_adapter import run_with_prompts
from napari_sam_adapter.model.adapters.fast_filter import (
    can_embed_fast,
    distinct_planes,
    embed_high_frequencies,
    grey_shades,
)
from napari_sam_adapter.model.adapters.task_information import (
    high_frequencies,
    low_frequencies,
)
from napari_sam_adapter.model.encoder import fast_block
from napari_sam_adapter.model.encoder.image_encoder import Block
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

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


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (33, 97)])
def test_high_frequencies_equal_the_published_way(shape: tuple[int, int]) -> None:
    image = picture(*shape, 3)
    found = high_frequencies(image)
    assert torch.allclose(found, published_high_frequencies(image), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize(
    ("shape", "valid"),
    [
        ((64, 96), None),
        ((64, 96), (64, 40)),
        ((64, 96), (33, 96)),
        ((64, 96), (7, 3)),
        ((64, 96), (1, 2)),
        ((540, 300), (530, 290)),  # rows of three parts
        ((540, 300), None),  # not whole patches
    ],
)
def test_embedded_high_frequencies_equal_the_published_way(
    shape: tuple[int, int], valid: tuple[int, int] | None, channels: int
) -> None:
    image = picture(*shape, channels)
    layer = torch.nn.Conv2d(3, 5, 16, 16).requires_grad_(False)
    rows, columns = valid or shape
    kept = torch.zeros_like(image)
    part = image[..., :rows, :columns]
    kept[..., :rows, :columns] = published_high_frequencies(part)
    with torch.inference_mode():
        assert can_embed_fast(layer, image)
        found = embed_high_frequencies(layer, image, valid)
    assert torch.allclose(found, layer(kept).permute(0, 2, 3, 1), atol=1e-5)


def test_channels_of_a_grey_image_are_transformed_once() -> None:
    grey, colour = picture(64, 64, 1)[0], picture(64, 64, 3)[0]
    assert [len(x) for x in distinct_planes(grey)] == [1, 1]
    assert [len(x) for x in distinct_planes(colour)] == [3, 3]


def test_a_channel_that_differs_in_one_pixel_is_no_grey_image() -> None:
    image = picture(64, 64, 1)[0]
    assert grey_shades(image) is not None
    image[2, 30, 40] += 0.01
    assert grey_shades(image) is None
    assert grey_shades(torch.ones(3, 8, 8)) is None


def test_a_grey_image_of_few_bright_spots_is_embedded_right() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[..., 33, 35] = 1  # between the rows that are looked at first
    layer = torch.nn.Conv2d(3, 5, 16, 16).requires_grad_(False)
    assert grey_shades(image[0]) is None
    with torch.inference_mode():
        found = embed_high_frequencies(layer, image, None)
    expected = layer(published_high_frequencies(image)).permute(0, 2, 3, 1)
    assert torch.allclose(found, expected, atol=1e-5)


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
@pytest.mark.parametrize(
    ("published_order", "learned_weights"),
    [(False, "none"), (True, "none"), (True, "shared"), (False, "per_block")],
)
def test_encoder_in_inference_mode_equals_the_plain_way(
    published_order: bool, learned_weights: LearnedWeights, channels: int
) -> None:
    encoder = build_sam(SamShape(64, WIDTH, 2, (2, 0, 2), 64)).image_encoder.eval()
    adapter = SamAdapter(
        WIDTH,
        DEPTH,
        published_order=published_order,
        learned_weights=learned_weights,
    ).eval()
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


@pytest.mark.parametrize("most", [24, 1024], ids=["small parts", "one part"])
@pytest.mark.parametrize("window", [0, 5])
def test_blocks_with_prompts_before_them_equal_all_steps(
    window: int, is_onednn: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_block, "_TOKENS", most)
    blocks = [Block(24, 3, 48, window, 13) for _ in range(2)]
    shared = torch.nn.Linear(7, 24)
    for module in (*blocks, shared):
        for parameter in module.eval().requires_grad_(False).parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens, tuned = torch.randn(2, 13, 13, 24), torch.randn(2, 2, 13, 13, 7)
    expected = tokens
    for block, rows in zip(blocks, tuned, strict=True):
        expected = block(expected + shared(rows))
    with torch.inference_mode():
        found = run_with_prompts(blocks, shared, tuned, tokens.clone())
        assert torch.allclose(found, expected, atol=2e-5)
        with torch.autocast("cpu", torch.bfloat16):
            half = run_with_prompts(blocks, shared, tuned.bfloat16(), tokens.clone())
    assert half.dtype == torch.float32
    assert 0 < (half - expected).abs().mean() < 0.02 * expected.std()


def test_prompts_are_added_in_float32_where_blocks_compute_in_half_precision() -> None:
    blocks = [Block(24, 3, 48, 0, 5).eval().requires_grad_(False) for _ in range(3)]
    shared = torch.nn.Linear(7, 24).requires_grad_(False)
    for layer in (*(b.attn.proj for b in blocks), *(b.mlp.lin2 for b in blocks)):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.constant_(shared.bias, 0.5)  # half precision has it, too
    tokens, tuned = torch.randn(2, 5, 5, 24), torch.randn(3, 2, 5, 5, 7)
    expected = tokens + sum(shared(rows) for rows in tuned)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = run_with_prompts(blocks, shared, tuned, tokens)
    assert torch.allclose(found, expected, atol=1e-5)


def test_one_block_of_another_kind_leaves_all_to_the_plain_way() -> None:
    blocks = [Block(24, 3, 48, 0, 5).eval().requires_grad_(False) for _ in range(2)]
    blocks[1].attn.proj = torch.nn.Sequential(blocks[1].attn.proj)
    shared = torch.nn.Linear(7, 24).requires_grad_(False)
    tokens, tuned = torch.randn(1, 5, 5, 24), torch.randn(2, 1, 5, 5, 7)
    expected = tokens
    for block, rows in zip(blocks, tuned, strict=True):
        expected = block(expected + shared(rows))
    with torch.inference_mode():
        found = run_with_prompts(blocks, shared, tuned, tokens)
    assert torch.allclose(found, expected, atol=1e-5)
