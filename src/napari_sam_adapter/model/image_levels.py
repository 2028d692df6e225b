"""What the decoder's layers make of an image for all of its prompts at once.

`SpannedTokens` tells why that is possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch

from napari_sam_adapter.model.folded_upscaling import as_product
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.model.first_layer import FirstLayer
    from napari_sam_adapter.model.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.two_way_transformer import TwoWayBlock


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
    values : list of (heads, d, S) tensors
        Products with the output projection of each block so far.
    constants : (n, S) tensor
        Products with what all image tokens have been told, the latest first.
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
    rows : (S, C) tensor
        The image tokens themselves.
    """

    looks: list[Look]
    told: list[Told]
    enlarged: Tensor
    enlarging: tuple[Tensor, Tensor]
    rows: Tensor


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
        Some 18 MB for 4096 tokens.
    """
    blocks, last = blocks_of(decoder), decoder.transformer.final_attn_token_to_image
    looks = [Look(first.keys, first.values.transpose(1, 2))]
    told: list[Told] = []
    queries, placed_queries = first.queries, None
    outputs: list[Tensor] = []
    constants, image = rows.new_zeros(1, rows.shape[1]), rows
    for number, block in enumerate(blocks):
        tell, norm = block.cross_attn_image_to_token, block.norm4
        outputs = [centred(o) for o in (*outputs, tell.out_proj.weight.T)]
        constants = centred(add_to_first(constants, tell.out_proj.bias))
        dots = product(torch.cat([*outputs, constants]), rows)
        values = dots[: -len(constants)].view(len(outputs), *queries.shape)
        rows = centred(rows)
        power = rows.square().sum(1)
        told.append(
            Told(queries, placed_queries, [*values], dots[-len(constants) :], power)
        )
        rows *= norm.weight
        outputs = [o * norm.weight for o in outputs]
        constants = torch.cat([norm.bias[None], constants * norm.weight])
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        ask = following.cross_attn_token_to_image if following else last
        projections = [ask.k_proj.weight, ask.v_proj.weight]
        if following:
            query = following.cross_attn_image_to_token.q_proj
            projections.append(query.weight)
        maps = product(torch.cat(projections), rows).view(-1, *queries.shape)
        placed = product(torch.cat(projections[::2]), positions)
        placed = placed.view(-1, *queries.shape)
        looks.append(Look(maps[0], maps[1], placed[0]))
        if following:
            queries = maps[2]
            placed_queries = placed[1] + query.bias.view(*queries.shape[:2], 1)
    enlarging = as_product(decoder.output_upscaling[0])
    return ImageLevels(looks, told, product(rows, enlarging[0]), enlarging, image)


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
