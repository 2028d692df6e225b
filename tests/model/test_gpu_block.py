"""What a GPU computes equals the plain block; the formulas are true on any device."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_sam_adapter.model.encoder.gpu_block import run_on_gpu
from napari_sam_adapter.model.encoder.image_encoder import (
    Block,
    PatchEmbed,
    project_patches,
)
from napari_sam_adapter.model.wide_copies import copy_wide


def random_block(width: int, heads: int, window: int, side: int) -> Block:
    torch.manual_seed(0)
    block = Block(width, heads, 2 * width, window, side).eval().requires_grad_(False)
    for parameter in block.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return block


CASES = [
    pytest.param((24, 3), (8, 8), 0, 8, id="global"),
    pytest.param((24, 3), (5, 7), 0, 9, id="oblong and stretched tables"),
    pytest.param((40, 2), (16, 16), 14, 14, id="windows with padding"),
    pytest.param((40, 2), (9, 12), 3, 3, id="windows that fit"),
    pytest.param((21, 3), (4, 4), 4, 4, id="heads of odd width"),
]


@pytest.mark.parametrize(("sizes", "shape", "window", "side"), CASES)
def test_gpu_block_equals_the_plain_one(
    sizes: tuple[int, int], shape: tuple[int, int], window: int, side: int
) -> None:
    block = random_block(*sizes, window, side)
    x = torch.randn(2, *shape, sizes[0])
    before = x.clone()
    with torch.no_grad():
        plain, folded = block(x), run_on_gpu(block, x)
    assert torch.allclose(folded, plain, atol=5e-5)  # of numbers up to 20
    assert torch.equal(x, before)


def test_another_kernel_helps_where_the_first_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block, x = random_block(24, 3, 0, 6), torch.randn(1, 6, 6, 24)
    attend, calls = F.scaled_dot_product_attention, []

    def refuse_once(*args: torch.Tensor, **options: float) -> torch.Tensor:
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("no plan for such heads")
        return attend(*args, **options)

    with torch.no_grad():
        plain = block(x)
        monkeypatch.setattr(F, "scaled_dot_product_attention", refuse_once)
        found = [run_on_gpu(block, x) for _ in range(2)]
    assert all(torch.allclose(one, plain, atol=1e-5) for one in found)
    assert len(calls) == 3  # not asked again


def test_half_precision_keeps_sums_in_float32() -> None:
    block = random_block(48, 3, 4, 4)
    x = torch.randn(1, 9, 9, 48)
    with torch.no_grad():
        plain = block(x)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        half = run_on_gpu(block, x)
    assert half.dtype == torch.float32
    difference = (half - plain).abs()
    assert 0 < difference.mean() < 0.02 * plain.std()


def test_patches_times_weights_are_the_convolution() -> None:
    embed = PatchEmbed(32, 8).requires_grad_(False)
    image = torch.randn(2, 3, 24, 40).to(memory_format=torch.channels_last)
    product = project_patches(embed.proj, image)
    assert torch.allclose(product, embed(image)[0], atol=1e-5)


@pytest.mark.parametrize("width", [3, 4, 6, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_wide_copies_are_exact(width: int, dtype: torch.dtype) -> None:
    source = torch.randn(5, 2, 24).to(dtype)[:, 1, :width]
    target = torch.zeros(5, 24, dtype=dtype)
    copy_wide(target[:, 8 : 8 + width], source)
    assert torch.equal(target[:, 8 : 8 + width], source)
    assert not target[:, :8].any()
    assert not target[:, 8 + width :].any()
