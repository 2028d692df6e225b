"""Without gradients a block takes a shorter way to the same numbers."""

from __future__ import annotations

import math

import pytest
import torch

from napari_sam_adapter.model.encoder import fast_attention, fast_block, half_attention
from napari_sam_adapter.model.encoder.half_attention import attend_in_half
from napari_sam_adapter.model.encoder.image_encoder import (
    Block,
    PatchEmbed,
    join_windows,
    split_windows,
)
from napari_sam_adapter.model.products import gelu_of_product, product

CASES = {
    "global": (0, 9),
    "windows with padding": (4, 4),
    "windows that fit": (3, 3),
    "a window larger than the map": (12, 12),
    "one head and such a window": (12, 12, 1),
    "global without positions": (0, None),
    "windows without positions": (4, None),
}


def random_block(window: int, side: int | None, heads: int = 3) -> Block:
    torch.manual_seed(0)
    block = Block(24, heads, 48, window, side).eval().requires_grad_(False)
    for parameter in block.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return block


@pytest.mark.parametrize("most", [7, 512], ids=["small parts", "one part"])
@pytest.mark.parametrize("case", CASES)
def test_fast_block_equals_the_plain_one(
    case: str, is_onednn: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_attention, "_QUERIES", most)
    monkeypatch.setattr(fast_block, "_TOKENS", most)
    block = random_block(*CASES[case])
    x = torch.randn(2, 9, 9, 24)
    before = x.clone()
    with torch.no_grad():
        plain = block(x)
    with torch.inference_mode():
        fast = block(x)
    assert fast.is_inference()
    assert torch.allclose(fast, plain, atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("score", [-200.0, -100.0, 200.0])
@pytest.mark.parametrize("case", ["global", "windows with padding"])
def test_scores_far_from_zero(case: str, score: float) -> None:
    block = random_block(*CASES[case])
    attention = block.attn  # all scores are about the given one
    attention.rel_pos_h.fill_(1)
    attention.rel_pos_w.zero_()
    attention.qkv.bias[:24] = score / 8
    attention.qkv.weight[:24] = 0
    attention.qkv.weight[24:48] *= 0.05
    x = torch.randn(1, 9, 9, 24)
    with torch.no_grad():
        plain = block(x)
    with torch.inference_mode():
        fast = block(x)
    assert torch.allclose(fast, plain, atol=1e-3)


@pytest.mark.parametrize("is_attention_in_half", [True, False])
def test_half_precision_keeps_sums_in_float32(
    is_attention_in_half: bool, is_onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_attention, "_pays", lambda _: is_attention_in_half)
    block = random_block(4, 4)
    x = torch.randn(1, 9, 9, 24)
    with torch.no_grad():
        plain = block(x)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        half = block(x)
    assert half.dtype == torch.float32
    difference = (half - plain).abs()
    assert 0 < difference.mean() < 0.02 * plain.std()
    attended = torch.empty_like(x)
    attend_in_half(block, x[0], attended[0], torch.bfloat16)
    fast_block._add_mlp(block, attended.view(-1, 24), torch.bfloat16, None)
    assert torch.equal(half, attended) == is_attention_in_half


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("window", "side"), [(0, 10), (4, 4), (5, 5)])
@pytest.mark.parametrize("heads", [3, 6])
def test_attention_with_folded_positions_is_the_plain_one(
    dtype: torch.dtype, window: int, side: int, heads: int
) -> None:
    block = random_block(window, side, heads)
    x = torch.randn(1, 10, 10, 24)
    normed = block.norm1(x)
    if window:
        attended = block.attn(split_windows(normed, window))
        plain = x + join_windows(attended, window, normed.shape)
    else:
        plain = x + block.attn(normed)
    out = torch.empty_like(x)
    attend_in_half(block, x[0], out[0], dtype)
    difference = (out - plain).abs()
    if dtype == torch.float32:
        assert difference.max() < 1e-5
    else:
        assert 0 < difference.mean() < 0.02 * plain.std()


def test_memory_that_was_used_before_does_not_matter() -> None:
    torch.manual_seed(0)
    block = Block(160, 2, 320, 7, 7).eval().requires_grad_(False)  # heads as in vit_h
    x = torch.randn(14, 14, 160)
    out = torch.empty_like(x)
    for _ in range(10):
        spoilt = [torch.full((n,), math.nan) for n in (7_000, 20_000, 50_000, 200_000)]
        del spoilt
        attend_in_half(block, x, out, torch.bfloat16)
        assert out.isfinite().all()


def test_gradients_still_flow_in_training() -> None:
    block = random_block(4, 4).requires_grad_(True)
    block(torch.randn(1, 9, 9, 24)).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


def test_products_have_rows_times_rows(
    is_onednn: bool,
) -> None:
    x, weight, bias = torch.randn(5, 7), torch.randn(3, 7), torch.randn(3)
    expected = x @ weight.T + bias
    with torch.inference_mode():
        assert torch.allclose(product(x, weight, bias), expected, atol=1e-5)
        made = gelu_of_product(x, weight, bias)
    assert torch.allclose(made, torch.nn.functional.gelu(expected), atol=1e-5)


def test_tokens_of_a_planar_image_lie_together() -> None:
    image = torch.randn(1, 3, 32, 48)
    patches = PatchEmbed(5, 16).requires_grad_(False)
    expected, _ = patches(image)
    with torch.inference_mode():
        tokens, _ = patches(image)
    assert tokens.is_contiguous()
    assert torch.allclose(tokens, expected, atol=1e-6)
