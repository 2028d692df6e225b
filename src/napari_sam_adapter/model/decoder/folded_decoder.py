"""SAM's mask decoder on the CPU, without gradients: few tokens carry the projections.

A handful of tokens meets thousands of image tokens. Where `MaskDecoder` projects the
image for every prompt, `folded_attention` projects the tokens instead. The numbers are
the same up to rounding.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from napari_sam_adapter.model.decoder.folded_attention import Question, Telling
from napari_sam_adapter.model.decoder.folded_upscaling import upscale, upscale_enlarged
from napari_sam_adapter.model.decoder.image_levels import blocks_of
from napari_sam_adapter.model.decoder.mask_decoder import HEADS
from napari_sam_adapter.model.decoder.near_masks import masks_near
from napari_sam_adapter.model.decoder.spanned_tokens import SpannedTokens
from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.steady import steady_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam_adapter.model.decoder.dense_prompts import DensePrompt
    from napari_sam_adapter.model.decoder.first_layer import FirstLayer
    from napari_sam_adapter.model.decoder.image_side import ImageSide
    from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.decoder.near_masks import TokenBox
    from napari_sam_adapter.model.decoder.two_way_transformer import TwoWayBlock
    from napari_sam_adapter.model.layers import MLPBlock

    _Maker = Callable[[Tensor, Tensor | None], Tensor]

_MANY = 6
"""Prompts for which it pays to project the image for all layers."""
_NARROW = 0.75
"""Their directions, as a part of the width of image tokens, up to which it pays."""
_TOGETHER = 4
"""Prompts whose tokens share a step: each keeps 4 MB of image tokens at 64 x 64."""
_TOGETHER_SPANNED = 6
"""The same for `SpannedTokens`, of which each has 3 MB with 7 tokens."""


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
    dense : list of N DensePrompt, or None
        Embedded mask prompts; None for the embedding of an absent mask.
    skips, maps
        See `MaskDecoder.forward`.
    near : list of N TokenBox or None, or None
        Where each object is looked for, see `masks_near`.
    is_one_of_many : bool
        Whether so many masks are asked with that a `FirstLayer` pays.
    """

    sparse: Tensor
    dense: list[DensePrompt] | None = None
    skips: tuple[Tensor, ...] = ()
    maps: Tensor | None = None
    near: list[TokenBox | None] | None = None
    is_one_of_many: bool = False


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
    count = len(range(len(image.decoder.mask_tokens.weight))[masks])
    h, w = image.size
    logits = image.rows.new_empty(len(prompts.sparse), count, 4 * h, 4 * w)
    found = _decode(image, prompts, masks, -math.inf, logits)
    return logits, torch.stack([one.scores for one in found])


