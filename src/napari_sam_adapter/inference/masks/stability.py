"""How sure a mask is, for networks whose own estimate says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

OFFSET = 1.0
"""Distance of the two thresholds from 0, in logits."""


def stability(logits: Tensor) -> Tensor:
    """Return how little masks change when the threshold moves.

    Parameters
    ----------
    logits : (..., h, w) tensor
        Masks before the threshold at 0.

    Returns
    -------
    (...) float tensor
        0 to 1: area above +1, divided by the area above -1; 0 for empty masks.
    """
    inner = (logits > OFFSET).sum((-2, -1))
    outer = (logits > -OFFSET).sum((-2, -1))
    return inner / outer.clamp(min=1)
