"""Where to ask for objects that nobody pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt

MIN_DISTANCE = 5
"""Pixels between two places; objects are rarely closer together."""
BLUR = 1.0
"""Pixels; smooths away the many small ridges of a ragged outline."""


def middles_of(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the middles of what is probably one object each.

    Parameters
    ----------
    inside : (H, W) bool array
        Pixels of objects, which may touch.

    Returns
    -------
    (N, 2) float array
        (row, column) pixels where it is widest, the widest first.
    """
    from skimage.feature import peak_local_max

    around = np.pad(inside, 1)
    depth = ndimage.distance_transform_edt(around)[1:-1, 1:-1]
    depth = ndimage.gaussian_filter(depth, BLUR) * inside
    pieces, _ = ndimage.label(inside)
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        depth, min_distance=MIN_DISTANCE, labels=pieces, exclude_border=False
    )
    widest_first = np.argsort(-depth[tuple(peaks.T)], kind="stable")
    points: npt.NDArray[np.float64] = peaks[widest_first].astype(float)
    return points


def typical_size(inside: npt.NDArray[np.bool_], min_area: int) -> float:
    """Return the size of the pieces of a map.

    Parameters
    ----------
    inside : (H, W) bool array
        Pixels of objects.
    min_area : int
        Smaller pieces do not count; pixels.

    Returns
    -------
    float
        Diameter in pixels of a disk of the median area; 0 without pieces.
    """
    pieces, _ = ndimage.label(inside)
    areas = np.bincount(pieces.ravel())[1:]
    areas = areas[areas >= min_area]
    return 2 * float(np.sqrt(np.median(areas) / np.pi)) if areas.size else 0.0


def typical_width(inside: npt.NDArray[np.bool_]) -> float:
    """Return how wide a map is where most of its pixels are.

    Parameters
    ----------
    inside : (H, W) bool array
        Pixels of objects, which may touch; not empty.

    Returns
    -------
    float
        Diameter in pixels of disks whose pixels lie as deep on average.
    """
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    return 6 * float(depth[inside].mean())  # a disk of radius R: R / 3


def grid_points(shape: tuple[int, int], per_side: int) -> npt.NDArray[np.float64]:
    """Return evenly spread points.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    per_side : int
        Points along each side.

    Returns
    -------
    (per_side ** 2, 2) float array
        (row, column) in pixels, the middles of equal parts of the plane.
    """
    steps = (np.arange(per_side) + 0.5) / per_side
    rows, columns = (steps * length - 0.5 for length in shape)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