def decode_above(
    image: ImageSide,
    prompts: PromptSide,
    masks: slice = slice(None),
    least: float = -math.inf,
) -> Iterator[FoundMasks]:
    """Decode a few prompts at a time, and only masks that promise enough.

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
    yield from _decode(image, prompts, masks, least, None)


def _decode(
    image: ImageSide,
    prompts: PromptSide,
    masks: slice,
    least: float,
    out: Tensor | None,
) -> Iterator[FoundMasks]:
    """Decode a few prompts at a time, and put all masks (N, M, 4h, 4w) into `out`."""
    exchange, together = _exchange, _TOGETHER if prompts.dense is None else 1
    if _pays_to_span(image, prompts):
        steps = math.ceil(len(prompts.sparse) / _TOGETHER_SPANNED)
        exchange, together = _exchange_spanned, math.ceil(len(prompts.sparse) / steps)
    for start in range(0, len(prompts.sparse), together):
        some = slice(start, start + together)
        with torch.autocast("cpu", enabled=False), steady_step(image.rows.device):
            tokens, makers = exchange(image, prompts, some)
            room = None if out is None else out[some]
            found = _made(image.decoder, tokens, makers, masks, least, room)
        yield from found


def _pays_to_span(image: ImageSide, prompts: PromptSide) -> bool:
    """Return whether there are many prompts for which `SpannedTokens` are narrow."""
    decoder, (count, added, width) = image.decoder, prompts.sparse.shape
    tokens = 1 + len(decoder.mask_tokens.weight) + added
    is_narrow = len(decoder.transformer.layers) * tokens * HEADS <= _NARROW * width
    is_plain = prompts.dense is None and prompts.maps is None
    is_whole = not any(prompts.near or ())
    return count >= _MANY and is_narrow and is_plain and is_whole


def _made(
    decoder: MaskDecoder,
    tokens: Tensor,
    makers: list[_Maker],
    masks: slice,
    least: float,
    out: Tensor | None,
) -> list[FoundMasks]:
    """Make masks of prompts with tokens (N, T, C); see `_decode`."""
    estimates = decoder.iou_prediction_head(tokens[:, 0])[:, masks]
    networks = list(enumerate(decoder.output_hypernetworks_mlps))[masks]
    weights = torch.stack([network(tokens[:, 1 + m]) for m, network in networks], 1)
    found = []
    for n, make in enumerate(makers):
        chosen = slice(None) if out is not None else estimates[n] > least
        logits = make(weights[n][chosen], None if out is None else out[n])
        found.append(FoundMasks(logits, estimates[n][chosen]))
    return found


def _exchange(
    image: ImageSide, prompts: PromptSide, some: slice
) -> tuple[Tensor, list[_Maker]]:
    """Run the two-way transformer for a few prompts without mask prompts, or one.

    Returns
    -------
    tokens : (N, T, C) tensor
        The decoder's own and those of the prompts.
    makers : list of N callables
        Each makes masks (M, 4h, 4w) from weights (M, C / 8), in a tensor or a new one,
        until the next exchange.
    """
    dense = None if prompts.dense is None else prompts.dense[some.start]
    is_alike = dense is None or (prompts.is_one_of_many and image.can_share(dense))
    first = image.first(dense) if is_alike else None
    tokens, keys = _exchange_with(image, prompts.sparse[some], dense, first)
    numbers = enumerate(keys, some.start)
    return tokens, [partial(_make, image, grid, prompts, n) for n, grid in numbers]


def _make(
    image: ImageSide,
    keys: Tensor,
    prompts: PromptSide,
    number: int,
    weights: Tensor,
    out: Tensor | None,
) -> Tensor:
    """Return the logits of the masks of one prompt that weights (M, C / 8) are for."""
    decoder, (h, w) = image.decoder, image.size
    if not len(weights):
        return keys.new_zeros(0, 4 * h, 4 * w)
    maps = None if prompts.maps is None else prompts.maps[number : number + 1]
    near = None if prompts.near is None else prompts.near[number]

    def make(box: TokenBox) -> Tensor:
        grid = keys.view(h, w, -1)
        return upscale(decoder, grid, weights, box, prompts.skips, maps, image.spare)

    made = masks_near(make, near, (h, w))
    return made if out is None else out.copy_(made)


def _exchange_spanned(
    image: ImageSide, prompts: PromptSide, some: slice
) -> tuple[Tensor, list[_Maker]]:
    """Do what `_exchange` does, with `SpannedTokens`."""
    transformer = image.decoder.transformer
    blocks = blocks_of(image.decoder)
    tokens = queries = _all_tokens(image.decoder, prompts.sparse[some])
    spanned = SpannedTokens(image, *tokens.shape[:2])
    for block in blocks:
        queries = _look_at_each_other(block, queries, tokens)
        seen = spanned.look(block.cross_attn_token_to_image, queries + tokens)
        queries = block.norm2(queries + seen)
        queries = block.norm3(queries + _mlp(block.mlp, queries))
        spanned.tell(queries + tokens, queries)
    seen = spanned.look(transformer.final_attn_token_to_image, queries + tokens)
    tokens = transformer.norm_final_attn(queries + seen)
    numbers = range(len(tokens))
    return tokens, [partial(_make_spanned, image, spanned, n) for n in numbers]


def _make_spanned(
    image: ImageSide,
    spanned: SpannedTokens,
    n: int,
    weights: Tensor,
    out: Tensor | None,
) -> Tensor:
    """Do what `_make` does, with `SpannedTokens`."""
    if not len(weights):
        h, w = image.size
        return weights.new_zeros(0, 4 * h, 4 * w)
    enlarge = spanned.enlargement(n)
    decoder, size, spare = image.decoder, image.size, image.spare
    return upscale_enlarged(decoder, enlarge, weights, size, spare, out)


def _all_tokens(decoder: MaskDecoder, sparse: Tensor) -> Tensor:
    """Put the decoder's own tokens before those of prompts (N, T, C)."""
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    return torch.cat([own.expand(len(sparse), -1, -1), sparse], dim=1)


