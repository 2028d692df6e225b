"""Image tokens to masks by products: each token gives 4 x 4 pixels of every mask.

A transposed convolution whose kernel is as large as its stride is a product per token.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.model.products import product, product_into
from napari_sam_adapter.model.spare import Spare
from napari_sam_adapter.model.wide_copies import copy_wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.decoder.near_masks import TokenBox
    from napari_sam_adapter.model.layers import LayerNorm2d

_TOKENS = 1024
"""Tokens that are upscaled together, so that what is made of them is small."""
_SEEN = 2
"""Tokens on each side that the small model's convolutions see of their surroundings."""


def upscale(
    decoder: MaskDecoder,
    keys: Tensor,
    weights: Tensor,
    box: TokenBox,
    skips: tuple[Tensor, ...] = (),
    maps: Tensor | None = None,
    spare: Spare | None = None,
) -> Tensor:
    """Make the masks of a box of tokens.

    Parameters
    ----------
    decoder : MaskDecoder
        Whose layers are used.
    keys : (h, w, C) tensor
        Image tokens after the transformer.
    weights : (M, C / 8) tensor
        What the hyper-networks make of M mask tokens.
    box : TokenBox
        Inside the grid.
    skips, maps
        See `MaskDecoder.forward`; of one prompt.
    spare : Spare or None
        Memory for what is only needed here.

    Returns
    -------
    (M, 4 rows, 4 columns) tensor
        Logits.
    """
    spare = spare or Spare()
    if decoder.refiner is None or maps is None:
        tokens, up = keys[box.slices()].flatten(0, 1), _Upscaling(decoder, spare)
        return upscale_enlarged(
            decoder, lambda part: up.enlarged(tokens[part]), weights, box.size, spare
        )
    wider = box.grown(_SEEN, (keys.shape[0], keys.shape[1]))
    coarse, fine, drawn = (
        x[..., *wider.slices(factor)]
        for x, factor in zip((*skips, maps), (2, 4, 4), strict=True)
    )
    rows = keys[wider.slices()]
    masks = _refined_masks(decoder, rows, weights, (coarse, fine), drawn, spare)
    return masks[:, *box.within(wider).slices(4)]


def upscale_enlarged(
    decoder: MaskDecoder,
    enlarge: Callable[[slice], Tensor],
    weights: Tensor,
    size: tuple[int, int],
    spare: Spare,
    out: Tensor | None = None,
) -> Tensor:
    """Make masks of tokens of which only the first enlargement is known.

    Parameters
    ----------
    decoder : MaskDecoder
        Whose layers are used.
    enlarge : callable
        Returns the four parts of some tokens, (s, 4 C / 4), until asked again.
    weights : (M, C / 8) tensor
        What the hyper-networks make of M mask tokens.
    size : (int, int)
        Rows h and columns w of the tokens.
    spare : Spare
        Memory for what is only needed here.
    out : (M, 4h, 4w) tensor or None
        Where the logits are put; its numbers lie together in memory.

    Returns
    -------
    (M, 4h, 4w) tensor
        Logits; `out` or a new one.
    """
    h, w = size
    up = _Upscaling(decoder, spare)
    logits = spare.rows("logits", weights, len(weights), h * w * 16)
    if out is None:
        out = weights.new_empty(len(weights), 4 * h, 4 * w)
    for start in range(0, h * w, _TOKENS):
        part = slice(start, start + _TOKENS)
        pixels = logits[:, start * 16 : part.stop * 16]
        product_into(pixels, weights, up.pixels(enlarge(part)))
    ordered = logits.view(-1, h, w, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
    copy_wide(out.view(ordered.shape), ordered)
    return out


class _Upscaling:
    """The decoder's upscaling of tokens, without what is outside them."""

    def __init__(self, decoder: MaskDecoder, spare: Spare) -> None:
        self._convolution, norm, _, second, _ = decoder.output_upscaling
        self._norm, self._second = cast("LayerNorm2d", norm), as_product(second)
        self._spare = spare

    @cached_property
    def _first(self) -> tuple[Tensor, Tensor]:
        return as_product(self._convolution)

    def enlarged(self, tokens: Tensor) -> Tensor:
        """Turn tokens (S, C) into their four parts (S, 4 C / 4)."""
        return self._enlarged(tokens, *self._first, "parts")

    def normalised(self, parts: Tensor) -> Tensor:
        """Normalise the four parts (S, 4 C / 4) of tokens, to (S * 4, C / 4)."""
        norm = self._norm
        rows = parts.view(-1, *norm.weight.shape)
        return F.layer_norm(rows, norm.weight.shape, norm.weight, norm.bias, norm.eps)

    def finer(self, parts: Tensor) -> Tensor:
        """Turn rows (S, C / 4) into their four parts (S * 4, C / 8)."""
        return self._enlarged(parts, *self._second, "finer").view(4 * len(parts), -1)

    def pixels(self, parts: Tensor) -> Tensor:
        """Turn parts (S, 4 C / 4) into the features (S * 16, C / 8) of their pixels."""
        parts = torch.ops.aten.gelu_(self.normalised(parts))
        pixels: Tensor = torch.ops.aten.gelu_(self.finer(parts))
        return pixels

    def _enlarged(
        self, rows: Tensor, weight: Tensor, bias: Tensor, name: str
    ) -> Tensor:
        """Turn rows (S, C) into the four parts (S, 4 C') of each."""
        room = self._spare.rows(name, rows, len(rows), len(weight))
        return product(rows, weight, bias, room)


def as_product(convolution: torch.nn.Module) -> tuple[Tensor, Tensor]:
    """Return the weight (4 C', C) and bias of a transposed 2 x 2 convolution."""
    weight = convolution.get_parameter("weight")  # (C, C', 2, 2)
    bias = convolution.get_parameter("bias")
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0]), bias.repeat(4)


def _refined_masks(
    decoder: MaskDecoder,
    keys: Tensor,
    weights: Tensor,
    skips: tuple[Tensor, Tensor],
    maps: Tensor,
    spare: Spare,
) -> Tensor:
    """Upscale tokens (h, w, C) with finer maps and drawn prompts of the same part."""
    assert decoder.refiner is not None
    h, w, width = keys.shape
    up = _Upscaling(decoder, spare)
    rows = up.normalised(up.enlarged(keys.reshape(-1, width)))
    x = decoder.refiner.coarse(_joined(rows, skips[0], spare), maps, spare)
    rows = up.finer(to_rows(x))
    x = decoder.refiner.fine(_joined(rows, skips[1], spare), maps, spare)
    return product(weights, to_rows(x)).view(-1, 4 * h, 4 * w)


def _joined(rows: Tensor, finer: Tensor, spare: Spare) -> Tensor:
    """Add a map (1, C, 2h, 2w) to the four parts of each token, and activate.

    Returns
    -------
    (1, C, 2h, 2w) tensor
        Channels last, in spare memory.
    """
    around = finer.permute(0, 2, 3, 1)
    _, tall, wide, channels = around.shape
    halves = 1, tall // 2, 2, wide // 2, 2, channels
    parts = rows.view(1, tall // 2, wide // 2, 2, 2, channels).transpose(2, 3)
    total = spare.tensor(f"joined {channels}", around)
    torch.add(parts, around.view(halves), out=total.view(halves))
    torch.ops.aten.gelu_(total)
    return total.permute(0, 3, 1, 2)


def to_rows(x: Tensor) -> Tensor:
    """Turn a map (1, C, h, w) into rows (h * w, C) that follow each other."""
    return x[0].permute(1, 2, 0).reshape(-1, x.shape[1])  # free for channels last
