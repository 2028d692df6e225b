"""Small pieces of a mask far from what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import place

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask


def drop_specks(
    mask: BoxedMask, points: npt.NDArray[np.float64], share: float
) -> BoxedMask:
    """Drop the small pieces of a mask, but for those that a point lies in.

    Parameters
    ----------
    mask : BoxedMask
        As the network gave it.
    points : (N, 2) float array
        (row, column) pixels on the object.
    share : float
        Area, as a part of that of the largest piece, from which a piece is kept.

    Returns
    -------
    BoxedMask
        This very mask if all of it is kept.
    """
    part = mask.pixels
    pieces, count = ndimage.label(part)
    if count < 2:
        return mask
    numbers = pieces[part]  # of the pixels inside, which are few
    areas = np.bincount(numbers)
    kept = areas >= share * areas.max()
    where = np.rint(points).astype(int) - mask.box[:2]
    inside = ((where >= 0) & (where < part.shape)).all(axis=1)
    kept[pieces[tuple(where[inside].T)]] = True
    left = np.zeros_like(part)
    left[part] = kept[numbers]
    return place(left, mask.box, mask.shape)
