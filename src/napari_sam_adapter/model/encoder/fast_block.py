"""A transformer block of the image encoder on the CPU, without gradients.

The same numbers as `Block` up to rounding, in less time and memory: attention looks at
a tile of the scores, or at a row of windows, at a time, which stays in the processor's
cache; nothing larger than that or a token map is made. In float32 padding of windows is
neither projected nor looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.encoder.fast_attention import attend_exactly, parts
from napari_sam_adapter.model.encoder.half_attention import (
    attend_in_half,
    can_attend_in_half,
)
from napari_sam_adapter.model.layers import MLPBlock
from napari_sam_adapter.model.products import gelu_of_product, onednn_pays, product

if TYPE_CHECKING:
    from napari_sam_adapter.model.encoder.image_encoder import Attention, Block

_TOKENS = 1024
"""Tokens that go through the MLP together."""
_PIECES = 8
"""Parts of the tokens to which an addition goes."""


class Addition(NamedTuple):
    """A linear layer that is added to tokens.

    Attributes
    ----------
    rows : (B, h * w, K + 1) tensor
        A few numbers for each token, the last of them 1; of one image, without B.
    weight : (K + 1, D) tensor
        Of the layer, turned over, with its bias as last row.
    """

    rows: Tensor
    weight: Tensor

    def of_image(self, i: int) -> Addition:
        """Return what is added to one image, with rows (h * w, K + 1)."""
        return self._replace(rows=self.rows[i])


def can_run_fast(block: Block, x: Tensor) -> bool:
    """Tell whether `run_block` may stand for the block.

    Parameters
    ----------
    block : Block
        With plain linear layers, or not.
    x : (B, h, w, D) tensor
        Its input.

    Returns
    -------
    bool
        True for float32 on the CPU in inference mode.
    """
    layers = block.attn.qkv, block.attn.proj, block.mlp.lin1, block.mlp.lin2
    return (
        torch.is_inference_mode_enabled()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and type(block.mlp) is MLPBlock
        and all(type(layer) is nn.Linear for layer in layers)
    )


def run_block(block: Block, x: Tensor, added: Addition | None = None) -> Tensor:
    """Do what `block` does, and add to what it gives.

    Parameters
    ----------
    block : Block
        The layers.
    x : (B, h, w, D) tensor
        Tokens. Under autocast, linear layers multiply in its number format, and so does
        attention where that is faster; sums and norms stay in float32.
    added : Addition or None
        Added to the answer.

    Returns
    -------
    (B, h, w, D) tensor
        A new one.
    """
    dtype = torch.float32
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    x = x.contiguous()
    with torch.autocast("cpu", enabled=False):
        out = torch.empty_like(x)
        for i in range(len(x)):
            _run_image(block, x[i], out[i], dtype, added and added.of_image(i))
    return out


def add_to(x: Tensor, added: Addition) -> None:
    """Add to tokens (B, h, w, D) in place.

    Parameters
    ----------
    x : (B, h, w, D) tensor
        Float32 on the CPU, contiguous.
    added : Addition
        What is added.
    """
    for i, tokens in enumerate(x):
        _add_product(tokens.view(-1, x.shape[-1]), *added.of_image(i))


def _add_product(tokens: Tensor, rows: Tensor, weight: Tensor) -> None:
    """Add rows (N, K) times weight (K, D) to tokens (N, D), in place.

    In one step, without memory of its own: after the products of a block every further
    step begins with nothing in the caches.
    """
    out = _in_pieces(tokens)
    out.baddbmm_(_in_pieces(rows), weight.expand(len(out), -1, -1))


def _add_bias(tokens: Tensor, bias: Tensor) -> None:
    tokens += bias


def _in_pieces(rows: Tensor) -> Tensor:
    # MKL gives a few pieces to threads as they are; one product of few columns it cuts
    # in a way that takes half as long again
    return rows.view(math.gcd(len(rows), _PIECES), -1, rows.shape[-1])


def _run_image(
    block: Block, x: Tensor, out: Tensor, dtype: torch.dtype, added: Addition | None
) -> None:
    """Write the block's answer to (h, w, D), and what is added, into `out`."""
    if can_attend_in_half(block, dtype):
        attend_in_half(block, x, out, dtype)
    else:
        _attend_exactly(block, x, out, dtype)
    _add_mlp(block, out.view(-1, x.shape[-1]), dtype, added)


def _attend_exactly(block: Block, x: Tensor, out: Tensor, dtype: torch.dtype) -> None:
    """Write tokens (h, w, D) with what they attended to in float32 into `out`."""
    attention, projection = block.attn, block.attn.proj
    together = block.window or len(x)  # a row of windows fits into memory used before
    weight = projection.weight.to(dtype)
    # weights of attention sum to one, so that the bias of values can be added last
    bias = projection.weight.mv(attention.qkv.bias.chunk(3)[2]) + projection.bias
    bias = bias.to(dtype)
    for part in parts(len(x), together):
        queries, keys, values = _project(attention, block.norm1(x[part]), dtype)
        attended = attend_exactly(attention, queries, keys, values, block.window)
        before, rows = x[part].flatten(0, 1), out[part].flatten(0, 1)
        for some in parts(len(rows), _TOKENS):
            projected = product(attended[some].to(dtype), weight, bias)
            torch.add(before[some], projected, out=rows[some])


def _add_mlp(
    block: Block, rows: Tensor, dtype: torch.dtype, added: Addition | None
) -> None:
    """Add the MLP's answer, and what else is added, to rows (N, D), in place."""
    if dtype == torch.float32 and not onednn_pays():
        _add_mlp_by_mkl(block, rows, added)
        return
    first, second = block.mlp.lin1, block.mlp.lin2
    weights = [t.to(dtype) for t in (first.weight, first.bias)]
    others = [t.to(dtype) for t in (second.weight, second.bias)]
    together = _TOKENS * torch.float32.itemsize // dtype.itemsize
    for part in parts(len(rows), together):
        normed = block.norm2(rows[part]).to(dtype)
        hidden = gelu_of_product(normed, *weights)
        rows[part] += product(hidden, *others)
    if added is not None:
        _add_product(rows, *added)


def _add_mlp_by_mkl(block: Block, rows: Tensor, added: Addition | None) -> None:
    """Do what `_add_mlp` does in float32, by MKL.

    That adds a product to what it finds in memory: the bias, and what else is added, as
    soon as the norm has read the tokens, which are in the cache then.
    """
    first, second = block.mlp.lin1, block.mlp.lin2
    if added is not None:
        weight = added.weight.clone()
        weight[-1] += second.bias
    room = rows.new_empty(min(len(rows), _TOKENS), first.out_features)
    for part in parts(len(rows), _TOKENS):
        some = rows[part]
        normed = block.norm2(some)
        if added is None:
            _add_bias(some, second.bias)
        else:
            _add_product(some, added.rows[part], weight)
        hidden = gelu_of_product(normed, first.weight, first.bias, room[: len(some)])
        some.addmm_(hidden, second.weight.T)


def _project(attention: Attention, x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Turn (h, w, D) into queries, keys and values, each (h, w, D) in float32."""
    # without the bias of keys, which adds the same to all scores of a query, and that
    # of values, which all queries get
    rows = x.view(-1, x.shape[-1]).to(dtype)
    weights = attention.qkv.weight.to(dtype).chunk(3)
    bias = attention.qkv.bias.to(dtype).chunk(3)[0]
    return [
        product(rows, weight, own).float().view(x.shape)
        for weight, own in zip(weights, (bias, None, None), strict=True)
    ]
