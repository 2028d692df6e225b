"""Image tokens of some prompts of one image: what they share, and what each adds.

With T tokens a prompt tells an image token a mixture of ``heads * T`` values. A norm
takes the mean of the channels away, scales what is left, and scales each channel. So
after any number of layers the image tokens of a prompt are ::

    scale[:, None] * shared + shares.T @ directions

where `shared` (S, C) is the same for all prompts of an image, with all that it is
multiplied with (`ImageLevels`). Of each prompt only scales (S,), shares (K, S) and
directions (K, C) are computed, and K is less than C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.model.attention_weights import to_weights
from napari_sam_adapter.model.decoder.folded_attention import by_head, per_head
from napari_sam_adapter.model.decoder.image_levels import (
    add_to_first,
    blocks_of,
    centred,
)
from napari_sam_adapter.model.products import add_product, product

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from napari_sam_adapter.model.decoder.image_side import ImageSide
    from napari_sam_adapter.model.decoder.two_way_transformer import (
        DownsampledAttention,
    )

_CANCELLED = 1 / 64
"""Where the square of a token's length is less than this part of that of all lengths
that it is the sum of, they cancel each other, and it is computed from the token."""


class SpannedTokens:
    """Image tokens of N prompts without mask prompts.

    Parameters
    ----------
    image : ImageSide
        The image.
    count, tokens : int
        Prompts N, and tokens T of each.
    """

    def __init__(self, image: ImageSide, count: int, tokens: int) -> None:
        self._image, self._levels = image, image.levels()
        rows, heads = image.rows, self._levels.looks[0].keys.shape[0]
        blocks = blocks_of(image.decoder)
        self._told, each = 0, tokens * heads
        # what all image tokens are told stands before what each block tells them
        self._start = len(blocks)
        most = len(blocks) + len(blocks) * each
        room = image.spare.rows("shares", rows, count * most, len(rows))
        self._room = room.view(count, most, len(rows))
        self._directions = rows.new_zeros(count, 0, rows.shape[1])
        room = image.spare.rows("of tokens", rows, count * each, len(rows))
        self._of_tokens = room.view(count, tokens, heads, len(rows))
        self._scale = rows.new_ones(count, len(rows))
        self._values: list[Tensor] = []  # (N, T, heads, d) of each block

    @property
    def _shares(self) -> Tensor:
        """Shares (N, K, S) of the directions."""
        stop = self._start + self._directions.shape[1]
        return self._room[:, self._start : stop]

    def look(self, attention: DownsampledAttention, queries: Tensor) -> Tensor:
        """Let tokens look at the image.

        Parameters
        ----------
        attention : DownsampledAttention
            That of the next block, or the last one.
        queries : (N, T, C) tensor
            The tokens.

        Returns
        -------
        (N, T, C) tensor
            What they see.
        """
        shared, value = self._levels.looks[self._told], attention.v_proj
        asked = self._split(attention.q_proj(queries), is_scaled=True)
        weight = attention.k_proj.weight
        looks = self._attend(asked, weight, shared.keys, shared.placed)
        to_weights(looks, -1)
        own = self._see_directions(looks, value) if self._told else 0
        seen = [
            looks[:, :, head].flatten(0, 1) @ values.T
            for head, values in enumerate(shared.values)
        ]
        out = torch.stack(seen, 1).view(asked.shape) + own
        attended: Tensor = attention.out_proj(out.flatten(2))
        return attended

    def tell(self, keys: Tensor, values: Tensor) -> None:
        """Let image tokens look at tokens, add what they see, and normalise.

        Parameters
        ----------
        keys, values : (N, T, C) tensors
            The tokens with and without positions, for the next block.
        """
        block = blocks_of(self._image.decoder)[self._told]
        attention, shared = (
            block.cross_attn_image_to_token,
            self._levels.told[self._told],
        )
        asked = self._split(attention.k_proj(keys), is_scaled=True)
        weight = attention.q_proj.weight
        scores = self._attend(asked, weight, shared.queries, shared.placed)
        self._values.append(self._split(attention.v_proj(values)))
        own = self._by_head(self._values[-1], attention.out_proj.weight.T).flatten(1, 2)
        directions = self._directions
        if self._told:  # or it is in the shared part
            directions = add_to_first(directions, attention.out_proj.bias)
        self._directions = centred(torch.cat([directions, own], 1))
        for found, shares in zip(scores, self._shares, strict=True):
            told = shares[-own.shape[1] :].view(found.shape)
            to_weights(found, 0, told)
        self._normalise(block.norm4)

    def enlargement(self, n: int) -> Callable[[slice], Tensor]:
        """Return what enlarges some image tokens of prompt n to (s, 4 C')."""
        weight, bias = self._levels.enlarging
        directions = product(self._directions[n], weight)
        directions[0] += bias  # of which all tokens have a share of one
        scale, shares, shared = self._scale[n], self._shares[n], self._levels.enlarged

        def enlarge(part: slice) -> Tensor:
            room = self._image.spare.rows("parts", shared, *shared[part].shape)
            out = torch.mul(shared[part], scale[part, None], out=room)
            add_product(out, shares[:, part].T, directions.T)
            return out

        return enlarge

    def _attend(
        self, asked: Tensor, weight: Tensor, shared: Tensor, placed: Tensor | None
    ) -> Tensor:
        """Return the scores (N, T, heads, S) of tokens (N, T, heads, d) and image.

        Parameters
        ----------
        asked : (N, T, heads, d) tensor
            The tokens, projected.
        weight : (heads * d, C) tensor
            What the image is projected with.
        shared, placed : (heads, d, S) tensors
            What it makes of the shared part, and of positions.

        Returns
        -------
        (N, T, heads, S) tensor
            Until the next ones are asked for.
        """
        scores = self._of_tokens
        _multiply(asked, shared, scores)
        if placed is None:  # nothing has been told yet
            return scores
        mixed = self._by_head(asked, weight).flatten(1, 2)
        mixed = mixed @ self._directions.transpose(1, 2)
        for n, shares in enumerate(self._shares):
            rows = self._rows(n)
            rows *= self._scale[n]
            add_product(rows, mixed[n], shares.T)
        _multiply(asked, placed, scores, is_added=True)
        return scores

    def _see_directions(self, looks: Tensor, value: nn.Linear) -> Tensor:
        """Return what looks (N, T, heads, S) see of directions; scale the looks."""
        seen = []
        for n, shares in enumerate(self._shares):
            rows = self._rows(n)
            seen.append(product(rows, shares))
            rows *= self._scale[n]
        mixed = (torch.stack(seen) @ self._directions).view(*looks.shape[:-1], -1)
        projected = self._by_head(mixed, value.weight, is_turned=True)
        return projected + value.bias.view(projected.shape[2:])

    def _normalise(self, norm: nn.LayerNorm) -> None:
        """Apply a norm to all image tokens."""
        factor = (self._power() / norm.weight.shape[0] + norm.eps).rsqrt_()
        self._shares.mul_(factor[:, None])
        self._scale *= factor
        bias = norm.bias.expand(len(factor), 1, -1)
        self._directions = torch.cat([bias, self._directions * norm.weight], 1)
        self._start -= 1
        self._room[:, self._start] = 1
        self._told += 1

    def _power(self) -> Tensor:
        """Return the sums of squares (N, S) of image tokens less their means."""
        shared, shares = self._levels.told[self._told], self._shares
        gram = self._directions @ self._directions.transpose(1, 2)
        # pairs once: the shared part with all, constants among themselves, and what
        # each block told with all before it
        stop = len(shared.constants)
        constant = shares[:, :stop]
        pairs = 2 * self._scale[:, None] * shared.constants
        pairs += gram[:, :stop, :stop] @ constant
        power = self._scale**2 * shared.power + (pairs * constant).sum(1)
        for values, products in zip(self._values, shared.values, strict=True):
            _multiply(2 * values, products, self._of_tokens)
            start, stop = stop, stop + values[0, ..., 0].numel()
            weight = 2 * gram[:, start:stop, :stop]
            weight[:, :, start:] /= 2
            for n, given in enumerate(shares):
                rows = self._rows(n)
                rows *= self._scale[n]
                add_product(rows, weight[n], given[:stop].T)
                rows *= given[start:stop]
                power[n] += rows.sum(0)
        lengths = gram.diagonal(0, 1, 2).sqrt()[:, None] @ shares
        length = self._scale * shared.power.sqrt() + lengths[:, 0]
        for n, is_lost in enumerate(power < _CANCELLED * length**2):
            if is_lost.any():
                places = is_lost.nonzero()[:, 0]
                power[n, places] = self._tokens(n, places).square().sum(1)
        return power

    def _tokens(self, n: int, places: Tensor) -> Tensor:
        """Return some image tokens (s, C) of prompt n, less their means."""
        blocks = blocks_of(self._image.decoder)
        output = blocks[0].cross_attn_image_to_token.out_proj
        shared = centred(self._image.plain_rows()[places] + output.bias)
        for block in blocks[: self._told]:
            shared = centred(shared * block.norm4.weight)
        own = self._shares[n][:, places].T @ self._directions[n]
        return self._scale[n, places, None] * shared + own

    def _split(self, x: Tensor, is_scaled: bool = False) -> Tensor:
        """Turn (N, T, heads * d) into (N, T, heads, d)."""
        x = x.view(*x.shape[:-1], self._of_tokens.shape[2], -1)
        return x * x.shape[-1] ** -0.5 if is_scaled else x

    def _rows(self, n: int) -> Tensor:
        """Return what the tokens of prompt n have of the image, (T * heads, S)."""
        return self._of_tokens[n].flatten(0, 1)

    def _by_head(self, x: Tensor, weight: Tensor, is_turned: bool = False) -> Tensor:
        """Multiply (N, T, heads, d) by (heads * d, C), head by head; or C by d."""
        of_each = per_head(weight, x.shape[2])
        if is_turned:
            of_each = of_each.transpose(1, 2)
        return by_head(x.transpose(1, 2), of_each).transpose(1, 2)


def _multiply(x: Tensor, maps: Tensor, out: Tensor, is_added: bool = False) -> None:
    """Write the products of (N, T, heads, d) and (heads, d, S), or add them."""
    for head, of_image in enumerate(maps):
        target = out[:, :, head].flatten(0, 1)
        rows = x[:, :, head].flatten(0, 1)
        if is_added:
            target.addmm_(rows, of_image)
        else:
            torch.mm(rows, of_image, out=target)
