"""Leave out of a followed mask what is only the blur of the object.

Towards its ends an object gets smaller, while its blur stays wide. So a mask is cut
where the grey value falls below a part of the way from the surroundings to the object,
as it was on the planes before. On the plane where the object begins this must leave the
mask about as it is: else the object is no even patch, and its masks are not cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask, place
from napari_sam_adapter.volume.propagation.stop_rule import FAINT, Look, surroundings

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

SMOOTHEST = 2.0
"""Pixels, standard deviation of the Gaussian against noise; less for small masks."""
SMOOTHING = 0.125
"""The same as a part of the square root of the area."""
EVEN = 0.8
"""IoU of a mask where it begins with what is cut of it, from which on it is cut."""
LEAST = 0.05
"""Part of a mask that is left at least; else the object is not there."""
SMALLEST_PIECE = 0.25
"""Part of the largest piece below which others are dropped."""


def is_even(grey: Pixels, mask: BoxedMask, look: Look, level: float) -> bool:
    """Return whether cutting leaves a mask that is known to be good about as it is.

    Parameters
    ----------
    grey : (h, w) or (h, w, 3) uint8 array
        The `surroundings` of the mask.
    mask : BoxedMask
        The object, not empty.
    look : Look
        How it looks there.
    level : float
        As of `cut`.

    Returns
    -------
    bool
        False if the object hardly stands out.
    """
    if abs(look.inside - look.around) < max(FAINT, look.spread):
        return False
    left = cut(grey, mask, look, level)
    return left is not None and left.overlap(mask) >= EVEN


def cut(grey: Pixels, mask: BoxedMask, before: Look, level: float) -> BoxedMask | None:
    """Return the part of a mask in which the object stands out.

    Parameters
    ----------
    grey : (h, w) or (h, w, 3) uint8 array
        The `surroundings` of the mask on this plane.
    mask : BoxedMask
        What the network found, not empty.
    before : Look
        How the object looked on the planes before.
    level : float
        Part of the contrast before that a pixel needs.

    Returns
    -------
    BoxedMask or None
        Holes are filled. None if next to nothing is left.
    """
    contrast = before.inside - before.around
    sign = 1 if contrast > 0 else -1
    around = sign * min(sign * before.around, sign * Look.of_part(grey, mask).around)
    height = sign * (_smooth(grey, mask.area) - around)
    box = surroundings(mask)
    inside = mask.window(box)
    kept = inside & (height >= level * abs(contrast))
    kept = ndimage.binary_fill_holes(kept) & inside
    if kept.sum() < LEAST * mask.area:
        return None
    return place(_without_crumbs(kept), box, mask.shape)


def _smooth(grey: Pixels, area: int) -> npt.NDArray[np.float64]:
    flat = grey.mean(axis=-1) if grey.ndim == 3 else grey.astype(float)
    sigma = min(SMOOTHEST, SMOOTHING * area**0.5)
    smooth: npt.NDArray[np.float64] = ndimage.gaussian_filter(flat, sigma)
    return smooth


def _without_crumbs(kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    pieces, _ = ndimage.label(kept)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    large = np.flatnonzero(areas >= SMALLEST_PIECE * areas.max())
    return np.isin(pieces, large)
