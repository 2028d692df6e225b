"""Image tokens to masks by products: each token gives 4 x 4 pixels of every mask.

A transposed convolution whose kernel is as large as its stride is a product per token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.spare import Spare

if TYPE_CHECKING:
    from napari_sam_adapter.model.layers import LayerNorm2d
    from napari_sam_adapter.model.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.near_masks import TokenBox

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
    if decoder.refiner is None or maps is None:
        return _plain_masks(decoder, keys[box.slices()], weights)
    wider = box.grown(_SEEN, (keys.shape[0], keys.shape[1]))
    coarse, fine, drawn = (
        x[..., *wider.slices(factor)]
        for x, factor in zip((*skips, maps), (2, 4, 4), strict=True)
    )
    rows = keys[wider.slices()]
    spare = spare or Spare()
    masks = _refined_masks(decoder, rows, weights, (coarse, fine), drawn, spare)
    return masks[:, *box.within(wider).slices(4)]


def _plain_masks(decoder: MaskDecoder, keys: Tensor, weights: Tensor) -> Tensor:
    """Upscale tokens (h, w, C) one by one to logits (M, 4h, 4w)."""
    h, w, width = keys.shape
    rows = keys.reshape(-1, width)
    parts = [
        _upscaled(decoder, rows[start : start + _TOKENS], weights)
        for start in range(0, len(rows), _TOKENS)
    ]
    pixels = torch.cat(parts, dim=1).view(-1, h, w, 2, 2, 2, 2)
    return pixels.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 4 * h, 4 * w)


def _upscaled(decoder: MaskDecoder, keys: Tensor, weights: Tensor) -> Tensor:
    """Return the logits of some tokens (S, C) as (M, S * 16)."""
    rows = _first_upscaling(decoder, keys)
    torch.ops.aten.gelu_(rows)
    rows = _enlarge(rows, decoder.output_upscaling[3])
    torch.ops.aten.gelu_(rows)
    return product(weights, rows)


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
    rows = _first_upscaling(decoder, keys.reshape(-1, width))
    x = decoder.refiner.coarse(_joined(rows, skips[0], spare), maps, spare)
    rows = _enlarge(to_rows(x), decoder.output_upscaling[3])
    x = decoder.refiner.fine(_joined(rows, skips[1], spare), maps, spare)
    return product(weights, to_rows(x)).view(-1, 4 * h, 4 * w)


def _first_upscaling(decoder: MaskDecoder, keys: Tensor) -> Tensor:
    """Return rows (S * 4, C / 4): the four parts of each token, normalised."""
    norm = cast("LayerNorm2d", decoder.output_upscaling[1])
    rows = _enlarge(keys, decoder.output_upscaling[0])
    return F.layer_norm(rows, norm.weight.shape, norm.weight, norm.bias, norm.eps)


def _enlarge(rows: Tensor, convolution: torch.nn.Module) -> Tensor:
    """Apply a transposed 2 x 2 convolution of stride 2 to rows (S, C): (S * 4, C')."""
    weight = convolution.get_parameter("weight")  # (C, C', 2, 2)
    bias = convolution.get_parameter("bias")
    flat = weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])
    return product(rows, flat, bias.repeat(4)).view(-1, len(bias))


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