def _exchange_with(
    image: ImageSide,
    sparse: Tensor,
    dense: DensePrompt | None,
    first: FirstLayer | None,
) -> tuple[Tensor, list[Tensor]]:
    """Run the two-way transformer for N prompts (N, T, C) with one dense prompt.

    Returns
    -------
    tokens : (N, T, C) tensor
        The decoder's own and those of the prompts.
    keys : list of N (S, C) tensors
        The image tokens of each prompt, until the next exchange.
    """
    decoder, transformer = image.decoder, image.decoder.transformer
    tokens, blocks = _all_tokens(decoder, sparse), blocks_of(decoder)
    queries = _look_at_each_other(blocks[0], tokens, tokens)
    with image.keys(dense) as shared:
        keys, seen = [shared] * len(sparse), []
        question = Question(blocks[0].cross_attn_token_to_image, queries + tokens)
        for n in range(len(sparse)):
            scores = question.scores(n, image, shared, first)
            seen.append(question.look(shared, scores, first))
        for block, following in itertools.zip_longest(blocks, blocks[1:]):
            queries = block.norm2(queries + question.answer(seen, first))
            queries = block.norm3(queries + _mlp(block.mlp, queries))
            told = Telling(block, queries + tokens, queries, first)
            if following:
                queries = _look_at_each_other(following, queries, tokens)
            attention = (
                following.cross_attn_token_to_image
                if following
                else transformer.final_attn_token_to_image
            )
            question, first = Question(attention, queries + tokens), None
            for n in range(len(sparse)):
                keys[n], seen[n] = _pass(n, image, keys[n], told, question)
    return transformer.norm_final_attn(queries + question.answer(seen, None)), keys


def _pass(
    n: int, image: ImageSide, keys: Tensor, told: Telling, question: Question
) -> tuple[Tensor, Tensor]:
    """Tell the image tokens of prompt n, and let it look at them with a question.

    Part by part, so that what is made of a part is still in the cache.

    Returns
    -------
    keys : (S, C) tensor
        The new image tokens.
    seen : (heads, T, C) tensor
        What was seen of them.
    """
    out, scores = image.own_keys(n), question.room(n, image)
    for part in image.parts():
        out[part] = new = told.to(n, image, keys, part)
        question.score(n, scores[:, part], image.placed(new, part))
    return out, question.look(out, scores, None)


def _look_at_each_other(block: TwoWayBlock, queries: Tensor, tokens: Tensor) -> Tensor:
    """Let the tokens (N, T, C) of each prompt attend to one another."""
    placed = queries if block.is_first else queries + tokens
    attended = block.self_attn(placed, placed, queries)
    looked: Tensor = block.norm1(attended if block.is_first else queries + attended)
    return looked


def _mlp(mlp: MLPBlock, x: Tensor) -> Tensor:
    hidden = product(x.flatten(0, 1), mlp.lin1.weight, mlp.lin1.bias).relu_()
    return product(hidden, mlp.lin2.weight, mlp.lin2.bias).view(x.shape)
