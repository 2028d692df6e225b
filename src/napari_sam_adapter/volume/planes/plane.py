"""One two-dimensional cut of an n-dimensional array."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam_adapter.errors import PlaneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)
MOST_SHARED = 1 << 12
"""Planes along the last two axes that are remembered."""


@dataclass(frozen=True)
class Plane:
    """A two-dimensional cut of an n-dimensional array along two of its axes.

    Parameters
    ----------
    axes : (int, int)
        Array axes that run along the rows and along the columns of the plane, in
        this order; ``(2, 1)`` is the transposed view of ``(1, 2)``.
    position : tuple of int
        Index on every other spatial axis, in axis order. Where there is one such axis,
        as in a volume, the number alone will do: ``Plane((1, 2), 20)``.

    Raises
    ------
    PlaneError
        If the axes are equal or out of range, or a number is not whole.
    """

    axes: tuple[int, int]
    position: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        axes = whole_numbers(self.axes, "axes")
        given = self.position
        alone = isinstance(given, Integral)
        position = whole_numbers((given,) if alone else given, "position")
        if len(axes) != 2 or axes[0] == axes[1]:
            raise PlaneError(f"Expected two different axes, got {axes}.")
        if min(axes) < 0 or max(axes) >= len(position) + 2:
            raise PlaneError(
                f"Expected axes from 0 to {len(position) + 1}, got {axes}. Give one "
                "position for every axis that is not shown."
            )
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "position", position)

    @staticmethod
    def require(value: object) -> Plane:
        """Return a plane, or tell how to make one.

        Parameters
        ----------
        value : object
            What was given for a plane.

        Returns
        -------
        Plane
            The same.

        Raises
        ------
        PlaneError
            If it is anything else, like the number of a slice.
        """
        if not isinstance(value, Plane):
            raise PlaneError(
                f"Expected a Plane, got {value!r}. Slice 20 of a volume is "
                "Plane(axes=(1, 2), position=(20,))."
            )
        return value

    @classmethod
    def from_index(cls, axes: tuple[int, int], point: Sequence[float]) -> Plane:
        """Return the plane along `axes` through a point.

        Parameters
        ----------
        axes : (int, int)
            Row axis and column axis.
        point : sequence of float
            One index for every spatial axis, rounded; those of the two shown axes
            are ignored.

        Returns
        -------
        Plane
            The plane that contains the point.
        """
        shown = set(axes)
        others = [value for axis, value in enumerate(point) if axis not in shown]
        return cls(axes, tuple(round(float(value)) for value in others))

    @property
    def ndim(self) -> int:
        """Number of spatial axes of the array."""
        return len(self.position) + 2

    @cached_property
    def other_axes(self) -> tuple[int, ...]:
        """Axes that are not shown, in axis order."""
        return tuple(axis for axis in range(self.ndim) if axis not in self.axes)

    def index(self) -> tuple[int | slice, ...]:
        """Return what cuts this plane out of an array of the spatial shape.

        Returns
        -------
        tuple of int or slice
            One entry per axis. The cut has its axes in array order: a transposed
            plane still has to be transposed, see `view`.
        """
        return self._index

    @cached_property
    def _index(self) -> tuple[int | slice, ...]:
        index: list[int | slice] = [slice(None)] * self.ndim
        for axis, value in zip(self.other_axes, self.position, strict=True):
            index[axis] = value
        return tuple(index)

    def region(self, rows: slice, columns: slice) -> tuple[slice, ...]:
        """Return a part of this plane as a part of the whole array.

        Parameters
        ----------
        rows, columns : slice
            Of the plane.

        Returns
        -------
        tuple of slice
            One per axis.
        """
        region = list(self._thin)
        region[self.axes[0]], region[self.axes[1]] = rows, columns
        return tuple(region)

    @cached_property
    def _thin(self) -> tuple[slice, ...]:
        return tuple(slice(i, i + 1) if isinstance(i, int) else i for i in self._index)

    def shape(self, volume_shape: Sequence[int]) -> tuple[int, int]:
        """Return rows and columns of this plane in a volume.

        Parameters
        ----------
        volume_shape : sequence of int
            Spatial shape of the volume.

        Returns
        -------
        (int, int)
            Rows, columns.
        """
        return int(volume_shape[self.axes[0]]), int(volume_shape[self.axes[1]])

    def at(self, axis: int, index: int) -> Plane:
        """Return this plane moved along one of the axes that are not shown.

        Parameters
        ----------
        axis : int
            Axis to move along.
        index : int
            New position on that axis.

        Returns
        -------
        Plane
            The moved plane.

        Raises
        ------
        PlaneError
            If the axis is shown or does not exist.
        """
        place = self._place(axis)
        position = (*self.position[:place], index, *self.position[place + 1 :])
        return replace(self, position=position)

    def index_along(self, axis: int) -> int:
        """Return the position on one of the axes that are not shown.

        Parameters
        ----------
        axis : int
            Axis to look at.

        Returns
        -------
        int
            The position.

        Raises
        ------
        PlaneError
            If the axis is shown or does not exist.
        """
        return self.position[self._place(axis)]

    def view(self, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Return this plane of a NumPy array, as a view.

        Parameters
        ----------
        array : array of the spatial shape
            Usually the labels.

        Returns
        -------
        (H, W) array
            Writing into it writes into `array`.
        """
        cut = array[self.index()]
        return cut.T if self.axes[0] > self.axes[1] else cut

    def check(self, volume_shape: Sequence[int]) -> None:
        """Raise unless this plane lies inside a volume.

        Parameters
        ----------
        volume_shape : sequence of int
            Spatial shape of the volume.

        Raises
        ------
        PlaneError
            If the number of axes differs or a position is outside.
        """
        if self.ndim != len(volume_shape):
            raise PlaneError(
                f"Expected a plane of {len(volume_shape)} axes, got {self.ndim}. "
                "Give one position for every axis that is not shown."
            )
        for axis, value in zip(self.other_axes, self.position, strict=True):
            if not 0 <= value < volume_shape[axis]:
                raise PlaneError(
                    f"Expected 0 to {volume_shape[axis] - 1} on axis {axis}, "
                    f"got {value}. Choose a plane inside the image."
                )

    def _place(self, axis: int) -> int:
        if axis not in self.other_axes:
            raise PlaneError(
                f"Expected one of the axes {self.other_axes}, got {axis}. "
                "The shown axes have no position."
            )
        return self.other_axes.index(axis)


