"""Attention with decomposed relative positions as attention without them, for GPUs.

A query q at (y, x) scores a key k at (y', x') with ``q k / sqrt(d) + q R[y, y'] +
q C[x, x']``. The query is made longer by its products with all rows and all columns,
the key by a one at its own row and its own column; then a plain product of the two is
that score. No matrix of queries times keys is made, and any fused attention will do.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_ALIGNED = 8
"""Fused attention wants heads whose width is a multiple of this."""


def can_fold(queries: Tensor) -> bool:
    """Tell whether `attend_folded` is the faster way.

    Parameters
    ----------
    queries : tensor
        What asks.

    Returns
    -------
    bool
        True on a CUDA device without gradients. Elsewhere matrix products cost more
        than what they save.
    """
    return queries.device.type == "cuda" and not torch.is_grad_enabled()


def attend_folded(
    queries: Tensor, keys: Tensor, values: Tensor, rows: Tensor, columns: Tensor
) -> Tensor:
    """Attend with relative positions.

    Parameters
    ----------
    queries, keys, values : (B, heads, h * w, d) tensors
        Of a token map.
    rows, columns : (h, h, d) and (w, w, d) tensors
        See `relative_positions`.

    Returns
    -------
    (B, heads, h * w, d) tensor
        What was attended to.

    Notes
    -----
    The tables take the factor sqrt(d), not the many queries 1 / sqrt(d). In half
    precision products with positions are rounded once, and are summed in float32 with
    the others.
    """
    h, w, d = len(rows), len(columns), queries.shape[-1]
    beyond = -(d + h + w) % _ALIGNED
    columns = F.pad(columns, (0, 0, 0, beyond))
    grid = _on_map(queries, h, w)
    to_rows = torch.einsum("bhwnc,hkc->bhwnk", grid, rows * math.sqrt(d))
    to_columns = torch.einsum("bhwnc,wkc->bhwnk", grid, columns * math.sqrt(d))
    longer = torch.cat([grid, to_rows, to_columns], dim=-1)
    return F.scaled_dot_product_attention(
        longer.flatten(1, 2).transpose(1, 2),
        _with_places(_on_map(keys, h, w), beyond),
        values,
        scale=1 / math.sqrt(d),
    )


def _on_map(x: Tensor, h: int, w: int) -> Tensor:
    """Turn (B, heads, h * w, d) into (B, h, w, heads, d)."""
    return x.transpose(1, 2).reshape(len(x), h, w, x.shape[1], x.shape[-1])


def _with_places(keys: Tensor, beyond: int) -> Tensor:
    """Add to keys (B, h, w, heads, d) where they are; return (B, heads, h * w, D)."""
    batch, h, w, heads, d = keys.shape
    longer = keys.new_zeros(batch, h, w, heads, d + h + w + beyond)
    longer[..., :d] = keys
    longer[..., d : d + h].diagonal(dim1=1, dim2=4).fill_(1)
    longer[..., d + h : d + h + w].diagonal(dim1=2, dim2=4).fill_(1)
    return longer.flatten(1, 2).transpose(1, 2)
