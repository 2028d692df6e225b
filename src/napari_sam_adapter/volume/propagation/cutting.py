"""Leave out of a followed mask what is only the blur of the object.

Towards its ends an object gets smaller, while its blur stays wide. So a mask is cut
where the grey value falls below a part of the way from the surroundings to the object,
as it was on the planes before, or to the core of the mask on this plane if that is
fainter: an object may fade. On the plane where the object begins this must leave the
mask about as it is: else the object is no even patch, and its masks are not cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import Box, BoxedMask, common_box, place
from napari_sam_adapter.volume.propagation.stop_rule import FAINT, Look, surroundings

if TYPE_CHECKING:
    import numpy.typing as npt

SMOOTHEST = 2.0
"""Pixels, standard deviation of the Gaussian against noise; less for small masks."""
SMOOTHING = 0.125
"""The same as a part of the square root of the area."""
REACH = 8
"""Pixels around a mask that smoothing needs: where the widest Gaussian ends."""
CORE = 0.25
"""Part of a mask, the one that stands out most, that says how faint the object is."""
EVEN = 0.8
"""IoU of a mask where it begins with what is cut of it, from which on it is cut."""
SMALLEST_PIECE = 0.25
"""Part of the largest of the pieces that a cut leaves, below which one is dropped."""


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a plane that cutting and measuring a mask need.

    Parameters
    ----------
    box : (row_start, column_start, row_stop, column_stop)
        Where it is, as of `box_of`.
    grey : (h, w) or (h, w, 3) uint8 array
        That part as the predictor sees it.
    """

    box: Box
    grey: npt.NDArray[np.uint8]

    @staticmethod
    def box_of(mask: BoxedMask) -> Box:
        """Return the part of a plane to read for a mask.

        Parameters
        ----------
        mask : BoxedMask
            Not empty.

        Returns
        -------
        (row_start, column_start, row_stop, column_stop)
            Half-open, inside the plane.
        """
        return common_box([mask], REACH)

    def look(self, mask: BoxedMask) -> Look:
        """Measure the object, or what is left of it.

        Parameters
        ----------
        mask : BoxedMask
            Not empty, inside of the mask that this was read for.

        Returns
        -------
        Look
            How it looks here.
        """
        return Look.of_part(self.within(surroundings(mask)), mask)

    def within(self, box: Box) -> npt.NDArray[Any]:
        """Return a part of this.

        Parameters
        ----------
        box : (row_start, column_start, row_stop, column_stop)
            Pixels of the plane, inside of this.

        Returns
        -------
        (h, w) or (h, w, 3) uint8 array
            A view.
        """
        return _crop(self.grey, self.box, box)


def even_side(patch: Patch, mask: BoxedMask, level: float) -> int:
    """Return whether an object is evenly bright or dark where its mask is known.

    Parameters
    ----------
    patch : Patch
        Around the mask.
    mask : BoxedMask
        The object, not empty.
    level : float
        As of `cut`.

    Returns
    -------
    int
        1 for bright, -1 for dark; 0 if it hardly stands out, or if cutting would not
        leave the mask about as it is: then its masks are not to be cut.
    """
    look = patch.look(mask)
    kept = place(_stands_out(patch, mask, look, level), patch.box, mask.shape)
    return side(look) if kept.overlap(mask) >= EVEN else 0


def side(look: Look) -> int:
    """Return whether an object is brighter or darker than its surroundings.

    Parameters
    ----------
    look : Look
        The object on one plane, or on several.

    Returns
    -------
    int
        1 or -1; 0 if it does not stand out by more than its surroundings vary.
    """
    contrast = look.inside - look.around
    if abs(contrast) < max(FAINT, look.spread):
        return 0
    return 1 if contrast > 0 else -1


def cut(patch: Patch, mask: BoxedMask, before: Look, level: float) -> BoxedMask:
    """Return the part of a mask in which the object stands out.

    Parameters
    ----------
    patch : Patch
        Around the mask, of this plane.
    mask : BoxedMask
        What the network found, not empty.
    before : Look
        How the object looked on the planes before.
    level : float
        Part of the contrast that a pixel needs; see `StopRule`.

    Returns
    -------
    BoxedMask
        With its holes. This very mask if nothing of it stands out.
    """
    kept, inside = _stands_out(patch, mask, before, level), mask.window(patch.box)
    if not kept.any() or np.array_equal(kept, inside):
        return mask
    kept = ndimage.binary_fill_holes(kept) & inside
    return place(_without_crumbs(kept, inside), patch.box, mask.shape)


def _stands_out(
    patch: Patch, mask: BoxedMask, before: Look, level: float
) -> npt.NDArray[np.bool_]:
    """Return where in a patch a mask is, and its object to be seen."""
    contrast = before.inside - before.around
    sign = 1 if contrast > 0 else -1
    around = min(sign * before.around, sign * patch.look(mask).around)
    height = sign * _smooth(patch.grey, mask.area) - around
    inside = mask.window(patch.box)
    lowest = int((1 - CORE) * mask.area)
    core = np.partition(height[inside], lowest)[lowest:].mean()
    if core <= 0:
        return np.zeros_like(inside)
    stands: npt.NDArray[np.bool_] = height >= level * min(abs(contrast), core)
    return inside & stands


def _smooth(grey: npt.NDArray[np.uint8], area: int) -> npt.NDArray[np.float64]:
    flat = grey.mean(axis=-1) if grey.ndim == 3 else grey.astype(float)
    sigma = min(SMOOTHEST, SMOOTHING * area**0.5)
    smooth: npt.NDArray[np.float64] = ndimage.gaussian_filter(flat, sigma)
    return smooth


def _without_crumbs(
    kept: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Drop small pieces that the cut made; those that the mask had stay."""
    pieces, n_pieces = ndimage.label(kept)
    if n_pieces == 1:
        return kept
    wholes, count = ndimage.label(inside)
    left = np.zeros_like(kept)
    for whole in range(1, count + 1):
        areas = np.bincount(pieces[kept & (wholes == whole)])
        if areas.size:
            large = np.flatnonzero(areas >= SMALLEST_PIECE * areas.max())
            left |= np.isin(pieces, large[large > 0])
    return left


def _crop(grey: npt.NDArray[Any], box: Box, inner: Box) -> npt.NDArray[Any]:
    top, left = box[:2]
    rows = slice(inner[0] - top, inner[2] - top)
    return grey[rows, inner[1] - left : inner[3] - left]
