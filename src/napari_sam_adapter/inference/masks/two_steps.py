"""Single pixels of a mask by the published two bilinear steps, rounded alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch.nn.functional as F

from napari_sam_adapter.inference.masks.pixel_axis import pixel_axes

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.inference.masks.pixel_axis import Places

    _Floats = npt.NDArray[np.float32]

_SMALL = 128
"""Rows and columns together of planes that PyTorch scales in another order."""


def two_steps(low: Tensor, frame: Frame, y: Places, x: Places) -> _Floats:
    """Evaluate single pixels as `Frame.to_masks` does, to the last bit.

    Parameters
    ----------
    low : (h, w) float32 tensor
        A mask in the network's square.
    frame : Frame
        How the image lies in it.
    y, x : (K,) int arrays
        Rows and columns of pixels of the image.

    Returns
    -------
    (K,) float32 array
        Their logits.
    """
    if sum(frame.original) <= _SMALL or frame.size < _SMALL:
        whole: _Floats = frame.to_masks(low[None])[0].numpy()
        return whole[y, x]
    used = pixel_axes(frame, low.shape[-1])[0].seen(y)
    # the first step has a whole factor, so that some rows have the same rounding; with
    # fewer columns the part might be small, and made in another order
    factor = frame.size // low.shape[-1]
    part = low[used][None, None]
    square = F.interpolate(part, scale_factor=factor, mode="bilinear")[0, 0].numpy()
    (top, bottom, dy), (left, right, dx) = (
        _neighbours(pixel, resized, original, factor * start, side)
        for pixel, resized, original, start, side in zip(
            (y, x),
            frame.resized,
            frame.original,
            (used.start, 0),
            square.shape,
            strict=True,
        )
    )
    upper = _between(square[top, left], square[top, right], dx)
    lower = _between(square[bottom, left], square[bottom, right], dx)
    return _between(upper, lower, dy)


def _between(first: _Floats, second: _Floats, share: _Floats) -> _Floats:
    """Weight two values as processors do that round a product and sum once."""
    return _fused(1 - share, first, share * second)


def _fused(one: _Floats, other: Any, addend: Any) -> _Floats:
    total: _Floats = one.astype(np.float64) * other + addend
    return total.astype(np.float32)


def _neighbours(
    pixel: Places, resized: int, original: int, start: int, side: int
) -> tuple[Places, Places, _Floats]:
    """Return the two neighbours of a pixel, from `start`, and the second's weight."""
    scale = np.float32(resized / original)
    position = np.maximum(_fused(pixel.astype(np.float32) + 0.5, scale, -0.5), 0)
    first = np.minimum(position.astype(np.int64), resized - 1)
    second = np.minimum(first + 1, resized - 1)
    second = np.minimum(second - start, side - 1)  # one beyond has no weight
    return first - start, second, (position - first).astype(np.float32)
