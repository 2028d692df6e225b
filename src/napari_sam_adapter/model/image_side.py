"""An image as the folded decoder wants it, made once for all of its prompts."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from napari_sam_adapter.model.dense_prompts import nothing
from napari_sam_adapter.model.folded_upscaling import to_rows
from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.spare import Spare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.model.dense_prompts import DensePrompt
    from napari_sam_adapter.model.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.two_way_transformer import TwoWayBlock

_TOKENS = 1024
"""Image tokens that are answered together."""


class FirstLayer(NamedTuple):
    """What the first layer projects of an image; equal for all prompts without a mask.

    Attributes
    ----------
    keys, queries : (heads, d, S) tensors
        Of the attention to the image, and from it.
    values : (heads, S, d) tensor
        Of the attention to the image.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor


class ImageSide:
    """An image embedding as the decoder wants it; made once per image.

    Parameters
    ----------
    decoder : MaskDecoder
        Whose projections are used.
    embedding : (1, C, h, w) tensor
        The image embedding.
    positions : (h * w, C) tensor
        Positions of the grid, as `to_rows` gives them; shared by all images.
    no_mask : (1, C) tensor
        Stands for an absent mask prompt.
    spare : Spare or None
        May be shared by images that are not decoded at the same time.
    """

    def __init__(
        self,
        decoder: MaskDecoder,
        embedding: Tensor,
        positions: Tensor,
        no_mask: Tensor,
        spare: Spare | None = None,
    ) -> None:
        self.decoder = decoder
        self.size = embedding.shape[-2], embedding.shape[-1]
        self.rows = to_rows(embedding).contiguous()
        self.positions = positions
        self.spare = spare or Spare()
        self._no_mask = nothing(no_mask[0])
        self._keys = self.rows[:0], self.rows

    def twin(self, spare: Spare) -> ImageSide:
        """Return the same for another thread, with memory of its own."""
        side = copy(self)
        side.spare = spare
        side._keys = self.rows[:0], self.rows
        return side

    @contextmanager
    def keys(self, dense: DensePrompt | None) -> Iterator[Tensor]:
        """Give image tokens (S, C) with a dense prompt; None for an absent mask."""
        dense = dense or self._no_mask
        if dense.part.shape[:2] == self.size:
            spare = self.spare.tensor("keys", self.rows)
            yield torch.add(self.rows, dense.part.reshape(spare.shape), out=spare)
            return
        keys = self._with(dense.rest)
        grid = keys.view(*self.size, -1)
        before = grid[dense.box].clone()
        try:
            grid[dense.box] = self.rows.view(grid.shape)[dense.box] + dense.part
            yield keys
        finally:
            grid[dense.box] = before

    def _with(self, rest: Tensor) -> Tensor:
        """Return image tokens plus (C,), the last of which are kept."""
        known, keys = self._keys
        if not torch.equal(known, rest):
            keys = self.rows + rest
            self._keys = rest, keys
        return keys

    @cached_property
    def first(self) -> FirstLayer:
        """The projections of the first layer without a mask prompt."""
        layer = cast("TwoWayBlock", self.decoder.transformer.layers[0])
        to_image, from_image = (
            layer.cross_attn_token_to_image,
            layer.cross_attn_image_to_token,
        )
        tokens = self._with(self._no_mask.rest)
        placed = tokens + self.positions
        keys, queries = (
            product(placed, p.weight, p.bias).T.reshape(to_image.heads, -1, len(placed))
            for p in (to_image.k_proj, from_image.q_proj)
        )
        value = to_image.v_proj
        values = split_heads(product(tokens, value.weight, value.bias), to_image.heads)
        return FirstLayer(keys, values.contiguous(), queries)

    def parts(self) -> Iterator[slice]:
        """Return parts of the image tokens whose numbers stay in the cache."""
        return (
            slice(start, min(start + _TOKENS, len(self.rows)))
            for start in range(0, len(self.rows), _TOKENS)
        )

    def placed(self, keys: Tensor, part: slice) -> Tensor:
        """Return a part of image tokens (S, C) with positions, until asked again."""
        spare = self.spare.tensor("placed", self.positions[:_TOKENS])
        out = spare[: part.stop - part.start]
        return torch.add(keys[part], self.positions[part], out=out)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Turn (T, heads * d) into (heads, T, d)."""
    return x.view(len(x), heads, -1).transpose(0, 1)
