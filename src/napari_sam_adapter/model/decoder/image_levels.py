"""What the decoder's layers make of an image for all of its prompts at once.

`SpannedTokens` tells why that is possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch

from napari_sam_adapter.model.decoder.folded_upscaling import as_product
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.model.decoder.first_layer import FirstLayer
    from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.decoder.two_way_transformer import TwoWayBlock


class Look(NamedTuple):
    """S image tokens as tokens of prompts look at them, for each head.

    Attributes
    ----------
    keys, values : (heads, d, S) tensors
        Of the part that all prompts share.
    placed : (heads, d, S) tensor or None
        Keys of the positions; None where `keys` have them.
    """

    keys: Tensor
    values: Tensor
    placed: Tensor | None = None


class Told(NamedTuple):
    """S image tokens as tokens of prompts tell them something, and as a norm sees that.

    Attributes
    ----------
    queries : (heads, d, S) tensor
        Of the part that all prompts share.
    placed : (heads, d, S) tensor or None
        Queries of the positions; None where `queries` have them.
    values : list of n (heads, d, S) tensors
        Products with the output projection of each block so far.
    constants : (n - 1, S) tensor
        Products with what all image tokens have been told, the latest first; but
        what the first block tells them all is in the part that prompts share.
    power : (S,) tensor
        Sum of squares, less the mean.
    """

    queries: Tensor
    placed: Tensor | None
    values: list[Tensor]
    constants: Tensor
    power: Tensor


class ImageLevels(NamedTuple):
    """The part of an image that all prompts share, as each step of the decoder sees it.

    Attributes
    ----------
    looks : list of Look
        One for each block, and the last look.
    told : list of Told
        One for each block.
    enlarged : (S, 4 C') tensor
        The first enlargement, without bias.
    enlarging : ((4 C', C) tensor, (4 C',) tensor)
        Weight and bias of that.
    """

    looks: list[Look]
    told: list[Told]
    enlarged: Tensor
    enlarging: tuple[Tensor, Tensor]


def levels_of(
    decoder: MaskDecoder, rows: Tensor, positions: Tensor, first: FirstLayer
) -> ImageLevels:
    """Project an image for all layers.

    Parameters
    ----------
    decoder : MaskDecoder
        Whose projections are used.
    rows : (S, C) tensor
        Image tokens with the embedding of an absent mask.
    positions : (S, C) tensor
        Positions of the grid.
    first : FirstLayer
        Of the same tokens.

    Returns
    -------
    ImageLevels
        Some 26 MB for 4096 tokens.
    """
    blocks, heads = blocks_of(decoder), len(first.queries)
    asks = [block.cross_attn_token_to_image for block in blocks[1:]]
    asks.append(decoder.transformer.final_attn_token_to_image)
    looks = [Look(first.keys, first.values.transpose(1, 2))]
    told: list[Told] = []
    outputs: list[Tensor] = []
    constants = rows.new_zeros(0, rows.shape[1])
    for block, ask in zip(blocks, asks, strict=True):
        tell, norm = block.cross_attn_image_to_token, block.norm4
        query, output = tell.q_proj, tell.out_proj
        if told:
            queries = _maps(query.weight, rows, heads)
            placed = _maps(query.weight, positions, heads)
            placed += query.bias.view(heads, -1, 1)
            constants = add_to_first(constants, output.bias)
        else:
            queries, placed = first.queries, None
            rows = rows + output.bias
        rows, outputs = centred(rows), [*outputs, output.weight.T]
        values = [_maps(weight, rows, heads) for weight in outputs]
        power = rows.square().sum(1)
        told.append(Told(queries, placed, values, product(constants, rows), power))
        rows = rows * norm.weight
        outputs = [centred(weight) * norm.weight for weight in outputs]
        constants = torch.cat([norm.bias[None], centred(constants) * norm.weight])
        key, value = ask.k_proj.weight, ask.v_proj.weight
        keys, seen = (_maps(weight, rows, heads) for weight in (key, value))
        looks.append(Look(keys, seen, _maps(key, positions, heads)))
    enlarging = as_product(decoder.output_upscaling[0])
    return ImageLevels(looks, told, product(rows, enlarging[0]), enlarging)


def _maps(weight: Tensor, rows: Tensor, heads: int) -> Tensor:
    """Project rows (S, C) with (heads * d, C) to (heads, d, S)."""
    return product(weight, rows).view(heads, -1, len(rows))


def blocks_of(decoder: MaskDecoder) -> list[TwoWayBlock]:
    """Return the blocks of a decoder's transformer."""
    return [cast("TwoWayBlock", block) for block in decoder.transformer.layers]


def centred(x: Tensor) -> Tensor:
    """Return x (..., C) less its mean over the channels."""
    return x - x.mean(-1, keepdim=True)


def add_to_first(x: Tensor, more: Tensor) -> Tensor:
    """Return x (..., n, C) with something added to its first row."""
    x = x.clone()
    x[..., 0, :] += more
    return x
