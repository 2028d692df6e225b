"""Pixels that no mask may change: locked planes and what was painted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_sam_adapter.volume.asking.packing import slices_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.planes.plane import Plane

_Pixel = TypeVar("_Pixel", bound=np.generic)


def protected_pixels(
    document: Document, object_id: int, plane: Plane, box: Box
) -> npt.NDArray[np.bool_] | None:
    """Return the pixels in a box that a new mask of an object leaves alone.

    Parameters
    ----------
    document : Document
        With locks and hand edits, perhaps on planes along other axes.
    object_id : int
        Object that gets the mask.
    plane : Plane
        Where.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open, in pixels of the plane: nothing outside is looked at.

    Returns
    -------
    (h, w) bool array or None
        Where this object was painted or erased by hand, all of its locked planes, and
        what other objects own by hand or lock; everything if the object is locked as a
        whole. None if there are none.
    """
    shape = box[2] - box[0], box[3] - box[1]
    if object_id in document.locked:
        return np.ones(shape, dtype=bool)
    kept: npt.NDArray[np.bool_] | None = None
    for (owner, other), around in document.kept.items():
        if around is not None and other == plane and not _meet(around, box):
            continue  # the rule where one object was split into very many
        met = crossing(plane, box, other)
        if met is None:
            continue
        record = document.records[owner, other]
        here, there = met
        marked: npt.NDArray[np.bool_] | bool = True
        if not record.locked and record.painted is not None:
            marked = turned(record.painted.unpack_part(there), plane, other, here)
        if owner != object_id:
            marked = marked & (plane.view(document.labels)[slices_of(here)] == owner)
        if kept is None:
            kept = np.zeros(shape, dtype=bool)
        inside = here[0] - box[0], here[1] - box[1], here[2] - box[0], here[3] - box[1]
        kept[slices_of(inside)] |= marked
    return kept


def _meet(one: Box, other: Box) -> bool:
    is_across = one[0] < other[2] and other[0] < one[2]
    return is_across and one[1] < other[3] and other[1] < one[3]


def crossing(
    plane: Plane, box: Box, other: Plane, other_box: Box | None = None
) -> tuple[Box, Box] | None:
    """Return where parts of two planes cross.

    Parameters
    ----------
    plane, other : Plane
        Of one volume, along any axes.
    box, other_box : (row_start, column_start, row_stop, column_stop)
        Half-open part of each; by default all of the other one.

    Returns
    -------
    (box, box) or None
        The same pixels as a box of the plane, and as one of the other; None if they do
        not meet.
    """
    if other.axes == plane.axes and other.position != plane.position:
        return None  # the most common case by far, and asked for every mask
    extent = {axis: (place, place + 1) for axis, place in _places(plane)}
    extent |= {plane.axes[i]: (box[i], box[i + 2]) for i in (0, 1)}
    for axis, place in _places(other):
        start, stop = extent[axis]
        if not start <= place < stop:
            return None
        extent[axis] = place, place + 1
    if other_box is not None:
        for i, axis in enumerate(other.axes):
            start, stop = extent[axis]
            start, stop = max(start, other_box[i]), min(stop, other_box[i + 2])
            if start >= stop:
                return None
            extent[axis] = start, stop
    return _box_of(plane, extent), _box_of(other, extent)


def _places(plane: Plane) -> Iterator[tuple[int, int]]:
    return zip(plane.other_axes, plane.position, strict=True)


def _box_of(plane: Plane, extent: dict[int, tuple[int, int]]) -> Box:
    (top, bottom), (left, right) = (extent[axis] for axis in plane.axes)
    return top, left, bottom, right


def turned(
    pixels: npt.NDArray[_Pixel], plane: Plane, other: Plane, box: Box
) -> npt.NDArray[_Pixel]:
    """Turn pixels of another plane so that they lie as those of a box on this one.

    Parameters
    ----------
    pixels : (h, w) array
        Of the other plane, in the box there that `crossing` gives.
    plane, other : Plane
        As of `crossing`.
    box : (row_start, column_start, row_stop, column_stop)
        The box here that it gives.

    Returns
    -------
    array
        The same pixels in the shape of that box.
    """
    if plane.axes == other.axes[::-1]:
        return pixels.T
    return pixels.reshape(box[2] - box[0], box[3] - box[1])
