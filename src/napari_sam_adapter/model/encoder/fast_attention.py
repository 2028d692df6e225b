"""Attention over a map, or in windows of it, on the CPU in float32, without gradients.

A tile of the scores, or a row of windows, at a time is looked at. Padding of windows,
which has a value of zero and scores of positions alone, stands in softmax as one more
key: with the logarithm of what all padding would have added to the sum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.model.attention_weights import to_weights
from napari_sam_adapter.model.encoder.relative_positions import fitting_table
from napari_sam_adapter.model.products import onednn_pays, product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.model.encoder.image_encoder import Attention

_QUERIES = 512
"""Queries of a tile of scores."""
_HEADS = 2
"""Heads of a whole map that attend together, where MKL multiplies."""


def attend_exactly(
    attention: Attention, queries: Tensor, keys: Tensor, values: Tensor, side: int
) -> Tensor:
    """Attend over a map, or in a row of windows.

    Parameters
    ----------
    attention : Attention
        Its heads and its positions are used.
    queries, keys, values : (h, w, D) tensor
        Float32 on the CPU, without the biases of keys and values. Queries are
        written over.
    side : int
        Of the windows, at least h; 0 attends over the whole map.

    Returns
    -------
    (h * w, D) tensor
        What each token attended to, without the bias of values.
    """
    width = queries.shape[-1]
    heads = attention.heads
    if not side:
        heads = 1 if onednn_pays() else _HEADS
    for channels in parts(width, heads * width // attention.heads):
        row = [x[..., channels] for x in (queries, keys, values)]
        _attend_row(attention, row, side)
    return queries.view(-1, width)


def _attend_row(attention: Attention, row: list[Tensor], side: int) -> None:
    """Write over the queries of (h, w, D), in windows that the map cuts all or none."""
    w = row[0].shape[1]
    whole = w - w % side if side else w
    for columns in (slice(whole), slice(whole, w)):
        some = [x[:, columns] for x in row]
        if some[0].numel():
            _attend_in_equal_windows(attention, some, side)


def _attend_in_equal_windows(
    attention: Attention, row: list[Tensor], side: int
) -> None:
    """Write over the queries of (h, w, D), in windows of one size."""
    h, w, _ = row[0].shape
    columns = min(side, w) or w
    size = attention.qkv.in_features // attention.heads
    q, k, v = (_in_windows(x, columns, size) for x in row)
    shape = q.shape
    scores = _Scores.of(attention, q, side or h, side or w)
    q, k, v = (x.flatten(1, 2) for x in (q, k, v))
    if scores.padding is not None:
        k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))
    v = v.transpose(1, 2)
    if len(v) == 1:
        v = v.contiguous()  # oneDNN is slow with rows that do not follow each other
    # scores of one tile after the other, in memory that would be cleared for each
    room = q.new_empty(len(q), min(q.shape[1], _QUERIES), k.shape[1])
    answers: list[Tensor] = []
    has_denormals = True
    for tile in parts(q.shape[1], _QUERIES):
        found = _score(q[:, tile], k, scores.of_queries(tile), room)
        if has_denormals:
            weights = to_weights(found, -1)
            # once a tile had none, the others are not searched: that only saves time
            has_denormals = tile.stop >= q.shape[1] or not weights.amin() > 0
        else:
            weights = torch.softmax(found, -1, out=found)
        answers.append(_mix(weights, v))
    attended = answers[0] if len(answers) == 1 else torch.cat(answers, 1)
    _write_windows(attended.view(shape), row[0])


def _in_windows(x: Tensor, columns: int, size: int) -> Tensor:
    """Cut (h, w, D) to (windows * heads, h, columns, size)."""
    return _cut(x, columns, size).contiguous().flatten(0, 1)


def _write_windows(windows: Tensor, out: Tensor) -> None:
    """Write what `_in_windows` cuts back to (h, w, D)."""
    cut = _cut(out, *windows.shape[2:])
    cut.copy_(windows.view(cut.shape))


def _cut(x: Tensor, columns: int, size: int) -> Tensor:
    """View (h, w, D) as (windows, heads, h, columns, size)."""
    h, w, width = x.shape
    cut = x.view(h, w // columns, columns, width // size, size)
    return cut.permute(1, 3, 0, 2, 4)


class _Scores(NamedTuple):
    """What the places of keys add to scores.

    Attributes
    ----------
    rows, columns : (G, n, h, 1), (G, n, 1, w) tensor or None
        Of keys in the map, for n queries; None without positions.
    padding : (G, n, 1) tensor or None
        Of all keys beside the map together; None if there are none.
    """

    rows: Tensor | None
    columns: Tensor | None
    padding: Tensor | None

    @classmethod
    def of(cls, attention: Attention, q: Tensor, height: int, width: int) -> _Scores:
        """Score queries (G, h, w, d) in windows of a height and a width."""
        _, h, w, size = q.shape
        count = height * width - h * w
        if attention.side is None:
            log = q.new_full((1, h * w, 1), math.log(count)) if count else None
            return cls(None, None, log)
        table = torch.cat(
            [
                fitting_table(attention.rel_pos_h, height).flip(0),
                fitting_table(attention.rel_pos_w, width).flip(0),
            ]
        )
        scores = product(q.view(-1, size), table).view(*q.shape[:-1], -1)
        rows = _from_each(scores, 1, height)
        columns = _from_each(scores[..., 2 * height - 1 :], 2, width)
        padding = None
        if count:
            beside = rows.logsumexp(-1) + columns[..., w:].logsumexp(-1)
            below = rows[..., h:].logsumexp(-1) + columns[..., :w].logsumexp(-1)
            padding = torch.logaddexp(beside, below)[..., None]
        return cls(rows[..., :h, None], columns[..., None, :w], padding)

    def of_queries(self, tile: slice) -> _Scores:
        """Return what is added for some of the queries."""
        return _Scores(*(x if x is None else x[:, tile] for x in self))


def _from_each(scores: Tensor, axis: int, count: int) -> Tensor:
    """Turn scores (G, h, w, distances) to (G, h * w, count), of places on an axis."""
    # of all distances those from place i to places 0, 1, ... start at count - 1 - i
    strides = list(scores.stride())
    strides[axis] -= 1
    start = scores.storage_offset() + count - 1
    places = scores.as_strided((*scores.shape[:3], count), strides, start)
    return places.flatten(1, 2)


def _score(q: Tensor, k: Tensor, added: _Scores, room: Tensor) -> Tensor:
    """Score queries (G, n, d) against keys (G, N, d); return (G, n, N)."""
    scores, scale = room[:, : q.shape[1]], q.shape[-1] ** -0.5
    rows, columns, padding = added
    if rows is not None and columns is not None:
        h, w = rows.shape[-2], columns.shape[-1]
        cells = scores[..., : h * w]
        torch.add(rows, columns, out=cells.view(*cells.shape[:2], h, w))
    if len(q) == 1:
        products = product(q[0] * scale, k[0])[None]
        scores = products if rows is None else products.add_(scores)
    else:
        beta = 0 if rows is None else 1
        scores.baddbmm_(q, k.transpose(1, 2), beta=beta, alpha=scale)
    if padding is not None:
        scores[..., -1:] = padding
    return scores


def _mix(weights: Tensor, v: Tensor) -> Tensor:
    """Return weights (G, n, N) times values (G, d, N), as (G, n, d)."""
    if len(v) == 1:
        return product(weights[0], v[0])[None]
    return torch.bmm(weights, v.transpose(1, 2))


def parts(count: int, size: int) -> Iterator[slice]:
    """Cut a number of things into parts of a size, the last one of the rest."""
    return (slice(i, i + size) for i in range(0, count, size))
