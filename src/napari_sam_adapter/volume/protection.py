"""Pixels that no mask may change: locked planes and what was painted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.volume.document import Document
    from napari_sam_adapter.volume.plane import Plane

    Part = int | slice


def protected_pixels(
    document: Document, object_id: int, plane: Plane
) -> npt.NDArray[np.bool_] | None:
    """Return the pixels of a plane that a new mask of an object leaves alone.

    Parameters
    ----------
    document : Document
        With locks and hand edits, perhaps on planes along other axes.
    object_id : int
        Object that gets the mask.
    plane : Plane
        Where.

    Returns
    -------
    (H, W) bool array or None
        Where this object was painted or erased by hand, all of its locked planes, and
        what other objects own by hand or lock; everything if the object is locked as a
        whole. None if there are none.
    """
    if object_id in document.locked:
        return np.ones(plane.shape(document.labels.shape), dtype=bool)
    kept: npt.NDArray[np.bool_] | None = None
    for owner, other, here, there in _crossings(document, plane):
        record = document.records[owner, other]
        if kept is None:
            kept = np.zeros(plane.shape(document.labels.shape), dtype=bool)
        marked: npt.NDArray[np.bool_] | bool = True
        if not record.locked and record.painted is not None:
            marked = _turned(record.painted.unpack()[there], plane, other)
        if owner != object_id:
            marked = marked & (plane.view(document.labels)[here] == owner)
        kept[here] |= marked
    return kept


def _crossings(
    document: Document, plane: Plane
) -> Iterator[tuple[int, Plane, tuple[Part, Part], tuple[Part, Part]]]:
    """Yield planes with kept pixels that cross this one, and where they cross."""
    for owner, other in document.kept:
        if other.axes == plane.axes and other.position != plane.position:
            continue  # the most common case by far, and asked for every mask
        shared = set(plane.other_axes) & set(other.other_axes)
        if all(plane.index_along(axis) == other.index_along(axis) for axis in shared):
            yield owner, other, _part(plane, other), _part(other, plane)


def _part(plane: Plane, other: Plane) -> tuple[Part, Part]:
    """Return where another plane crosses, as rows and columns of this one."""
    rows, columns = (
        slice(None) if axis in other.axes else other.index_along(axis)
        for axis in plane.axes
    )
    return rows, columns


def _turned(
    pixels: npt.NDArray[np.bool_], plane: Plane, other: Plane
) -> npt.NDArray[np.bool_]:
    """Transpose pixels of the same cut seen the other way round."""
    return pixels.T if plane.axes == other.axes[::-1] else pixels
