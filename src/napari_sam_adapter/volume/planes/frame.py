"""In which image coordinates are given, and which way it is cut into slices."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import PlaneError, PromptError
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Position = tuple[float, ...]


@dataclass(frozen=True)
class Frame:
    """In which image coordinates are given, and which way it is sliced.

    Parameters
    ----------
    axes : str
        Letter of every axis, as in ``"tzyx"``.
    shape : tuple of int
        Length of every axis.
    sliced : int or None
        Axis from slice to slice; None for a 2-D image. Slices show the last two of
        the other axes.
    """

    axes: str
    shape: tuple[int, ...]
    sliced: int | None

    @classmethod
    def of(cls, axes: str, shape: Sequence[int], sliced: str | None = None) -> Frame:
        """Return the frame of an image.

        Parameters
        ----------
        axes : str
            Letter of every axis.
        shape : sequence of int
            Length of every axis.
        sliced : str or None
            Letter or number of an axis; by default the third from the end.

        Returns
        -------
        Frame
            The frame.

        Raises
        ------
        PlaneError
            If there is no such axis, or the image is 2-D and one is given.
        """
        if sliced is None:
            return cls(axes, tuple(shape), len(axes) - 3 if len(axes) > 2 else None)
        names = [*axes, *(str(number) for number in range(len(axes)))]
        if sliced not in names or len(axes) < 3:
            raise PlaneError(
                f"Expected an axis to slice along in an image with the axes {axes!r} "
                f"(by letter, or by number from 0), got {sliced!r}. 2-D images have "
                "none."
            )
        return cls(axes, tuple(shape), names.index(sliced) % len(axes))

    @cached_property
    def shown(self) -> tuple[int, int]:
        """Row axis and column axis of the slices."""
        rows, columns = [i for i in range(len(self.axes)) if i != self.sliced][-2:]
        return rows, columns

    def check_whole(self, position: Position) -> None:
        """Raise if a position lies between slices.

        Parameters
        ----------
        position : tuple of float
            Index on every axis.

        Raises
        ------
        PromptError
            If an index that counts slices has a fraction.
        """
        for axis, value in enumerate(position):
            if axis not in self.shown and not value.is_integer():
                raise PromptError(
                    f"Expected a whole number for {self.axes[axis].upper()}, which "
                    f"counts slices, got {value:g} in {_told(position)}. Give "
                    f"{math.floor(value)} or {math.ceil(value)}."
                )

    def check_inside(self, position: Position) -> None:
        """Raise if a point lies outside the image.

        Parameters
        ----------
        position : tuple of float
            Index on every axis.

        Raises
        ------
        PromptError
            If it does.
        """
        for value, length in zip(position, self.shape, strict=True):
            if not 0 <= round(value) < length:
                raise PromptError(
                    f"Expected a point inside the image of {sized(self.shape)} "
                    f"({self.form}), got {_told(position)}. Give indices that start "
                    "at 0."
                )

    def check_on_one_slice(self, corners: Sequence[Position]) -> None:
        """Raise if the corners of a box, or what else is drawn, lie on several slices.

        Parameters
        ----------
        corners : sequence of positions
            At least one.

        Raises
        ------
        PromptError
            If they do.
        """
        first, *others = corners
        for other in others:
            if self.plane(other) != self.plane(first):
                raise PromptError(
                    f"Expected all corners on one slice, got {_told(first)} and "
                    f"{_told(other)}. Give them the same index on every axis that a "
                    "slice does not show."
                )

    def plane(self, position: Position) -> Plane:
        """Return the slice that a position lies on.

        Parameters
        ----------
        position : tuple of float
            Index on every axis.

        Returns
        -------
        Plane
            The slice.
        """
        return Plane.from_index(self.shown, position)

    def in_plane(self, position: Position) -> tuple[float, float]:
        """Return where on its slice a position lies.

        Parameters
        ----------
        position : tuple of float
            Index on every axis.

        Returns
        -------
        (row, column)
            In pixels.
        """
        rows, columns = self.shown
        return position[rows], position[columns]

    def planes(self) -> Iterator[Plane]:
        """Yield all slices, in the order of their indices."""
        others = [range(n) for i, n in enumerate(self.shape) if i not in self.shown]
        for position in itertools.product(*others):
            yield Plane(self.shown, position)

    @property
    def form(self) -> str:
        """How a position is written, as in ``"Z,Y,X"``."""
        return ",".join(self.axes.upper())


def _told(position: Position) -> str:
    return ",".join(f"{value:g}" for value in position)
