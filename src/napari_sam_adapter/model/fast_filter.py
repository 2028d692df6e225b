"""High frequencies straight into tokens: no filtered image of three channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.products import product
from napari_sam_adapter.model.task_information import high_planes

if TYPE_CHECKING:
    from napari_sam_adapter.model.task_information import Valid


def can_embed_fast(layer: nn.Conv2d, image: Tensor) -> bool:
    """Tell whether `embed_high_frequencies` may stand for filter and convolution.

    Parameters
    ----------
    layer : nn.Conv2d
        The convolution.
    image : (B, C, H, W) tensor
        What is filtered.

    Returns
    -------
    bool
        True for float32 on the CPU in inference mode.
    """
    return (
        torch.is_inference_mode_enabled()
        and type(layer) is nn.Conv2d
        and image.device.type == "cpu"
        and image.dtype == layer.weight.dtype == torch.float32
    )


def embed_high_frequencies(layer: nn.Conv2d, image: Tensor, valid: Valid) -> Tensor:
    """Convolve the high frequencies of images, patch by patch.

    Parameters
    ----------
    layer : nn.Conv2d
        From C channels to K, with square patches that do not overlap.
    image : (B, C, H, W) float32 tensor
        Normalised pixels.
    valid : (rows, columns) or None
        The part at the top left that is not padding; None takes all.

    Returns
    -------
    (B, h, w, K) tensor
        ``layer(high_frequencies(image, valid))``, channels last.
    """
    side = layer.kernel_size[0]
    h, w = image.shape[-2] // side, image.shape[-1] // side
    total = image.new_zeros(len(image), h * w, layer.out_channels)
    if layer.bias is not None:
        total += layer.bias
    for rows, one in zip(total, image, strict=True):
        for shades, plane in high_planes(one, valid):
            weight = (layer.weight * shades[:, None, None]).sum(1).flatten(1)
            rows += product(_patches(plane, side), weight)
    return total.view(len(image), h, w, -1)


def _patches(plane: Tensor, side: int) -> Tensor:
    """Cut (H, W) into rows (h * w, side * side)."""
    h, w = (length // side for length in plane.shape)
    cut = plane[: h * side, : w * side].reshape(h, side, w, side)
    return cut.transpose(1, 2).reshape(h * w, side * side)
