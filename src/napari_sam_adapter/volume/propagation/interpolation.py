"""Masks between two masks, from signed distances alone: no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask, common_box, place

if TYPE_CHECKING:
    import numpy.typing as npt


def interpolate(
    first: BoxedMask,
    second: BoxedMask,
    weight: float,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> BoxedMask:
    """Return a mask between two masks.

    Parameters
    ----------
    first, second : BoxedMask
        Masks of two parallel planes.
    weight : float
        Place between them: 0 gives the first, 1 the second.
    pixel : (float, float)
        Height and width of a pixel, in any unit.

    Returns
    -------
    BoxedMask
        Where the weighted mean of the signed distances to both outlines is positive.
        An object that is on one plane only shrinks away half-way.

    Notes
    -----
    Masks that do not overlap are first moved onto each other, for the mean of their
    distances would be empty in between.

    References
    ----------
    Raya and Udupa (1990), Shape-based interpolation of multidimensional objects.
    """
    if not first.pixels.size and not second.pixels.size:
        return first
    if first.pixels.size and second.pixels.size and not first.overlap(second):
        first, second = _brought_together(first, second, weight)
    box = common_box([first, second], margin=1)
    from_first = signed_distance(first.window(box), pixel)
    from_second = signed_distance(second.window(box), pixel)
    if not first.pixels.size:
        from_first = np.full_like(from_second, -from_second.max())
    if not second.pixels.size:
        from_second = np.full_like(from_first, -from_first.max())
    blend = (1 - weight) * from_first + weight * from_second
    return place(blend > 0, box, first.shape)


def signed_distance(
    mask: npt.NDArray[np.bool_], pixel: tuple[float, float] = (1.0, 1.0)
) -> npt.NDArray[np.float64]:
    """Return how deep every pixel lies inside a mask.

    Parameters
    ----------
    mask : (H, W) bool array
        The object; what is beyond the array's border counts as outside.
    pixel : (float, float)
        Height and width of a pixel.

    Returns
    -------
    (H, W) float array
        Distance to the nearest pixel of the other kind, in units of `pixel`:
        positive inside, negative outside.
    """
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded, sampling=pixel)[1:-1, 1:-1]
    if not mask.any():
        return np.full(mask.shape, -np.inf)
    outside = ndimage.distance_transform_edt(~padded, sampling=pixel)[1:-1, 1:-1]
    depth: npt.NDArray[np.float64] = inside - outside
    return depth


def _brought_together(
    first: BoxedMask, second: BoxedMask, weight: float
) -> tuple[BoxedMask, BoxedMask]:
    """Move both masks to where the centre is in between."""
    start, stop = _centre(first), _centre(second)
    way = stop - start
    return _moved(first, weight * way), _moved(second, (weight - 1) * way)


def _centre(mask: BoxedMask) -> npt.NDArray[np.float64]:
    centre: npt.NDArray[np.float64] = np.argwhere(mask.pixels).mean(axis=0)
    return centre + mask.box[:2]


def _moved(mask: BoxedMask, way: npt.NDArray[np.float64]) -> BoxedMask:
    """Move a mask that keeps inside the plane, as the way between two masks does."""
    rows, columns = (int(step) for step in np.rint(way))
    top, left, bottom, right = mask.box
    box = top + rows, left + columns, bottom + rows, right + columns
    moved = BoxedMask(mask.shape, box, mask.pixels)
    return BoxedMask.of(moved.full())
