"""Which pieces an object falls into: those that do not touch, or two at a waist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

LEVELS = 32
"""So finely is the half-width of the waist looked for."""
NARROW = 0.75
"""A waist is at most this part of the half-width of what it joins."""


def pieces_of(
    pixels: npt.NDArray[np.bool_], spacing: Sequence[float]
) -> npt.NDArray[np.int32]:
    """Give the pieces of an object numbers.

    Parameters
    ----------
    pixels : bool array
        The object, with nothing else.
    spacing : sequence of float
        Distance between neighbours along each axis.

    Returns
    -------
    int32 array
        0 outside. Pixels of a piece touch along edges, voxels along faces. Where all
        of them touch, the object is cut in two where it is narrowest; it stays one
        piece if it is nowhere clearly narrower than at both sides of that place.
    """
    pieces: npt.NDArray[np.int32]
    pieces, count = ndimage.label(pixels)
    if count != 1:
        return pieces
    depth = _depth(pixels, spacing)
    for level in np.linspace(0, depth.max(), LEVELS, endpoint=False)[1:]:
        cores = _cores(depth, float(level))
        if cores is not None:
            return _grown(cores, depth, pixels)
    return pieces


def _depth(
    pixels: npt.NDArray[np.bool_], spacing: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Return how far each pixel is from the outside, on one slice only along it."""
    margins = [int(length > 1) for length in pixels.shape]
    around = np.pad(pixels, [(margin, margin) for margin in margins])
    depth = ndimage.distance_transform_edt(around, sampling=spacing)
    inside: npt.NDArray[np.float64]
    inside = depth[tuple(slice(m, -m or None) for m in margins)]
    return inside


def _cores(
    depth: npt.NDArray[np.float64], level: float
) -> npt.NDArray[np.int32] | None:
    """Return the two deepest parts above a level, unless one is hardly above it."""
    parts, count = ndimage.label(depth > level)
    if count < 2:
        return None
    peaks = ndimage.maximum(depth, parts, np.arange(1, count + 1))
    first, second = np.argsort(-peaks, kind="stable")[:2] + 1
    if level > NARROW * peaks[second - 1]:
        return None
    cores = np.zeros(parts.shape, np.int32)
    cores[parts == first], cores[parts == second] = 1, 2
    return cores


def _grown(
    cores: npt.NDArray[np.int32],
    depth: npt.NDArray[np.float64],
    pixels: npt.NDArray[np.bool_],
) -> npt.NDArray[np.int32]:
    from skimage.segmentation import watershed

    grown: npt.NDArray[np.int32]
    grown = watershed(-depth, cores, mask=pixels)  # type: ignore[no-untyped-call]
    return grown


def pieces_by_size(
    pixels: npt.NDArray[np.bool_], spacing: Sequence[float]
) -> npt.NDArray[np.int32]:
    """Give the pieces of an object numbers, the largest first.

    Parameters
    ----------
    pixels : bool array
        The object, with nothing else.
    spacing : sequence of float
        Distance between neighbours along each axis.

    Returns
    -------
    int32 array
        As of `pieces_of`; 1 in the largest piece, of equal ones in that of the lower
        number.
    """
    pieces = pieces_of(pixels, spacing)
    count = int(pieces.max(initial=0))
    sizes = np.zeros(count + 1, np.int64)
    for part in pieces:  # counting all at once would stop all threads
        sizes += np.bincount(part.ravel(), minlength=count + 1)
    places = np.zeros(count + 1, np.int32)
    places[np.argsort(-sizes[1:], kind="stable") + 1] = np.arange(1, count + 1)
    return places[pieces]
