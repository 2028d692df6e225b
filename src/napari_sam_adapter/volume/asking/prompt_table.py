"""Prompts of many objects from a table: our own, or a layer that napari saved."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

import numpy as np

from napari_sam_adapter.datasets.listed import read_listed
from napari_sam_adapter.drawings import Polygon, Scribble
from napari_sam_adapter.errors import PlaneError, PromptError, SamAdapterError
from napari_sam_adapter.image_io.image.opened_image import AXES_BY_NDIM, OpenedImage
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.image_column import rows_of_image
from napari_sam_adapter.volume.asking.table_columns import BOXES, TableColumns
from napari_sam_adapter.volume.planes.frame import Frame
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.wording import numbered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from napari_sam_adapter.datasets.listed import ListedRows
    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.volume.asking.table_columns import Thing

LARGEST_NUMBER = 65_535
"""Labels up to it go into any kind of file."""
NUMBER = re.compile(r"[1-9]\d{0,4}")
LINES = "line", "path"
PlanePrompts = dict[Plane, Prompts]


@dataclass(frozen=True)
class PromptTable:
    """The objects of a table.

    Parameters
    ----------
    objects : list of dict of Plane to Prompts
        What is asked for every object, by slice, in the order of the table.
    names : list of str
        What the table calls them; empty if it does not.
    left_out : list of str
        Columns that mean nothing here.
    """

    objects: list[PlanePrompts]
    names: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        """Their labels: their names if all are such numbers, otherwise from 1."""
        return self._own_numbers or list(range(1, len(self.objects) + 1))

    @property
    def words(self) -> list[str]:
        """Their names; none if these are only labels."""
        return [] if self._own_numbers else self.names

    @property
    def _own_numbers(self) -> list[int]:
        own = [int(name) for name in self.names if NUMBER.fullmatch(name)]
        are_labels = (
            len(own) == len(self.names) and max(own, default=0) <= LARGEST_NUMBER
        )
        return own if are_labels else []

    def on(self, plane: Plane | None = None) -> dict[int, Prompts]:
        """Return what is asked on one slice.

        Parameters
        ----------
        plane : Plane or None
            Where; None for the only slice of the table, as of a picture.

        Returns
        -------
        dict of int to Prompts
            Of each object that is asked for there, by its label.

        Raises
        ------
        PlaneError
            If there are several slices and none is given.
        """
        if plane is None:
            there = dict.fromkeys(place for planes in self.objects for place in planes)
            if len(there) > 1:
                raise PlaneError(
                    f"Expected a plane of a table with prompts on {len(there)} slices, "
                    "got none. Give one of them."
                )
            (plane,) = there
        pairs = zip(self.numbers, self.objects, strict=True)
        return {n: planes[plane] for n, planes in pairs if plane in planes}


class _Part(NamedTuple):
    """Prompts of one thing in the table."""

    line: int
    prompts: Prompts


def read_prompts(
    path: str | PathLike[str],
    image: ArrayLike | OpenedImage | Volume,
    axis: int | str | None = None,
    name: str | None = None,
) -> PromptTable:
    """Read the prompts of many objects from a table.

    Parameters
    ----------
    path : str or path
        A CSV file: with a column for each axis, and perhaps ``object``, ``kind`` and
        ``image``; or a Points or Shapes layer as napari saves it.
    image : array-like, OpenedImage or Volume
        What the prompts are for. The axes of an array without names are the last ones
        of u, t, z, y, x.
    axis : int, str or None
        From slice to slice, by number (below 0 from the end) or letter; by default the
        third from the end.
    name : str or None
        Which of several images in the column ``image`` this is: its file name, or that
        without the suffix. By default that of an opened image.

    Returns
    -------
    PromptTable
        At least one object; `add_prompts` gives them to a session.

    Raises
    ------
    PromptError
        If it cannot be read, a column is missing, no line is for the image, or nobody
        tells which of several images it is, or a line does not fit the image; the
        first such line is told, and which others there are.
    ImageError
        If the image cannot be segmented, or a channel has to be chosen first.
    PlaneError
        If there is no such axis, or the image is 2-D and one is given.
    """
    volume = image if isinstance(image, Volume) else Volume(image)
    axes = volume.letters or AXES_BY_NDIM[volume.ndim]
    if isinstance(axis, SupportsIndex):
        axis = _axis_from_start(index(axis), volume.ndim)
    if name is None:
        name = image.name if isinstance(image, OpenedImage) else ""
    return read_prompt_table(Path(path), Frame.of(axes, volume.shape, axis), name)


def _axis_from_start(axis: int, ndim: int) -> str:
    """Return the number of an axis, as it was given where there is no such axis."""
    return str(axis + ndim if ndim > 2 and -ndim <= axis < 0 else axis)


def read_prompt_table(path: Path, frame: Frame, image: str = "") -> PromptTable:
    """Read the prompts of many objects.

    Parameters
    ----------
    path : Path
        As in `read_prompts`.
    frame : Frame
        The image.
    image : str
        Its name; empty if nobody knows.

    Returns
    -------
    PromptTable
        At least one object.

    Raises
    ------
    PromptError
        As in `read_prompts`.
    """
    listed = _listed(path)
    if not listed.rows:
        raise PromptError(
            f"Expected a table with names of columns in its first line, got {path} "
            "without a line."
        )
    problems: dict[int, str] = {}
    try:
        columns = TableColumns.of(listed.rows[0], frame, listed.separator)
        listed = rows_of_image(listed, image, problems)
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from error
    things = columns.things(listed.rows[1:], listed.lines[1:], problems)
    found = _by_object(things, frame, problems)
    _refuse(path, problems)
    if not found:
        raise PromptError(
            f"Expected prompts below the first line of {path}, got none. Write a line "
            "for each."
        )
    objects = [
        {plane: _joined([part.prompts for part in parts]) for plane, parts in o.items()}
        for o in found.values()
    ]
    names = [name for name in found if isinstance(name, str)]
    return PromptTable(objects, names, columns.left_out)


def _listed(path: Path) -> ListedRows:
    try:
        return read_listed(path)
    except (OSError, UnicodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise PromptError(
            f"Expected a table of prompts at {path}, but it cannot be read ({reason}). "
            "Save it as CSV, in UTF-8."
        ) from error


def _by_object(
    things: Sequence[Thing], frame: Frame, problems: dict[int, str]
) -> dict[str | int, dict[Plane, list[_Part]]]:
    """Sort what is asked by object and slice; note what cannot be."""
    found: dict[str | int, dict[Plane, list[_Part]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for thing in things:
        try:
            plane, prompts = _on_plane(thing, frame)
        except SamAdapterError as error:
            problems[thing.line] = str(error)
        else:
            found[thing.name][plane].append(_Part(thing.line, prompts))
    for name, planes in found.items():
        for parts in planes.values():
            _check_together(name, parts, problems)
    return found


def _on_plane(thing: Thing, frame: Frame) -> tuple[Plane, Prompts]:
    """Return what a thing asks, and where."""
    kind, corners, positive = thing.kind, thing.corners, thing.positive
    for corner in corners:
        frame.check_whole(corner)
    frame.check_on_one_slice(corners)
    plane = frame.plane(corners[0])
    flat = np.array([frame.in_plane(corner) for corner in corners])
    if kind == "point":
        frame.check_inside(corners[0])
        return plane, Prompts(flat, np.array([positive]))
    plane.check(frame.shape)
    if kind in ("box", *BOXES):
        prompts = Prompts(box=(*flat.min(axis=0), *flat.max(axis=0)))
    elif kind in LINES:
        prompts = Prompts(scribbles=(Scribble(flat, positive),))
    else:
        prompts = Prompts(polygons=(Polygon(flat, positive),))
    prompts.check_inside(plane.shape(frame.shape))
    return plane, prompts


def _check_together(
    name: str | int, parts: Sequence[_Part], problems: dict[int, str]
) -> None:
    """Note what does not go together on one slice of an object."""
    for second in [part.line for part in parts if part.prompts.box is not None][1:]:
        problems[second] = (
            f"Expected one box of object {name!r} on a slice, got a second. Give one "
            "box around the whole object, or the other box another object."
        )
    if any(part.prompts.mark_object for part in parts):
        return
    problems[parts[0].line] = (
        f"Expected a point or a box of object {name!r} on the slice of this negative "
        "prompt, got none. Add one."
        if isinstance(name, str)
        else "Expected to know of which object this negative prompt is, got no column "
        "named object. Add it."
    )


def _refuse(path: Path, problems: dict[int, str]) -> None:
    if problems:
        first, *others = sorted(problems)
        more = f" See {numbered('line', others)}, too." if others else ""
        raise PromptError(f"{path}, line {first}: {problems[first]}{more}")


def _joined(parts: Sequence[Prompts]) -> Prompts:
    if len(parts) == 1:
        return parts[0]
    boxes = (part.box for part in parts)
    return Prompts(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.signs for part in parts]),
        next((box for box in boxes if box is not None), None),
        tuple(line for part in parts for line in part.scribbles),
        polygons=tuple(line for part in parts for line in part.polygons),
    )
