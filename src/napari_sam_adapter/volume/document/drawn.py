"""What a stroke by hand makes of a plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.boxed_mask import NOWHERE, bounding_box
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.planes.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document.edits import Paint


@dataclass(frozen=True)
class Drawn:
    """The part of a plane that a stroke lies in.

    Parameters
    ----------
    box : (row_start, column_start, row_stop, column_stop)
        Half-open.
    mask : (h, w) bool array
        Which pixels of the box are painted.
    before, after : (h, w) int array
        Labels of the box without and with the stroke.
    """

    box: Box
    mask: npt.NDArray[np.bool_]
    before: npt.NDArray[np.integer[Any]]
    after: npt.NDArray[np.integer[Any]]

    def labels(self) -> list[int]:
        """Return the objects that lose or get pixels.

        Returns
        -------
        list of int
            In order.
        """
        found = {
            *_different(self.before[self.mask]),
            *_different(self.after[self.mask]),
        }
        return sorted(found - {0})

    def sparing(self, locked: Iterable[int]) -> Drawn:
        """Leave out what would change some objects.

        Parameters
        ----------
        locked : iterable of int
            The objects.

        Returns
        -------
        Drawn
            In the same box; this one if there are none.
        """
        if not (members := list(locked)):
            return self
        spared = np.isin(self.before, members) | np.isin(self.after, members)
        after = np.where(spared, self.before, self.after)
        return replace(self, mask=self.mask & ~spared, after=after)


def box_of(stroke: Paint) -> Box:
    """Return the smallest box around a stroke.

    Parameters
    ----------
    stroke : Paint
        Any that was not refused.

    Returns
    -------
    (row_start, column_start, row_stop, column_stop)
        Half-open; all zero for an empty stroke.
    """
    pixels = np.asarray(stroke.pixels)
    if pixels.dtype == bool:
        return bounding_box(pixels)
    if not pixels.size:
        return NOWHERE
    (top, left), (bottom, right) = pixels.min(0).tolist(), pixels.max(0).tolist()
    return top, left, bottom + 1, right + 1


def drawn_on(labels: npt.NDArray[np.integer[Any]], stroke: Paint) -> Drawn:
    """Return what a stroke makes of a plane.

    Parameters
    ----------
    labels : int array of the spatial shape
        Left alone.
    stroke : Paint
        What is painted.

    Returns
    -------
    Drawn
        In the smallest box.

    Raises
    ------
    PlaneError
        If the plane lies outside the volume.
    SessionError
        If pixels or values are malformed, or do not fit.
    """
    plane = Plane.require(stroke.plane)
    plane.check(labels.shape)
    _check_pixels(stroke, plane.shape(labels.shape))
    _check_values(np.asarray(stroke.values), labels.dtype)
    box = box_of(stroke)
    before = plane.view(labels)[slices_of(box)]
    pixels, after = np.asarray(stroke.pixels), before.copy()
    if pixels.dtype == bool:
        mask = pixels[slices_of(box)]
        after[mask] = stroke.values
        return Drawn(box, mask, before, after)
    mask = np.zeros(before.shape, dtype=bool)
    if pixels.size:
        there = pixels[:, 0] - box[0], pixels[:, 1] - box[1]
        mask[there], after[there] = True, stroke.values
    return Drawn(box, mask, before, after)


def _check_pixels(stroke: Paint, shape: tuple[int, int]) -> None:
    pixels, values = np.asarray(stroke.pixels), np.asarray(stroke.values)
    if pixels.dtype == bool:
        fits, count = pixels.shape == shape, int(np.count_nonzero(pixels))
    else:
        is_list = pixels.shape[1:] == (2,) and pixels.dtype.kind in "iu"
        fits, count = is_list or not pixels.size, pixels.size // 2
    if not fits or values.shape not in {(), (count,)} or values.dtype.kind not in "iu":
        raise SessionError(
            "Expected (K, 2) whole pixels and (K,) whole values, got "
            f"{pixels.shape} {pixels.dtype} and {values.shape} {values.dtype}. Give "
            "(row, column) and a label for each pixel."
        )
    if not count or pixels.dtype == bool:
        return
    outside = pixels[((pixels < 0) | (pixels >= shape)).any(axis=1)]
    if len(outside):
        raise SessionError(
            f"Expected painted pixels inside a plane of {shape[0]} x {shape[1]}, got "
            f"{tuple(outside[0].tolist())}. Leave out what lies beside it."
        )


def _check_values(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> None:
    most = int(np.iinfo(dtype).max)
    unfit = values[(values < 0) | (values > most)]
    if unfit.size:
        raise SessionError(
            f"Expected labels from 0 to {most} to paint with, got {unfit[0]}. Paint 0 "
            "to erase; use labels of a larger integer type for more objects."
        )


def _different(values: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Return the values there are; large strokes have mostly one, soon seen."""
    if values.size and values.min() == values.max():
        return [int(values[0])]
    different: list[int] = np.unique(values).tolist()
    return different
