"""Softmax for products on the CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_NOTHING = 1e-30
"""Weights up to this one are none."""


def to_weights(scores: Tensor, dim: int, out: Tensor | None = None) -> Tensor:
    """Turn scores into weights of attention.

    Parameters
    ----------
    scores : float32 tensor
        On the CPU, without gradients.
    dim : int
        Along it the weights sum to one.
    out : float32 tensor or None
        Of the same shape, gets the weights; by default `scores` does.

    Returns
    -------
    tensor
        The weights.

    Notes
    -----
    Trained networks score most tokens so low that their weights are denormal numbers,
    below 1.2e-38. Processors multiply these many times more slowly than zeros.
    """
    weights = torch.softmax(scores, dim, out=scores if out is None else out)
    return F.threshold(weights, _NOTHING, 0, inplace=True)
