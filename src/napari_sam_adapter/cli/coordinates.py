"""From the text of ``--point``, ``--negative`` and ``--box`` to prompts on planes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.cli.inputs import check_one_channel
from napari_sam_adapter.errors import PlaneError, PromptError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.plane import Plane
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_sam_adapter.image_io import OpenedImage

Position = tuple[float, ...]
PlanePrompts = dict[Plane, Prompts]


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
        """Return the frame for the value of ``--axis``.

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

    @property
    def shown(self) -> tuple[int, int]:
        """Row axis and column axis of the slices."""
        rows, columns = [i for i in range(len(self.axes)) if i != self.sliced][-2:]
        return rows, columns

    def parse_point(self, text: str) -> Position:
        """Read a position inside the image.

        Parameters
        ----------
        text : str
            One number per axis, separated by commas.

        Returns
        -------
        tuple of float
            Index on every axis.

        Raises
        ------
        PromptError
            If it is malformed, not finite or outside the image, or between slices.
        """
        position = self._parse(text)
        for value, length in zip(position, self.shape, strict=True):
            if not 0 <= round(value) < length:
                raise PromptError(
                    f"Expected a point inside the image of {sized(self.shape)} "
                    f"({self._form()}), got {text!r}. Give indices that start at 0."
                )
        return position

    def parse_box(self, text: str) -> tuple[Position, Position]:
        """Read a box on one slice.

        Parameters
        ----------
        text : str
            Two opposite corners, each like a point, with a colon between them.

        Returns
        -------
        tuple of two positions
            The corners.

        Raises
        ------
        PromptError
            If it is malformed or not finite, or the corners lie on two slices, or
            between slices.
        """
        corners = text.split(":")
        if len(corners) != 2:
            raise PromptError(
                f"Expected a box as two corners, {self._form()}:{self._form()}, "
                f"got {text!r}. Put a colon between two opposite corners."
            )
        first, second = self._parse(corners[0]), self._parse(corners[1])
        if self.plane(first) != self.plane(second):
            raise PromptError(
                f"Expected both corners of a box on one slice, got {text!r}. Give them "
                "the same index on every axis that a slice does not show."
            )
        return first, second

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

    def _form(self) -> str:
        return ",".join(self.axes.upper())

    def _parse(self, text: str) -> Position:
        try:
            position = tuple(float(part) for part in text.split(","))
        except ValueError:
            position = ()
        if len(position) != len(self.axes) or not all(map(math.isfinite, position)):
            form = self._form()
            raise PromptError(
                f"Expected {len(self.axes)} finite numbers {form}, got {text!r}. The "
                f"image has {sized(self.shape)} pixels: give one index for each axis, "
                "with commas and no spaces between."
            )
        for axis, value in enumerate(position):
            if axis not in self.shown and not value.is_integer():
                raise PromptError(
                    f"Expected a whole number for {self.axes[axis].upper()}, which "
                    f"counts slices, got {value:g} in {text!r}. Give "
                    f"{math.floor(value)} or {math.ceil(value)}."
                )
        return position


def frame_of(image: OpenedImage, sliced: str | None = None) -> Frame:
    """Return the frame of an image of one channel, or in colour.

    Parameters
    ----------
    image : OpenedImage
        The opened file.
    sliced : str or None
        As in `Frame.of`.

    Returns
    -------
    Frame
        The frame.

    Raises
    ------
    ImageError
        If a channel has to be chosen first.
    PlaneError
        If there is no such axis, or the image is 2-D and one is given.
    """
    check_one_channel(image)
    return Frame.of(image.label_axes, image.label_shape, sliced)


def read_objects(
    frame: Frame,
    points: Sequence[str],
    negatives: Sequence[str] = (),
    boxes: Sequence[str] = (),
    separate: bool = False,
) -> list[PlanePrompts]:
    """Read the prompts of all objects.

    Parameters
    ----------
    frame : Frame
        The image.
    points, negatives, boxes : sequence of str
        Values of the options.
    separate : bool
        Whether every point and every box is an object of its own; otherwise all
        prompts belong to one.

    Returns
    -------
    list of dict
        For every object its prompts, by slice: first the points, then the boxes.

    Raises
    ------
    PromptError
        If there is nothing to segment, or the prompts contradict each other.
    """
    inside = [frame.parse_point(text) for text in points]
    outside = [frame.parse_point(text) for text in negatives]
    corners = [frame.parse_box(text) for text in boxes]
    if not inside and not corners:
        form = ",".join(frame.axes.upper())
        got = "only where it is not" if outside else "no prompt"
        raise PromptError(
            f"Expected an object, got {got}. Give --point {form} or --box "
            f"{form}:{form}."
        )
    if not separate:
        objects = [_on_planes(frame, inside, outside, corners)]
    elif outside:
        raise PromptError(
            "Expected --separate or --negative, got both. Segment objects that need "
            "negative points one by one."
        )
    else:
        objects = [_on_planes(frame, [position]) for position in inside]
        objects += [_on_planes(frame, (), (), [box]) for box in corners]
    _check(objects, frame)
    return objects


def _on_planes(
    frame: Frame,
    inside: Iterable[Position],
    outside: Iterable[Position] = (),
    boxes: Iterable[tuple[Position, Position]] = (),
) -> PlanePrompts:
    planes: PlanePrompts = {}
    for corners in boxes:
        plane = frame.plane(corners[0])
        if plane in planes:
            raise PromptError(
                "Expected one box per object and slice, got two. Give one box around "
                "the whole object, or --separate if they are two objects."
            )
        box = np.concatenate([frame.in_plane(corner) for corner in corners])
        planes[plane] = Prompts(box=tuple(box))
    for positions, positive in ((inside, True), (outside, False)):
        for position in positions:
            plane = frame.plane(position)
            asked = planes.get(plane, Prompts())
            planes[plane] = asked.with_point(frame.in_plane(position), positive)
    return planes


def _check(objects: Iterable[PlanePrompts], frame: Frame) -> None:
    for planes in objects:
        for plane, prompts in planes.items():
            plane.check(frame.shape)
            prompts.check_inside(plane.shape(frame.shape))
            if prompts.box is None and not prompts.signs.any():
                raise PromptError(
                    "Expected a --point or --box on every slice with a --negative, got "
                    f"none at {plane.position}."
                )
