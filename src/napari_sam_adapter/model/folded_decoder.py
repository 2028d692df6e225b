"""SAM's mask decoder on the CPU, without gradients: few tokens carry the projections.

A handful of tokens meets thousands of image tokens. Where `MaskDecoder` projects the
image for every prompt, the projections here are applied to the tokens instead:
``q . (W k) = (W^T q) . k``, and a weighted mean of projected values is the projected
mean. A transposed convolution whose kernel is as large as its stride is a product per
token. The numbers are the same up to rounding.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from napari_sam_adapter.model.layers import LayerNorm2d
    from napari_sam_adapter.model.mask_decoder import MaskDecoder
    from napari_sam_adapter.model.two_way_transformer import (
        DownsampledAttention,
        TwoWayBlock,
    )


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
    """

    def __init__(
        self,
        decoder: MaskDecoder,
        embedding: Tensor,
        positions: Tensor,
        no_mask: Tensor,
    ) -> None:
        self.decoder = decoder
        self.size = embedding.shape[-2], embedding.shape[-1]
        self.rows = to_rows(embedding)
        self.positions = positions
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


def decode(
    image: ImageSide,
    sparse: Tensor,
    dense: Tensor | None = None,
    skips: tuple[Tensor, ...] = (),
    maps: Tensor | None = None,
    masks: slice = slice(None),
) -> tuple[Tensor, Tensor]:
    """Decode some of the masks of N prompts, as `MaskDecoder` does.

    Parameters
    ----------
    image : ImageSide
        One image.
    sparse : (N, T, C) tensor
        Point and box tokens.
    dense : (N, C, h, w) tensor or None
        Embedded mask prompts; None for the embedding of an absent mask.
    skips, maps
        See `MaskDecoder.forward`.
    masks : slice
        Which of the decoder's masks to make.

    Returns
    -------
    masks : (N, M, 4h, 4w) tensor
        Logits.
    scores : (N, M) tensor
        Predicted IoU of each mask.
    """
    answers = [
        _decode_one(
            image,
            sparse[i],
            None if dense is None else to_rows(dense[i : i + 1]),
            skips,
            None if maps is None else maps[i : i + 1],
            masks,
        )
        for i in range(len(sparse))
    ]
    logits, scores = zip(*answers, strict=True)
    return torch.stack(logits), torch.stack(scores)


def _decode_one(
    image: ImageSide,
    sparse: Tensor,
    dense: Tensor | None,
    skips: tuple[Tensor, ...],
    maps: Tensor | None,
    masks: slice,
) -> tuple[Tensor, Tensor]:
    decoder = image.decoder
    output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens, keys = _exchange(image, torch.cat([output, sparse]), dense)
    scores: Tensor = decoder.iou_prediction_head(tokens[0])
    chosen = range(len(decoder.output_hypernetworks_mlps))[masks]
    weights = torch.stack(
        [decoder.output_hypernetworks_mlps[i](tokens[1 + i]) for i in chosen]
    )
    if decoder.refiner is None or maps is None:
        logits = _masks_of_tokens(decoder, keys, weights, image.size)
    else:
        logits = _refined_masks(decoder, keys, weights, image.size, skips, maps)
    return logits, scores[masks]


