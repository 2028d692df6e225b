"""SAM's mask decoder on the CPU, without gradients: few tokens carry the projections.

A handful of tokens meets thousands of image tokens. Where `MaskDecoder` projects the
image for every prompt, the projections here are applied to the tokens instead:
``q . (W k) = (W^T q) . k``, and a weighted mean of projected values is the projected
mean. The numbers are the same up to rounding.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from napari_sam_adapter.model.folded_upscaling import (
    plain_masks,
    refined_masks,
    to_rows,
)
from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.spare import Spare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.model.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.two_way_transformer import (
        DownsampledAttention,
        TwoWayBlock,
    )

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
        self.rows = to_rows(embedding)
        self.positions = positions
        self.spare = spare or Spare()
        self._no_mask = no_mask

    @cached_property
    def keys(self) -> Tensor:
        """Image tokens (S, C) without a mask prompt."""
        return self.rows + self._no_mask

    @cached_property
    def first(self) -> FirstLayer:
        """The projections of the first layer without a mask prompt."""
        layer = cast("TwoWayBlock", self.decoder.transformer.layers[0])
        to_image, from_image = (
            layer.cross_attn_token_to_image,
            layer.cross_attn_image_to_token,
        )
        placed = self.keys + self.positions
        keys, queries = (
            product(placed, p.weight, p.bias).T.reshape(to_image.heads, -1, len(placed))
            for p in (to_image.k_proj, from_image.q_proj)
        )
        value = to_image.v_proj
        values = _split(product(self.keys, value.weight, value.bias), to_image.heads)
        return FirstLayer(keys, values.contiguous(), queries)


class FoundMasks(NamedTuple):
    """The masks of one prompt.

    Attributes
    ----------
    logits : (M, 4h, 4w) tensor
        Of the masks that were made.
    scores : (M,) tensor
        Their predicted IoU.
    """

    logits: Tensor
    scores: Tensor


class PromptSide(NamedTuple):
    """N prompts as the decoder wants them.

    Attributes
    ----------
    sparse : (N, T, C) tensor
        Point and box tokens.
    dense : (N, C, h, w) tensor or None
        Embedded mask prompts; None for the embedding of an absent mask.
    skips, maps
        See `MaskDecoder.forward`.
    """

    sparse: Tensor
    dense: Tensor | None = None
    skips: tuple[Tensor, ...] = ()
    maps: Tensor | None = None


def decode(
    image: ImageSide, prompts: PromptSide, masks: slice = slice(None)
) -> tuple[Tensor, Tensor]:
    """Decode some of the masks of N prompts, as `MaskDecoder` does.

    Parameters
    ----------
    image : ImageSide
        One image.
    prompts : PromptSide
        What is asked.
    masks : slice
        Which of the decoder's masks to make.

    Returns
    -------
    masks : (N, M, 4h, 4w) tensor
        Logits.
    scores : (N, M) tensor
        Predicted IoU of each mask.
    """
    logits, scores = zip(*decode_above(image, prompts, masks), strict=True)
    return torch.stack(logits), torch.stack(scores)


def decode_above(
    image: ImageSide,
    prompts: PromptSide,
    masks: slice = slice(None),
    least: float = -math.inf,
) -> Iterator[FoundMasks]:
    """Decode one prompt after the other, and only masks that promise enough.

    Parameters
    ----------
    image, prompts, masks
        As in `decode`.
    least : float
        Masks whose score is not higher are not made.

    Yields
    ------
    FoundMasks
        One for each prompt; may be empty.
    """
    dense, maps = prompts.dense, prompts.maps
    for i, sparse in enumerate(prompts.sparse):
        background = None if dense is None else to_rows(dense[i : i + 1])
        drawn = None if maps is None else maps[i : i + 1]
        tokens, keys = _exchange(image, sparse, background)
        scores = image.decoder.iou_prediction_head(tokens[0])
        chosen = [m for m in range(len(scores))[masks] if scores[m] > least]
        logits = _upscale(image, tokens, keys, chosen, prompts.skips, drawn)
        yield FoundMasks(logits, scores[chosen])


def _upscale(
    image: ImageSide,
    tokens: Tensor,
    keys: Tensor,
    chosen: list[int],
    skips: tuple[Tensor, ...],
    maps: Tensor | None,
) -> Tensor:
    """Return the logits of the chosen masks."""
    decoder, (h, w) = image.decoder, image.size
    if not chosen:
        return keys.new_zeros(0, 4 * h, 4 * w)
    networks = decoder.output_hypernetworks_mlps
    weights = torch.stack([networks[m](tokens[1 + m]) for m in chosen])
    if decoder.refiner is None or maps is None:
        return plain_masks(decoder, keys, weights, image.size)
    return refined_masks(decoder, keys, weights, image.size, skips, maps)


def _exchange(
    image: ImageSide, sparse: Tensor, dense: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run the two-way transformer; return tokens (T, C) and image tokens (S, C)."""
    decoder, transformer = image.decoder, image.decoder.transformer
    tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, sparse])
    keys, spare = image.keys, image.spare
    if dense is not None:
        keys = torch.add(image.rows, dense, out=spare.tensor("keys", keys))
    first = image.first if dense is None else None
    queries = tokens
    for layer in transformer.layers:
        block = cast("TwoWayBlock", layer)
        queries, keys = _run_layer(image, block, queries, tokens, keys, first)
        first = None
    attention = transformer.final_attn_token_to_image
    attended = _look_at_image(
        attention, queries + tokens, _placed(image, keys), keys, None
    )
    queries = transformer.norm_final_attn(queries + attended)
    return queries, keys


