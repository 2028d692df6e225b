"""Positions folded into queries and keys give the attention that they are."""

from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.model.folded_positions import attend_folded
from napari_sam_adapter.model.image_encoder import Attention
from napari_sam_adapter.model.relative_positions import relative_positions


@pytest.mark.parametrize(
    ("heads", "d", "size", "side"),
    [
        pytest.param(3, 8, (4, 4), 4, id="aligned"),
        pytest.param(2, 20, (14, 14), 14, id="heads that are not a power of two"),
        pytest.param(2, 8, (5, 7), 9, id="oblong map and stretched tables"),
    ],
)
def test_folded_attention_equals_the_plain_one(
    heads: int, d: int, size: tuple[int, int], side: int
) -> None:
    torch.manual_seed(0)
    h, w = size
    attention = Attention(heads * d, heads, side).eval().requires_grad_(False)
    for table in (attention.rel_pos_h, attention.rel_pos_w):
        table.copy_(torch.randn_like(table) * 0.5)
    q, k, v = torch.randn(2, h * w, 3, heads, d).permute(2, 0, 3, 1, 4)
    plain = attention._attend_with_positions(q, k, v, size)
    rows = relative_positions(attention.rel_pos_h, h)
    columns = relative_positions(attention.rel_pos_w, w)
    folded = attend_folded(q, k, v, rows, columns)
    assert folded.shape == plain.shape
    assert torch.allclose(folded, plain, atol=1e-5)
