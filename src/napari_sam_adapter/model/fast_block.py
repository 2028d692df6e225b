"""A transformer block of the image encoder on the CPU, without gradients.

The same numbers as `Block` up to rounding, in less time and memory: attention looks at
a tile of the scores, or at a row of windows, at a time, which stays in the processor's
cache; nothing larger than that or a token map is made. In float32 padding of windows is
never projected.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.half_attention import attend_in_half, can_attend_in_half
from napari_sam_adapter.model.layers import MLPBlock
from napari_sam_adapter.model.products import onednn_pays, product
from napari_sam_adapter.model.relative_positions import relative_positions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.model.image_encoder import Attention, Block

_QUERIES = 512
"""Queries of a tile of scores."""
_TOKENS = 1024
"""Tokens that go through the MLP together."""
_HEADS = 2
"""Heads of a whole map that attend together, where MKL multiplies."""
_PIECES = 8
"""Parts of the tokens to which an addition goes."""


class Addition(NamedTuple):
    """A linear layer that is added to tokens.

    Attributes
    ----------
    rows : (B, h * w, K + 1) tensor
        A few numbers for each token, the last of them 1; of one image, without B.
    weight : (D, K + 1) tensor
        Of the layer, with its bias as last column.
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
    """Add rows (N, K) times weight (D, K) to tokens (N, D), in place.

    In one step, without memory of its own: after the products of a block every further
    step begins with nothing in the caches.
    """
    out = _in_pieces(tokens)
    out.baddbmm_(_in_pieces(rows), weight.T.expand(len(out), -1, -1))


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
    together = block.window or len(x)  # a row of windows fits into memory used before
    weight, bias = block.attn.proj.weight.to(dtype), block.attn.proj.bias.to(dtype)
    for part in _parts(len(x), together):
        queries, keys, values = _project(block.attn, block.norm1(x[part]), dtype)
        attended = _attend(block, queries, keys, values)
        before, rows = x[part].flatten(0, 1), out[part].flatten(0, 1)
        for some in _parts(len(rows), _TOKENS):
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
    for part in _parts(len(rows), together):
        normed = block.norm2(rows[part]).to(dtype)
        hidden = product(normed, *weights)
        torch.ops.aten.gelu_(hidden)
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
        weight[:, -1] += second.bias
    for part in _parts(len(rows), _TOKENS):
        some = rows[part]
        normed = block.norm2(some)
        if added is None:
            _add_bias(some, second.bias)
        else:
            _add_product(some, added.rows[part], weight)
        hidden = product(normed, first.weight, first.bias)
        torch.ops.aten.gelu_(hidden)
        some.addmm_(hidden, second.weight.T)


def _project(attention: Attention, x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Turn (h, w, D) into queries, keys and values, each (h, w, D) in float32."""
    rows = x.view(-1, x.shape[-1]).to(dtype)
    weights = attention.qkv.weight.to(dtype).chunk(3)
    biases = attention.qkv.bias.to(dtype).chunk(3)
    return [
        product(rows, weight, bias).float().view(x.shape)
        for weight, bias in zip(weights, biases, strict=True)
    ]


def _attend(block: Block, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend over the map or in a row of windows; return rows, over the queries."""
    attention, side = block.attn, block.window
    h, w, width = queries.shape
    padded = [queries, keys, values]
    if side:
        # a padded token is zero, so that its query, key and value are the bias
        biases = attention.qkv.bias.chunk(3)
        padded = [_pad(x, b, side) for x, b in zip(padded, biases, strict=True)]
        heads = attention.heads
    else:
        heads = 1 if onednn_pays() else _HEADS
    for channels in _parts(width, heads * width // attention.heads):
        part = [x[..., channels] for x in padded]
        part[0][:] = _attend_row(attention, part, side or w)
    return padded[0][:h, :w].reshape(-1, width)


def _pad(x: Tensor, fill: Tensor, side: int) -> Tensor:
    """Extend (h, w, D) right and below to whole windows."""
    h, w, _ = x.shape
    rows, columns = h + -h % side, w + -w % side
    if (rows, columns) == (h, w):
        return x
    padded = fill.repeat(rows, columns, 1)
    padded[:h, :w] = x
    return padded


def _attend_row(attention: Attention, row: list[Tensor], side: int) -> Tensor:
    """Attend in a row of windows (h, side), which may be a map, all heads at once."""
    h, w, width = row[0].shape
    size = attention.qkv.in_features // attention.heads
    heads = width // size
    q, k, v = (
        x.view(h, w // side, side, heads, size)
        .permute(1, 3, 0, 2, 4)
        .flatten(0, 1)  # (windows * heads, h, side, d)
        .contiguous()  # oneDNN is slow with rows that do not follow each other
        for x in row
    )
    biases = _position_scores(attention, q)
    q, k, v = (x.flatten(1, 2) for x in (q * size**-0.5, k, v))
    v = v.transpose(1, 2).contiguous()
    # scores of one tile after the other: 17 MB that would be cleared for each
    room = q.new_empty(len(q), min(h * side, _QUERIES), k.shape[1])
    answers = [
        _attend_tile(q[:, tile], k, v, [bias[:, tile] for bias in biases], room)
        for tile in _parts(h * side, _QUERIES)
    ]
    attended = torch.cat(answers, 1).view(-1, heads, h, side, size)
    return attended.permute(2, 0, 3, 1, 4).reshape(h, w, width)


def _position_scores(attention: Attention, q: Tensor) -> list[Tensor]:
    """Score (..., h, w, d) queries against rows and columns, if there are positions."""
    if attention.side is None:
        return []
    h, w, _ = q.shape[-3:]
    table_h = relative_positions(attention.rel_pos_h, h)  # (h, h, d)
    table_w = relative_positions(attention.rel_pos_w, w)  # (w, w, d)
    rows = q @ table_h.transpose(1, 2)
    columns = (q.transpose(-3, -2) @ table_w.transpose(1, 2)).transpose(-3, -2)
    # (..., h * w, h, 1) and (..., h * w, 1, w)
    return [rows.flatten(-3, -2)[..., None], columns.flatten(-3, -2)[..., None, :]]


def _attend_tile(
    q: Tensor, k: Tensor, v: Tensor, biases: list[Tensor], room: Tensor
) -> Tensor:
    """Attend from scaled queries (G, n, d) to keys (G, N, d) and values (G, d, N)."""
    scores = _products(q, k, room[:, : q.shape[1]])
    _to_weights(scores, biases)
    return _products(scores, v)


def _products(rows: Tensor, others: Tensor, room: Tensor | None = None) -> Tensor:
    """Multiply (G, n, A) by (G, m, A) to (G, n, m)."""
    if len(rows) == 1:
        return product(rows[0], others[0])[None]
    return torch.bmm(rows, others.transpose(1, 2), out=room)


def _to_weights(scores: Tensor, biases: list[Tensor]) -> None:
    """Add positions to scores (..., n, N), and turn them into weights, in place."""
    if biases:
        rows, columns = biases
        grid = scores.view(*scores.shape[:-1], rows.shape[-2], columns.shape[-1])
        grid += rows
        grid += columns
    torch.softmax(scores, -1, out=scores)


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(i, i + size) for i in range(0, count, size))
