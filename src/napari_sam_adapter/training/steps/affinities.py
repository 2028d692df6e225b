"""A second task for pretraining: which pixels belong to the same object.

Prompts ask for a few objects of an image; this asks every pixel, so that the encoder
learns borders much sooner. The head is thrown away afterwards.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.encoder.conv_stem import SKIP_CHANNELS

OFFSETS = ((0, 1), (1, 0), (0, 3), (3, 0), (2, 2), (2, -2), (0, 9), (9, 0))
"""Pairs of cells that are compared: rows and columns from one to the other."""
BACKGROUND_WEIGHT = 0.1
"""Of pairs without an object: not everything that looks like one is labelled."""
APART_WEIGHT = 3.0
"""Of pairs in different objects, which are fewer."""


class AffinityHead(nn.Module):
    """One convolution from the encoder's finest map to a logit per pair."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(SKIP_CHANNELS[-1], len(OFFSETS), 1)

    def forward(self, finest: Tensor) -> Tensor:
        """Map (B, C, h, w) to logits (B, pairs, h, w) of being apart."""
        logits: Tensor = self.proj(finest)
        return logits


def affinity_loss(logits: Tensor, regions: Tensor) -> Tensor:
    """Return the weighted cross-entropy of all pairs.

    Parameters
    ----------
    logits : (B, pairs, h, w) tensor
        Of being apart, for each of `OFFSETS`.
    regions : (B, h, w) int tensor
        Region numbers, 0 where no layer has an object.

    Returns
    -------
    scalar tensor
        The mean over the pairs.
    """
    total = logits.new_zeros((), dtype=torch.float32)
    weights = total.clone()
    for channel, (rows, columns) in enumerate(OFFSETS):
        other = regions.roll((-rows, -columns), dims=(1, 2))
        apart = (other != regions).float()
        weight = torch.where((other > 0) | (regions > 0), 1.0, BACKGROUND_WEIGHT)
        weight = weight * (1 + (APART_WEIGHT - 1) * apart)
        inside = (slice(None), *_unwrapped(rows, columns, regions.shape))
        pair = F.binary_cross_entropy_with_logits(
            logits[:, channel].float(), apart, reduction="none"
        )
        total = total + (weight * pair)[inside].sum()
        weights = weights + weight[inside].sum()
    return total / weights


def _unwrapped(rows: int, columns: int, shape: torch.Size) -> tuple[slice, slice]:
    """Return the cells whose partner lies in the image."""
    height, width = shape[1:]
    across = slice(0, width - columns) if columns >= 0 else slice(-columns, width)
    return slice(0, height - rows), across
