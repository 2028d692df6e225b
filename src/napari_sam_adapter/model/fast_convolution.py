"""Convolutions on the CPU that add and cut off at zero before they write.

The same numbers as the separate steps, without the maps between them: each of those is
a pass through memory, and clearing fresh pages for it takes longer than the sums.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor, nn


def can_fuse(x: Tensor) -> bool:
    """Tell whether maps may be overwritten and steps joined.

    Parameters
    ----------
    x : tensor
        Input of a convolution.

    Returns
    -------
    bool
        True for float32 on the CPU in inference mode, where oneDNN is there.
    """
    return (
        torch.is_inference_mode_enabled()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and _has_fused_convolutions()
    )


def convolved(layer: nn.Conv2d, x: Tensor, is_cut: bool = False) -> Tensor:
    """Apply a convolution.

    Parameters
    ----------
    layer : nn.Conv2d
        With zeros around the map.
    x : (B, C, H, W) tensor
        A map.
    is_cut : bool
        Whether negative values become zero.

    Returns
    -------
    (B, C', H', W') tensor
        A new one.
    """
    if not can_fuse(x):
        out: Tensor = layer(x)
        return F.relu(out) if is_cut else out
    end = "relu" if is_cut else "none"
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, layer.weight, layer.bias, *_how(layer), end, [], ""
    )
    return found


def with_convolved(
    total: Tensor, layer: nn.Conv2d, x: Tensor, is_cut: bool = False
) -> Tensor:
    """Add a convolution to a map that nobody needs any more.

    Parameters
    ----------
    total : (B, C', H', W') tensor
        May be overwritten.
    layer : nn.Conv2d
        With zeros around the map.
    x : (B, C, H, W) tensor
        What is convolved.
    is_cut : bool
        Whether negative values of the sum become zero.

    Returns
    -------
    (B, C', H', W') tensor
        The sum.
    """
    if not can_fuse(x):
        out = total + layer(x)
        return F.relu(out) if is_cut else out
    end = "relu" if is_cut else None
    torch.ops.mkldnn._convolution_pointwise_.binary(
        total, x, layer.weight, layer.bias, *_how(layer), "add", 1.0, end, [], None
    )
    return total


def _how(layer: nn.Conv2d) -> tuple[object, ...]:
    return layer.padding, layer.stride, layer.dilation, layer.groups


@cache
def _has_fused_convolutions() -> bool:
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and hasattr(torch.ops.mkldnn, "_convolution_pointwise_")
