"""What the decoder's first layer projects of an image, and prompts have in common.

With a mask prompt only the image tokens of its box are others. They are projected anew;
what is made of all the rest is shared.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Others(NamedTuple):
    """Tokens that stand in place of some of a `FirstLayer`.

    Attributes
    ----------
    places : (n,) int tensor
        Which, in ascending order.
    keys, queries : (heads, d, n) tensors
        Theirs.
    more : (heads, n, d) tensor
        Their values, less those in whose place they stand.
    """

    places: Tensor
    keys: Tensor
    more: Tensor
    queries: Tensor


class FirstLayer(NamedTuple):
    """Projections of S image tokens.

    Attributes
    ----------
    keys, queries : (heads, d, S) tensors
        Of the attention to the image, and from it.
    values : (heads, S, d) tensor
        Of the attention to the image.
    others : Others or None
        Of one prompt.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor
    others: Others | None = None

    def with_others(self, places: Tensor, own: FirstLayer) -> FirstLayer:
        """Return this with n tokens, whose projections are given, in some places."""
        more = own.values - self.values[:, places]
        return self._replace(others=Others(places, own.keys, more, own.queries))

    def scores(self, queries: Tensor) -> Tensor:
        """Return how far tokens (heads, T, d) look at the image, (heads, T, S)."""
        found = torch.bmm(queries, self.keys)
        if other := self.others:
            found.index_copy_(2, other.places, torch.bmm(queries, other.keys))
        return found

    def answer(self, shares: Tensor) -> Tensor:
        """Return what tokens see that share themselves out as (heads, T, S)."""
        seen = torch.bmm(shares, self.values)
        if other := self.others:
            seen += torch.bmm(shares[..., other.places], other.more)
        return seen

    def scores_of(self, keys: Tensor, part: slice) -> Tensor:
        """Return how far a part of the image looks at tokens (heads, T, d)."""
        found = torch.bmm(keys, self.queries[..., part])
        if other := self.others:
            ends = torch.tensor([part.start, part.stop])
            start, stop = torch.searchsorted(other.places, ends).tolist()
            places = other.places[start:stop] - part.start
            own = torch.bmm(keys, other.queries[..., start:stop])
            found.index_copy_(2, places, own)
        return found


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Turn (..., T, heads * d) into (..., heads, T, d)."""
    return x.view(*x.shape[:-1], heads, -1).transpose(-3, -2)
