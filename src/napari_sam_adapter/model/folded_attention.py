"""Attention between few tokens and many: the projections are applied to the few.

``q . (W k) = (W^T q) . k``, and a weighted mean of projected values is the projected
mean.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam_adapter.model.first_layer import split_heads
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from napari_sam_adapter.model.first_layer import FirstLayer
    from napari_sam_adapter.model.image_side import ImageSide
    from napari_sam_adapter.model.two_way_transformer import (
        DownsampledAttention,
        TwoWayBlock,
    )


class Question:
    """Tokens (T, C) that attend to image tokens."""

    def __init__(self, attention: DownsampledAttention, queries: Tensor) -> None:
        self._attention, self._heads = attention, attention.heads
        q = split_heads(attention.q_proj(queries), self._heads)
        self._queries = q * q.shape[-1] ** -0.5  # (heads, T, d)

    @cached_property
    def folded(self) -> Tensor:
        """What image tokens with positions are multiplied by, (heads * T, C)."""
        # the key's bias would add the same to all scores of a query
        weight = _per_head(self._attention.k_proj.weight, self._heads)
        return torch.bmm(self._queries, weight).flatten(0, 1)

    def scores(
        self, image: ImageSide, keys: Tensor, first: FirstLayer | None
    ) -> Tensor:
        """Return the scores (heads * T, S) of all image tokens."""
        if first:
            return first.scores(self._queries).flatten(0, 1)
        parts = [
            product(self.folded, image.placed(keys, part)) for part in image.parts()
        ]
        return torch.cat(parts, dim=1)

    def answer(self, keys: Tensor, scores: Tensor, first: FirstLayer | None) -> Tensor:
        """Return what is attended to, (T, C)."""
        attention, heads = self._attention, self._heads
        torch.softmax(scores, -1, out=scores)
        if first:
            out = first.answer(scores.view(heads, -1, len(keys)))
        else:
            mean = product(scores, keys.T).view(heads, -1, keys.shape[-1])
            value = attention.v_proj
            out = torch.bmm(mean, _per_head(value.weight, heads).transpose(1, 2))
            out += value.bias.view(heads, 1, -1)
        attended: Tensor = attention.out_proj(out.transpose(0, 1).flatten(1))
        return attended


class Telling:
    """Image tokens that attend to tokens (T, C)."""

    def __init__(
        self,
        block: TwoWayBlock,
        placed: Tensor,
        values: Tensor,
        first: FirstLayer | None,
    ) -> None:
        attention = block.cross_attn_image_to_token
        self._norm, self._first, self._heads = block.norm4, first, attention.heads
        k = split_heads(attention.k_proj(placed), self._heads)
        self._keys = k * k.shape[-1] ** -0.5
        query = attention.q_proj
        self._folded = torch.bmm(self._keys, _per_head(query.weight, self._heads))
        self._bias = torch.bmm(self._keys, query.bias.view(self._heads, -1, 1))
        # the weights of a head sum to one: the bias is shared among the heads
        out = _per_head(attention.out_proj.weight.T, self._heads)
        values = torch.bmm(split_heads(attention.v_proj(values), self._heads), out)
        values += attention.out_proj.bias / self._heads
        self._values = values.flatten(0, 1)

    def to(self, image: ImageSide, keys: Tensor, part: slice) -> Tensor:
        """Return a part of the image tokens after the block."""
        if self._first:
            scores = self._first.scores_of(self._keys, part)
        else:
            flat = product(self._folded.flatten(0, 1), image.placed(keys, part))
            scores = flat.view(self._heads, -1, flat.shape[-1])
            scores += self._bias
        torch.softmax(scores, 1, out=scores)
        answer = product(scores.flatten(0, 1).T, self._values.T)
        told: Tensor = self._norm(answer.add_(keys[part]))
        return told


def _per_head(weight: Tensor, heads: int) -> Tensor:
    """Turn a projection (heads * d, C) into (heads, d, C)."""
    return weight.reshape(heads, -1, weight.shape[-1])