def planes_of(shape: Sequence[int]) -> Iterator[Plane]:
    """Yield the planes along the last two axes that make up a volume.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape of the volume.

    Yields
    ------
    Plane
        Every plane, in array order.
    """
    axes = len(shape) - 2, len(shape) - 1
    for position in np.ndindex(*shape[:-2]):
        yield Plane(axes, position)


def numbered_plane(shape: Sequence[int], number: int) -> Plane:
    """Return one of the planes along the last two axes that make up a volume.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape of the volume.
    number : int
        Its place among `planes_of`, from 0.

    Returns
    -------
    Plane
        The plane.
    """
    leading = tuple(shape[:-2])
    position = np.unravel_index(number, leading) if leading else ()
    return plane_at(len(shape), tuple(int(index) for index in position))


@lru_cache(MOST_SHARED)
def plane_at(ndim: int, position: tuple[int, ...]) -> Plane:
    """Return the plane along the last two axes at a position.

    Parameters
    ----------
    ndim : int
        Number of spatial axes.
    position : tuple of int
        Index on every other axis.

    Returns
    -------
    Plane
        The very same one as before: of very many objects on a slice each has it.
    """
    return Plane((ndim - 2, ndim - 1), position)


def whole_numbers(values: Iterable[Any], name: str) -> tuple[Any, ...]:
    """Return indices as Python's own whole numbers.

    Parameters
    ----------
    values : iterable
        Indices.
    name : str
        What they are, for the message.

    Returns
    -------
    tuple of int
        The same.

    Raises
    ------
    PlaneError
        If one is no whole number.
    """
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError as error:
        raise PlaneError(f"Expected {name} as whole numbers, got {values}.") from error
