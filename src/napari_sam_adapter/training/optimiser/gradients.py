"""Gradients: quick on a CPU, of limited length, finite."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import clip_grad_norm_

from napari_sam_adapter.errors import TrainingError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch
    from torch import Tensor, nn

GRADIENT_CLIP = 1.0


def fast_backward(device: torch.device) -> AbstractContextManager[None]:
    """Avoid the fused attention on the CPU, whose backward pass is slow.

    Parameters
    ----------
    device : torch.device
        Where the network computes.

    Returns
    -------
    context manager
        For the forward pass.
    """
    if device.type == "cpu":
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def clipped(module: nn.Module) -> Tensor:
    """Shorten the gradient of a network to at most `GRADIENT_CLIP`.

    Parameters
    ----------
    module : nn.Module
        After the backward pass.

    Returns
    -------
    () tensor
        Its length before.
    """
    return clip_grad_norm_(module.parameters(), GRADIENT_CLIP)


def check_finite(loss: float, length: float, step: int) -> None:
    """Raise unless an optimiser may move by a gradient.

    Parameters
    ----------
    loss, length : float
        Loss of the step, and length of its gradient.
    step : int
        Steps that were taken before.

    Raises
    ------
    TrainingError
        If one is not finite.
    """
    if not (math.isfinite(loss) and math.isfinite(length)):
        raise TrainingError(
            f"Expected a finite loss and gradient, got {loss} and {length} in step "
            f"{step + 1}. What was saved before is kept; use a lower learning rate."
        )
