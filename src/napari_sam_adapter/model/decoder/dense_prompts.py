"""A dense prompt as the folded decoder adds it: one row for most tokens, a part apart.

The embedding of a mask prompt is local: each image token depends on the 4 x 4 logits
that lie in it. Where they are all alike, so are their embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from napari_sam_adapter.model.decoder.prompt_encoder import PromptEncoder

PER_TOKEN = 4
"""Side of a token in logits of a mask."""


class DensePrompt(NamedTuple):
    """What a dense prompt adds to the image tokens.

    Attributes
    ----------
    rest : (C,) tensor
        Added to every token outside of the part.
    part : (rows, columns, C) tensor
        Added to the tokens of a box, which may be empty.
    top, left : int
        Its first token.
    """

    rest: Tensor
    part: Tensor
    top: int
    left: int

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the part."""
        rows, columns = self.part.shape[:2]
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)


def embed_mask(encoder: PromptEncoder, logits: Tensor) -> DensePrompt:
    """Embed a mask prompt; most of it only once, if it is one value outside of a box.

    Parameters
    ----------
    encoder : PromptEncoder
        Without maps.
    logits : (4h, 4w) tensor
        On the CPU.

    Returns
    -------
    DensePrompt
        As the encoder's `dense`.
    """
    rest = logits[0, 0]
    where = _changed(logits.numpy(), rest.item())
    tall, wide = (slice(PER_TOKEN * s.start, PER_TOKEN * s.stop) for s in where)
    (alike,) = _embedded(encoder, rest.expand(PER_TOKEN, PER_TOKEN))[0]
    part = logits[tall, wide]
    found = _embedded(encoder, part) if part.numel() else nothing(alike).part
    return DensePrompt(alike, found, where[0].start, where[1].start)


def whole(dense: Tensor) -> DensePrompt:
    """Return a map (C, h, w) as a dense prompt."""
    return DensePrompt(dense.new_zeros(len(dense)), dense.permute(1, 2, 0), 0, 0)


def nothing(rest: Tensor) -> DensePrompt:
    """Return the dense prompt that adds (C,) to every token."""
    return DensePrompt(rest, rest.new_zeros(0, 0, len(rest)), 0, 0)


def _embedded(encoder: PromptEncoder, logits: Tensor) -> Tensor:
    """Embed logits (4h, 4w) as (h, w, C)."""
    *layers, last = encoder.mask_downscaling
    x = torch.nn.Sequential(*layers)(logits[None, None])
    (rows,) = x.permute(0, 2, 3, 1)
    weight = last.get_parameter("weight").flatten(1)
    return F.linear(rows, weight, last.get_parameter("bias"))


def _changed(logits: np.ndarray, rest: float) -> tuple[slice, slice]:
    """Return the rows and columns of tokens around all logits of another value."""
    differs = logits != rest
    axes = []
    for axis in (1, 0):
        line = np.flatnonzero(differs.any(axis=axis)) // PER_TOKEN
        axes.append(slice(line[0], line[-1] + 1) if len(line) else slice(0, 0))
    return axes[0], axes[1]
