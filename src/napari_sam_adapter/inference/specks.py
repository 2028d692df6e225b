"""Small pieces of a mask far from what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt


def drop_specks(
    mask: npt.NDArray[np.bool_],
    box: tuple[int, int, int, int],
    points: npt.NDArray[np.float64],
    share: float,
) -> None:
    """Drop the small pieces of a mask, but for those that a point lies in.

    Parameters
    ----------
    mask : (H, W) bool array
        Changed in place.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open; outside of it the mask is empty.
    points : (N, 2) float array
        (row, column) pixels on the object.
    share : float
        Area, as a part of that of the largest piece, from which a piece is kept.
    """
    part = mask[box[0] : box[2], box[1] : box[3]]
    pieces, count = ndimage.label(part)
    if count < 2:
        return
    numbers = pieces[part]  # of the pixels inside, which are few
    areas = np.bincount(numbers)
    kept = areas >= share * areas.max()
    where = np.rint(points).astype(int) - box[:2]
    inside = ((where >= 0) & (where < part.shape)).all(axis=1)
    kept[pieces[tuple(where[inside].T)]] = True
    part[part] = kept[numbers]
