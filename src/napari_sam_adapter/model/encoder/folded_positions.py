"""Attention with decomposed relative positions as attention without them.

A query q at (y, x) scores a key k at (y', x') with ``q k / sqrt(d) + q R[y - y'] +
q C[x - x']``. The query is made longer by its products with all rows and all columns,
the key by a one at its own row and its own column; then a plain product of the two is
that score. No matrix of queries times keys is made, and any fused attention will do. It
pays where products are fast: on GPUs, and in half precision on some processors.
"""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_sam_adapter.model.encoder.relative_positions import fitting_table
from napari_sam_adapter.model.wide_copies import copy_wide

_ALIGNED = 8
"""Fast products want lengths that are multiples of this."""
_OTHERS = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
"""Without cuDNN, which may find out late that it has no kernel."""
_REFUSED: set[tuple[int, int, torch.dtype]] = set()
_log = logging.getLogger(__name__)


class Tables(NamedTuple):
    """Relative positions of a layer.

    Attributes
    ----------
    rows, columns : (2S - 1, d) tensors
        One vector per distance, see `relative_positions`.
    """

    rows: Tensor
    columns: Tensor


def attend_folded(qkv: Tensor, tables: Tables) -> Tensor:
    """Attend with relative positions, without gradients.

    Parameters
    ----------
    qkv : (B, h, w, 3, heads, d) tensor
        Queries, keys and values of a token map.
    tables : Tables
        Of the layer.

    Returns
    -------
    (B, h, w, heads * d) tensor
        What was attended to.

    Notes
    -----
    The tables take the factor sqrt(d), not the many queries 1 / sqrt(d). In half
    precision products with positions are rounded once, and are summed in float32 with
    the others.
    """
    batch, h, w, _, heads, d = qkv.shape
    queries, keys, values = qkv.unbind(3)
    answer = _attended(
        _in_heads(_with_products(queries, tables)),
        _in_heads(_with_places(keys)),
        _in_heads(values if qkv.is_cuda else _with_nothing(values)),
        1 / math.sqrt(d),
    )
    return answer[..., :d].transpose(1, 2).reshape(batch, h, w, heads * d)


def _attended(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Attend by the kernel that PyTorch prefers, or one that takes such widths."""
    kind = queries.shape[-1], values.shape[-1], queries.dtype
    if kind not in _REFUSED:
        try:
            return F.scaled_dot_product_attention(queries, keys, values, scale=scale)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            _log.info("No attention of widths %s by the first choice: %s", kind, reason)
            _REFUSED.add(kind)
    with sdpa_kernel(_OTHERS):
        return F.scaled_dot_product_attention(queries, keys, values, scale=scale)


def _with_products(queries: Tensor, tables: Tables) -> Tensor:
    """Lengthen queries (B, h, w, heads, d) by their products with rows and columns."""
    batch, h, w, heads, d = queries.shape
    longer = _longer(queries)
    # oneDNN's products of 80 numbers (vit_h) read beyond them, times nothing
    longer[..., d + h + w if queries.is_cuda else d :] = 0
    rows, columns = fitting_table(tables.rows, h), fitting_table(tables.columns, w)
    nothing = rows.new_zeros(-(len(rows) + len(columns)) % _ALIGNED, d)
    ascending = torch.cat([nothing, columns, rows]).flip(0) * math.sqrt(d)
    products = longer.view(-1, longer.shape[-1])[:, :d] @ ascending.T
    # of all distances those from row y to rows 0, 1, ... start at h - 1 - y
    count = products.shape[-1]
    shape, steps = (batch, h, w, heads), _steps((batch, h, w, heads, count))
    to_rows = products.as_strided(
        (*shape, h), (steps[0], steps[1] - 1, *steps[2:]), h - 1
    )
    to_columns = products.as_strided(
        (*shape, w), (*steps[:2], steps[2] - 1, *steps[3:]), len(rows) + w - 1
    )
    longer[..., d : d + h] = to_rows
    longer[..., d + h : d + h + w] = to_columns
    return longer


def _with_places(keys: Tensor) -> Tensor:
    """Lengthen keys (B, h, w, heads, d) by ones at their row and their column."""
    _, h, w, _, d = keys.shape
    longer = _longer(keys)
    places = keys.new_zeros(h, w, longer.shape[-1] - d)
    places[..., :h].diagonal(dim1=0, dim2=2).fill_(1)
    places[..., h : h + w].diagonal(dim1=1, dim2=2).fill_(1)
    beyond = longer[..., d:]
    copy_wide(beyond, places[:, :, None].expand(beyond.shape))
    return longer


def _with_nothing(values: Tensor) -> Tensor:
    """Lengthen values by zeros: fused attention of processors wants one width."""
    longer = _longer(values)
    longer[..., values.shape[-1] :] = 0
    return longer


def _longer(x: Tensor) -> Tensor:
    """Return (B, h, w, heads, D) that begins with (B, h, w, heads, d)."""
    batch, h, w, heads, d = x.shape
    length = d + h + w
    longer = x.new_empty(batch, h, w, heads, length + -length % _ALIGNED)
    copy_wide(longer[..., :d], x)
    return longer


def _in_heads(x: Tensor) -> Tensor:
    """Turn (B, h, w, heads, D) into (B, heads, h * w, D)."""
    return x.flatten(1, 2).transpose(1, 2)


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a contiguous tensor."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
