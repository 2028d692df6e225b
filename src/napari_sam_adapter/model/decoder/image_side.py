"""An image as the folded decoder wants it, made once for all of its prompts."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from napari_sam_adapter.model.decoder.dense_prompts import nothing
from napari_sam_adapter.model.decoder.first_layer import FirstLayer, split_heads
from napari_sam_adapter.model.decoder.folded_upscaling import to_rows
from napari_sam_adapter.model.decoder.image_levels import levels_of
from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.spare import Spare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.model.decoder.dense_prompts import DensePrompt
    from napari_sam_adapter.model.decoder.image_levels import ImageLevels
    from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.decoder.two_way_transformer import TwoWayBlock

_TOKENS = 1024
"""Image tokens that are answered together."""


class ImageSide:
    """An image embedding as the decoder wants it; made once per image.

    What it projects is kept: weights that change afterwards are not seen.

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
        self._first: list[tuple[Tensor, FirstLayer]] = []
        self._levels: ImageLevels | None = None

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
            own = self.own_keys(0)
            yield torch.add(self.rows, dense.part.reshape(own.shape), out=own)
            return
        keys = self._with(dense.rest)
        grid = keys.view(*self.size, -1)
        before = grid[dense.box].clone()
        try:
            grid[dense.box] = self.rows.view(grid.shape)[dense.box] + dense.part
            yield keys
        finally:
            grid[dense.box] = before

    def own_keys(self, n: int) -> Tensor:
        """Return where image tokens (S, C) may be put that only prompt n has."""
        return self.spare.tensor(f"keys {n}", self.rows)

    def _with(self, rest: Tensor) -> Tensor:
        """Return image tokens plus (C,), the last of which are kept."""
        known, keys = self._keys
        if not torch.equal(known, rest):
            keys = self.rows + rest
            self._keys = rest, keys
        return keys

    def can_share(self, dense: DensePrompt) -> bool:
        """Return whether most image tokens are those of all prompts with a mask."""
        return 2 * dense.part[..., 0].numel() <= len(self.rows)

    def first(self, dense: DensePrompt | None) -> FirstLayer:
        """Return the projections of the first layer; only tokens of a mask are made."""
        dense = dense or self._no_mask
        shared = self._first_with(dense.rest)
        if not dense.part.numel():
            return shared
        tokens = self.rows.view(*self.size, -1)[dense.box] + dense.part
        places = torch.arange(len(self.rows)).view(self.size)[dense.box]
        places = places.flatten().contiguous()
        own = self._project(tokens.flatten(0, 1), self.positions[places])
        return shared.with_others(places, own)

    def _first_with(self, rest: Tensor) -> FirstLayer:
        """Return the projections of tokens plus (C,), the last of which are kept."""
        for known, first in self._first:
            if torch.equal(known, rest):
                return first
        first = self._project(self._with(rest), self.positions)
        self._first = [*self._first[-1:], (rest, first)]  # with a mask and without
        return first

    def levels(self) -> ImageLevels:
        """Return what all layers make of the image without a mask prompt."""
        if self._levels is None:
            rows, first = self.plain_rows(), self.first(None)
            self._levels = levels_of(self.decoder, rows, self.positions, first)
        return self._levels

    def drop_levels(self) -> None:
        """Free what `levels` makes."""
        self._levels = None

    def plain_rows(self) -> Tensor:
        """Return image tokens (S, C) with the embedding of an absent mask."""
        return self._with(self._no_mask.rest)

    def _project(self, tokens: Tensor, positions: Tensor) -> FirstLayer:
        layer = cast("TwoWayBlock", self.decoder.transformer.layers[0])
        to_image, from_image = (
            layer.cross_attn_token_to_image,
            layer.cross_attn_image_to_token,
        )
        placed = tokens + positions
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
        """Return a part of the image tokens with positions, until asked again."""
        out = self.spare.rows("placed", keys, *keys.shape)
        return torch.add(keys, self.positions[part], out=out)
