"""Attention of a transformer block on the CPU in half precision, without gradients.

Where a processor multiplies numbers of 16 bits many times as fast (AMX), attention in
float32 would take most of a block's time. Windows go a row at a time and heads a few at
a time, so that what is made in between stays in the caches.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.model.encoder.folded_positions import Tables, attend_folded
from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.wide_copies import join_wide, split_wide

if TYPE_CHECKING:
    from napari_sam_adapter.model.encoder.image_encoder import Attention, Block

_HEADS = 4
"""Heads of a whole map that attend together."""
_TOKENS = 2048
"""Tokens of a whole map that are projected together."""
_TRIED, _WIDTH, _FOLDED, _ROUNDS = 512, 64, 192, 10
"""Tokens, widths without and with positions, and rounds of the measurement."""


def can_attend_in_half(block: Block, dtype: torch.dtype) -> bool:
    """Tell whether `attend_in_half` may stand for a block's attention, and is faster.

    Parameters
    ----------
    block : Block
        On the CPU.
    dtype : torch.dtype
        Of its products.

    Returns
    -------
    bool
        True for relative positions and half precision, if a measurement says so.
    """
    has_positions = block.attn.side is not None
    return has_positions and dtype != torch.float32 and _pays(dtype)


def attend_in_half(block: Block, x: Tensor, out: Tensor, dtype: torch.dtype) -> None:
    """Write tokens with what they attended to.

    Parameters
    ----------
    block : Block
        Its first norm, its attention and its windows are used.
    x : (h, w, D) tensor
        Tokens in float32.
    out : (h, w, D) tensor
        Gets the sum in float32.
    dtype : torch.dtype
        Number format of products and attention.
    """
    attention, side = _Attention.of(block.attn, dtype), block.window
    if not side:
        _attend_map(attention, block.norm1(x).to(dtype)[None], x, out)
        return
    for part, written in zip(torch.split(x, side), torch.split(out, side), strict=True):
        normed = block.norm1(part).to(dtype)[None]
        windows = split_wide(normed, side)
        attended = attend_folded(attention.projected(windows), attention.tables)
        answer = attention.answer(attended)
        torch.add(part, join_wide(answer, side, normed)[0], out=written)


def _attend_map(attention: _Attention, normed: Tensor, x: Tensor, out: Tensor) -> None:
    """Attend over (1, h, w, D), which is overwritten; add that to `x` in `out`."""
    qkv = attention.projected(normed)
    heads = normed.view(1, *x.shape[:2], qkv.shape[4], -1)
    for some, written in zip(
        torch.split(qkv, _HEADS, 4), torch.split(heads, _HEADS, 3), strict=True
    ):
        written.copy_(attend_folded(some, attention.tables).view(written.shape))
    rows = (torch.split(t.flatten(0, -2), _TOKENS) for t in (x, normed, out))
    for before, attended, written in zip(*rows, strict=True):
        torch.add(before, attention.answer(attended), out=written)


class _Attention(NamedTuple):
    """The layers of an attention in half precision."""

    heads: int
    qkv: tuple[Tensor, Tensor]
    proj: tuple[Tensor, Tensor]
    tables: Tables

    @classmethod
    def of(cls, attention: Attention, dtype: torch.dtype) -> _Attention:
        qkv, proj, (rows, columns) = (
            (one.to(dtype), other.to(dtype))
            for one, other in (
                (attention.qkv.weight, attention.qkv.bias),
                (attention.proj.weight, attention.proj.bias),
                (attention.rel_pos_h, attention.rel_pos_w),
            )
        )
        return cls(attention.heads, qkv, proj, Tables(rows, columns))

    def projected(self, x: Tensor) -> Tensor:
        """Turn (B, h, w, D) into queries, keys and values, (B, h, w, 3, heads, d)."""
        rows = product(x.flatten(0, -2), *self.qkv)
        return rows.view(*x.shape[:-1], 3, self.heads, -1)

    def answer(self, attended: Tensor) -> Tensor:
        """Project (..., D)."""
        return product(attended.flatten(0, -2), *self.proj).view(attended.shape)


@cache
def _pays(dtype: torch.dtype) -> bool:
    """Measure once whether longer products in half precision take less time."""
    exact = torch.ones(1, 2, _TRIED, _WIDTH)
    half = torch.ones(1, 2, _TRIED, _FOLDED, dtype=dtype)
    return _seconds(half) < _seconds(exact)


def _seconds(x: Tensor) -> float:
    """Return the shortest time of a few attentions."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        F.scaled_dot_product_attention(x, x, x)
        times.append(time.perf_counter() - started)
    return min(times)
