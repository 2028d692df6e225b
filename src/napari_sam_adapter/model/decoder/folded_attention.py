"""Attention between few tokens and many: the projections are applied to the few.

``q . (W k) = (W^T q) . k``, and a weighted mean of projected values is the projected
mean.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam_adapter.model.attention_weights import to_weights
from napari_sam_adapter.model.decoder.first_layer import split_heads
from napari_sam_adapter.model.products import product, product_into

if TYPE_CHECKING:
    from napari_sam_adapter.model.decoder.first_layer import FirstLayer
    from napari_sam_adapter.model.decoder.image_side import ImageSide
    from napari_sam_adapter.model.decoder.two_way_transformer import (
        DownsampledAttention,
        TwoWayBlock,
    )


class Question:
    """Tokens (N, T, C) of N prompts that attend to image tokens."""

    def __init__(self, attention: DownsampledAttention, queries: Tensor) -> None:
        self._attention, self._heads = attention, attention.heads
        q = split_heads(attention.q_proj(queries), self._heads)
        self._queries = q * q.shape[-1] ** -0.5  # (N, heads, T, d)

    @cached_property
    def _weight(self) -> Tensor:
        """What image tokens with positions are multiplied by, (N, heads * T, C)."""
        # the key's bias would add the same to all scores of a query
        weight = per_head(self._attention.k_proj.weight, self._heads)
        return by_head(self._queries, weight).flatten(1, 2)

    def scores(
        self, n: int, image: ImageSide, keys: Tensor, first: FirstLayer | None
    ) -> Tensor:
        """Return the scores (heads * T, S) of all image tokens for prompt n."""
        if first:
            return first.scores(self._queries[n]).flatten(0, 1)
        scores = self.room(n, image)
        for part in image.parts():
            self.score(n, scores[:, part], image.placed(keys[part], part))
        return scores

    def room(self, n: int, image: ImageSide) -> Tensor:
        """Return where the scores (heads * T, S) for prompt n may be put."""
        weight = self._weight[n]
        return image.spare.rows("scores", weight, len(weight), len(image.rows))

    def score(self, n: int, scores: Tensor, placed: Tensor) -> None:
        """Write the scores (heads * T, s) of image tokens (s, C) with positions."""
        product_into(scores, self._weight[n], placed)

    def look(self, keys: Tensor, scores: Tensor, first: FirstLayer | None) -> Tensor:
        """Return what each head sees: (heads, T, C), or (heads, T, d) projected."""
        to_weights(scores, -1)
        if first:
            return first.answer(scores.view(self._heads, -1, len(keys)))
        return product(scores, keys.T).view(self._heads, -1, keys.shape[-1])

    def answer(self, seen: list[Tensor], first: FirstLayer | None) -> Tensor:
        """Return what is attended to, (N, T, C), given what each prompt has seen."""
        out, value = torch.stack(seen), self._attention.v_proj
        if not first:
            out = by_head(out, per_head(value.weight, self._heads).transpose(1, 2))
            out += value.bias.view(self._heads, 1, -1)
        attended: Tensor = self._attention.out_proj(out.transpose(1, 2).flatten(2))
        return attended


class Telling:
    """Image tokens that attend to tokens (N, T, C) of N prompts."""

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
        weight = by_head(self._keys, per_head(query.weight, self._heads))
        self._weight = weight.flatten(1, 2)
        self._bias = self._keys @ query.bias.view(self._heads, -1, 1)
        # the weights of a head sum to one: the bias is shared among the heads
        out = per_head(attention.out_proj.weight.T, self._heads)
        values = by_head(split_heads(attention.v_proj(values), self._heads), out)
        values += attention.out_proj.bias / self._heads
        self._values = values.flatten(1, 2)

    def to(self, n: int, image: ImageSide, keys: Tensor, part: slice) -> Tensor:
        """Return a part of the image tokens after the block, for prompt n."""
        if self._first:
            scores = self._first.scores_of(self._keys[n], part)
        else:
            placed = image.placed(keys[part], part)
            flat = product(self._weight[n], placed)
            scores = flat.view(self._heads, -1, flat.shape[-1])
            scores += self._bias[n]
        to_weights(scores, 1)
        rows, values = scores.flatten(0, 1).T, self._values[n].T
        room = image.spare.rows("told", keys, len(rows), keys.shape[1])
        answer = product(rows, values, room=room)
        told: Tensor = self._norm(answer.add_(keys[part]))
        return told


def per_head(weight: Tensor, heads: int) -> Tensor:
    """Turn a projection (heads * d, C) into (heads, d, C)."""
    return weight.reshape(heads, -1, weight.shape[-1])


def by_head(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply (N, heads, T, A) by (heads, A, B), all prompts at once."""
    count, heads, tokens, _ = x.shape
    rows = x.transpose(0, 1).flatten(1, 2)
    return torch.bmm(rows, weight).view(heads, count, tokens, -1).transpose(0, 1)
