"""A simulated user: where to click first, and where to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]


class Click(NamedTuple):
    """A corrective click.

    Attributes
    ----------
    point : (row, column)
        Pixel.
    positive : bool
        True where object was missed.
    """

    point: tuple[int, int]
    positive: bool


def centre_of(mask: Mask) -> tuple[int, int]:
    """Return the pixel of a mask that is farthest from its border.

    Parameters
    ----------
    mask : (H, W) bool array
        Not empty; the border of the image counts as outside.

    Returns
    -------
    (row, column)
        The first such pixel.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), part.shape)
    return top + int(row), left + int(column)


def box_of(mask: Mask) -> tuple[float, float, float, float]:
    """Return the tight box of a mask, its corner pixels included.

    Parameters
    ----------
    mask : (H, W) bool array
        Not empty.

    Returns
    -------
    (row_min, column_min, row_max, column_max)
        A side of one pixel is drawn from edge to edge of it, so that the box has an
        area.
    """
    corners: list[tuple[float, float]] = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = float(inside[0]), float(inside[-1])
        corners.append((first, last) if first < last else (first - 0.5, last + 0.5))
    (top, bottom), (left, right) = corners
    return top, left, bottom, right


def correction(mask: Mask, truth: Mask) -> Click | None:
    """Return a click in the centre of the largest error.

    Parameters
    ----------
    mask, truth : (H, W) bool arrays
        Answer and reference.

    Returns
    -------
    Click or None
        None if nothing is wrong. Missed and wrong regions are told apart even where
        they touch; of equal ones the missed one is corrected.
    """
    missed, wrong = _largest_region(truth & ~mask), _largest_region(mask & ~truth)
    sizes = np.count_nonzero(missed), np.count_nonzero(wrong)
    if not any(sizes):
        return None
    positive = bool(sizes[0] >= sizes[1])
    return Click(centre_of(missed if positive else wrong), positive)


def _largest_region(mask: Mask) -> Mask:
    regions, count = ndimage.label(mask)
    if not count:
        return mask
    largest: Mask = regions == np.argmax(np.bincount(regions.ravel())[1:]) + 1
    return largest
