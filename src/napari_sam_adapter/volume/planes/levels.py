"""Coarser levels of a volume, and what of them shows a part of a plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.image.levels import level_factors
from napari_sam_adapter.volume.planes.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.volume.planes.plane import Plane

SQUARE = 0.02
"""How far the factors of rows and columns may be apart."""


@dataclass(frozen=True, eq=False)
class Level:
    """The same volume with fewer pixels.

    Parameters
    ----------
    data : array-like
        Its pixels; axes as those of the volume.
    shape : tuple of int
        Spatial shape.
    factors : tuple of float
        Voxels of the full resolution that make one, on every spatial axis.
    """

    data: ArrayLike
    shape: tuple[int, ...]
    factors: tuple[float, ...]

    def reduction(self, plane: Plane) -> float:
        """Return how much fewer rows and columns a plane has.

        Parameters
        ----------
        plane : Plane
            Cut of the full resolution.

        Returns
        -------
        float
            Pixels of the plane that make one here; 1 where rows and columns are not
            reduced alike.
        """
        rows, columns = (self.factors[axis] for axis in plane.axes)
        return rows if abs(rows / columns - 1) < SQUARE else 1.0

    def has_slices_of(self, plane: Plane) -> bool:
        """Return whether every slice is here, too, and is not mixed with others.

        Parameters
        ----------
        plane : Plane
            Cut of the full resolution.

        Returns
        -------
        bool
            False if several slices became one.
        """
        return all(self.factors[axis] == 1 for axis in plane.other_axes)

    def plane(self, plane: Plane) -> Plane:
        """Return where a plane is found here.

        Parameters
        ----------
        plane : Plane
            Cut of the full resolution.

        Returns
        -------
        Plane
            Cut of this level.
        """
        position = [
            min(int(index / self.factors[axis]), self.shape[axis] - 1)
            for axis, index in zip(plane.other_axes, plane.position, strict=True)
        ]
        return replace(plane, position=tuple(position))

    def window(self, plane: Plane, window: Window) -> Window:
        """Return where a part of a plane is found here.

        Parameters
        ----------
        plane : Plane
            Cut of the full resolution.
        window : Window
            Part of it.

        Returns
        -------
        Window
            At most half a pixel of this level off.
        """
        starts, stops = [], []
        for axis, part in zip(plane.axes, window.slices, strict=True):
            factor, length = self.factors[axis], self.shape[axis]
            size = max(round((part.stop - part.start) / factor), 1)
            start = min(round(part.start / factor), max(length - size, 0))
            starts.append(start)
            stops.append(min(start + size, length))
        return Window(starts[0], starts[1], stops[0], stops[1])


def level_of(data: ArrayLike, full: Sequence[int], channel: int | None) -> Level:
    """Return an array as a level of a volume.

    Parameters
    ----------
    data : array-like
        Its pixels.
    full : sequence of int
        Shape of the full resolution.
    channel : int or None
        Axis of the channels in both.

    Returns
    -------
    Level
        Nothing is read.

    Raises
    ------
    ImageError
        If it cannot be a smaller picture of the volume.
    """
    alike = () if channel is None else (channel,)
    factors = list(level_factors(full, data.shape, alike))
    shape = list(map(int, data.shape))
    if channel is not None:
        del factors[channel], shape[channel]
    return Level(data, tuple(shape), tuple(factors))


def coarsest_for(
    levels: Sequence[Level], plane: Plane, window: Window, side: int
) -> Level | None:
    """Return the coarsest level that shows a part of a plane in enough pixels.

    Parameters
    ----------
    levels : sequence of Level
        From fine to coarse.
    plane : Plane
        Cut of the full resolution.
    window : Window
        Part of it.
    side : int
        The longer side is to have at least so many pixels.

    Returns
    -------
    Level or None
        None for the full resolution.
    """
    most = max(window.shape) / side
    for level in reversed(levels):
        if level.has_slices_of(plane) and 1 < level.reduction(plane) <= most:
            return level
    return None