def _placed(image: ImageSide, keys: Tensor) -> Tensor:
    spare = image.spare.tensor("placed", keys)
    return torch.add(keys, image.positions, out=spare)


def _run_layer(
    image: ImageSide,
    layer: TwoWayBlock,
    queries: Tensor,
    tokens: Tensor,
    keys: Tensor,
    first: FirstLayer | None,
) -> tuple[Tensor, Tensor]:
    placed = queries if layer.is_first else queries + tokens
    attended = layer.self_attn(placed[None], placed[None], queries[None])[0]
    queries = layer.norm1(attended if layer.is_first else queries + attended)
    placed_keys = keys if first else _placed(image, keys)
    attended = _look_at_image(
        layer.cross_attn_token_to_image, queries + tokens, placed_keys, keys, first
    )
    queries = layer.norm2(queries + attended)
    queries = layer.norm3(queries + layer.mlp(queries))
    scores, values = _look_at_tokens(
        layer.cross_attn_image_to_token, placed_keys, queries + tokens, queries, first
    )
    spare = image.spare.tensor("keys", keys)
    for start in range(0, len(keys), _TOKENS):
        part = slice(start, start + _TOKENS)
        answer = product(scores[:, part].T, values.T)
        spare[part] = layer.norm4(answer.add_(keys[part]))
    return queries, spare


def _look_at_image(
    attention: DownsampledAttention,
    queries: Tensor,
    placed: Tensor,
    keys: Tensor,
    first: FirstLayer | None,
) -> Tensor:
    """Attend from tokens (T, C) to image tokens (S, C)."""
    heads = attention.heads
    q = _split(attention.q_proj(queries), heads)
    q = q * q.shape[-1] ** -0.5  # (heads, T, d)
    value = attention.v_proj
    if first:
        out = torch.softmax(torch.bmm(q, first.keys), -1) @ first.values
    else:
        # the key's bias would add the same to all scores of a query
        folded = torch.bmm(q, _per_head(attention.k_proj.weight, heads))
        scores = product(folded.flatten(0, 1), placed)  # (heads * T, S)
        torch.softmax(scores, -1, out=scores)
        mean = product(scores, keys.T).view(heads, -1, keys.shape[-1])
        out = torch.bmm(mean, _per_head(value.weight, heads).transpose(1, 2))
        out += value.bias.view(heads, 1, -1)
    attended: Tensor = attention.out_proj(out.transpose(0, 1).flatten(1))
    return attended


def _look_at_tokens(
    attention: DownsampledAttention,
    placed: Tensor,
    token_keys: Tensor,
    token_values: Tensor,
    first: FirstLayer | None,
) -> tuple[Tensor, Tensor]:
    """Attend from image tokens; return the factors (heads * T, S), (heads * T, C)."""
    heads = attention.heads
    k = _split(attention.k_proj(token_keys), heads)
    k = k * k.shape[-1] ** -0.5
    if first:
        scores = torch.bmm(k, first.queries)  # (heads, T, S)
    else:
        query = attention.q_proj
        folded = torch.bmm(k, _per_head(query.weight, heads))
        scores = product(folded.flatten(0, 1), placed).view(heads, -1, len(placed))
        scores += torch.bmm(k, query.bias.view(heads, -1, 1))
    torch.softmax(scores, 1, out=scores)
    # the weights of a head sum to one, so that the bias is shared among the heads
    out = _per_head(attention.out_proj.weight.T, heads)
    values = torch.bmm(_split(attention.v_proj(token_values), heads), out)
    values += attention.out_proj.bias / heads
    return scores.flatten(0, 1), values.flatten(0, 1)


def _split(x: Tensor, heads: int) -> Tensor:
    """Turn (T, heads * d) into (heads, T, d)."""
    return x.view(len(x), heads, -1).transpose(0, 1)


def _per_head(weight: Tensor, heads: int) -> Tensor:
    """Turn a projection (heads * d, C) into (heads, d, C)."""
    return weight.reshape(heads, -1, weight.shape[-1])