def _exchange(
    image: ImageSide, tokens: Tensor, dense: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run the two-way transformer; return tokens (T, C) and image tokens (S, C)."""
    transformer = image.decoder.transformer
    keys = image.keys if dense is None else image.rows + dense
    first = image.first if dense is None else None
    queries = tokens
    for layer in transformer.layers:
        block = cast("TwoWayBlock", layer)
        queries, keys = _run_layer(block, queries, tokens, keys, image.positions, first)
        first = None
    attention = transformer.final_attn_token_to_image
    attended = _look_at_image(
        attention, queries + tokens, keys + image.positions, keys, None
    )
    queries = transformer.norm_final_attn(queries + attended)
    return queries, keys


def _run_layer(
    layer: TwoWayBlock,
    queries: Tensor,
    tokens: Tensor,
    keys: Tensor,
    positions: Tensor,
    first: FirstLayer | None,
) -> tuple[Tensor, Tensor]:
    placed = queries if layer.is_first else queries + tokens
    attended = layer.self_attn(placed[None], placed[None], queries[None])[0]
    queries = layer.norm1(attended if layer.is_first else queries + attended)
    placed_keys = keys if first else keys + positions
    attended = _look_at_image(
        layer.cross_attn_token_to_image, queries + tokens, placed_keys, keys, first
    )
    queries = layer.norm2(queries + attended)
    queries = layer.norm3(queries + layer.mlp(queries))
    keys = _look_at_tokens(
        layer.cross_attn_image_to_token,
        placed_keys,
        keys,
        queries + tokens,
        queries,
        first,
    )
    return queries, layer.norm4(keys)


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
    keys: Tensor,
    token_keys: Tensor,
    token_values: Tensor,
    first: FirstLayer | None,
) -> Tensor:
    """Attend from image tokens (S, C) to tokens; return the image tokens plus that."""
    heads = attention.heads
    k = _split(attention.k_proj(token_keys), heads)
    k = k * k.shape[-1] ** -0.5
    if first:
        scores = torch.bmm(k, first.queries)  # (heads, T, S)
    else:
        query = attention.q_proj
        folded = torch.bmm(k, _per_head(query.weight, heads))
        scores = product(folded.flatten(0, 1), placed).view(heads, -1, len(keys))
        scores += torch.bmm(k, query.bias.view(heads, -1, 1))
    torch.softmax(scores, 1, out=scores)
    # the weights of a head sum to one, so that the bias is shared among the heads
    out = _per_head(attention.out_proj.weight.T, heads)
    values = torch.bmm(_split(attention.v_proj(token_values), heads), out)
    values += attention.out_proj.bias / heads
    answer = product(scores.flatten(0, 1).T, values.flatten(0, 1).T)
    return answer.add_(keys)


def _masks_of_tokens(
    decoder: MaskDecoder, keys: Tensor, weights: Tensor, size: tuple[int, int]
) -> Tensor:
    """Upscale token by token: each gives 4 x 4 pixels of every mask, (M, 4h, 4w)."""
    rows = _first_upscaling(decoder, keys)
    torch.ops.aten.gelu_(rows)
    rows = _enlarge(rows, decoder.output_upscaling[3])
    torch.ops.aten.gelu_(rows)
    h, w = size
    pixels = product(weights, rows).view(-1, h, w, 2, 2, 2, 2)
    return pixels.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 4 * h, 4 * w)


def _refined_masks(
    decoder: MaskDecoder,
    keys: Tensor,
    weights: Tensor,
    size: tuple[int, int],
    skips: tuple[Tensor, ...],
    maps: Tensor,
) -> Tensor:
    """Upscale with the small model's finer maps and drawn prompts, (M, 4h, 4w)."""
    assert decoder.refiner is not None
    coarse, fine = skips
    h, w = size
    x = _to_map(_first_upscaling(decoder, keys), (h, w))
    x = decoder.refiner.coarse(F.gelu(x + coarse), maps)
    rows = _enlarge(to_rows(x), decoder.output_upscaling[3])
    x = _to_map(rows, (2 * h, 2 * w))
    x = decoder.refiner.fine(F.gelu(x + fine), maps)
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


def _to_map(rows: Tensor, size: tuple[int, int]) -> Tensor:
    """Turn the four parts of each token into a map (1, C, 2h, 2w), channels last."""
    h, w = size
    grid = rows.view(h, w, 2, 2, -1).transpose(1, 2)
    return grid.reshape(1, 2 * h, 2 * w, -1).permute(0, 3, 1, 2)


def to_rows(x: Tensor) -> Tensor:
    """Turn a map (1, C, h, w) into rows (h * w, C) that follow each other."""
    return x[0].flatten(1).T.contiguous()


def _split(x: Tensor, heads: int) -> Tensor:
    """Turn (T, heads * d) into (heads, T, d)."""
    return x.view(len(x), heads, -1).transpose(0, 1)


def _per_head(weight: Tensor, heads: int) -> Tensor:
    """Turn a projection (heads * d, C) into (heads, d, C)."""
    return weight.reshape(heads, -1, weight.shape[-1])
