"""What the columns of a table of prompts mean, and what stands in its lines."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.wording import any_of, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_sam_adapter.volume.planes.frame import Frame, Position

OBJECT, KIND, IMAGE = "object", "kind", "image"
NEGATIVE = "negative"
KINDS = {"point": "point", NEGATIVE: NEGATIVE, "box": "box", "positive": "point"}
"""The last is what the widget writes."""
POLARITY = "polarity"
"""Column of the Points layer of the widget, which shows one object."""
SHAPE, SHAPE_TYPE, VERTEX = "index", "shape-type", "vertex-index"
"""Columns of a Shapes layer; the first also of a Points layer."""
BOXES = "rectangle", "ellipse"
SHAPES = *BOXES, "polygon", "path", "line"
MEANT = OBJECT, KIND, IMAGE, POLARITY
"""Columns that are not of an axis."""
SILENT = "", SHAPE, VERTEX, "axes"
"""Columns that programs write for themselves."""
SHOWN_NAMES = 12
USUAL_AXES = "tzyx"
NEARLY_WHOLE = 1e-3
"""How far napari's numbers, in single precision, may be beside those of slices."""
WHOLE = re.compile(r"(\d+)\.0")
NAMELESS = "", "nan"
"""What stands where there is no name; the last is what napari writes."""


class Thing(NamedTuple):
    """A point, a box or a shape.

    Attributes
    ----------
    line : int
        Where it stands, or begins.
    name : str or int
        Its object; a number of its own where the table does not tell.
    kind : str
        ``"point"``, ``"box"`` or one of `SHAPES`.
    corners : list of positions
        One of a point.
    positive : bool
        Whether the object is there, not background.
    """

    line: int
    name: str | int
    kind: str
    corners: list[Position]
    positive: bool


@dataclass(frozen=True)
class TableColumns:
    """In which columns what stands.

    Parameters
    ----------
    names : list of str
        All columns, in lower case.
    axes : list of str
        The column of each axis of the image.
    seconds : list of str
        The column of the second corner of a box, for each axis; it need not be there.
    needed : tuple of int
        Axes that a slice shows.
    separator : str
        What parts the entries.
    """

    names: list[str]
    axes: list[str]
    seconds: list[str]
    needed: tuple[int, ...]
    separator: str

    @classmethod
    def of(cls, head: Sequence[str], frame: Frame, separator: str) -> TableColumns:
        """Return the columns for the first line of a table.

        Parameters
        ----------
        head : sequence of str
            The line.
        frame : Frame
            The image.
        separator : str
            What parts the entries.

        Returns
        -------
        TableColumns
            With one for each axis.

        Raises
        ------
        PromptError
            If that of an axis is missing, one is there twice, or the image has not all
            axes.
        """
        names = [name.casefold() for name in head]
        letters = list(frame.axes.casefold())
        saved = [f"axis-{number}" for number in range(len(letters))]
        axes = next((own for own in (letters, saved) if {*own} <= {*names}), None)
        if axes is None:
            raise PromptError(
                f"Expected a column for each axis, {', '.join(letters)}, got "
                f"{', '.join(head[:SHOWN_NAMES])}{', ...' * (len(head) > SHOWN_NAMES)}"
                ". Write these names into the first line; napari's own files have "
                "axis-0, axis-1, ..."
            )
        seconds = [f"{axis}2" for axis in axes]
        columns = cls(names, axes, seconds, frame.shown, separator)
        columns.check(frame)
        return columns

    @property
    def has_shapes(self) -> bool:
        """Whether each line is a corner of a shape."""
        return SHAPE_TYPE in self.names

    @property
    def known(self) -> tuple[str, ...]:
        """Names of columns that mean something."""
        more = (SHAPE_TYPE, SHAPE) if self.has_shapes else self.seconds
        return (*self.axes, *more, *MEANT)

    @property
    def left_out(self) -> list[str]:
        """Names of columns that mean nothing."""
        return [name for name in self.names if name not in (*self.known, *SILENT)]

    def check(self, frame: Frame) -> None:
        """Raise if a column is there twice, or is of an axis that is not.

        Parameters
        ----------
        frame : Frame
            The image.

        Raises
        ------
        PromptError
            If so, or nothing tells of which shape a corner is.
        """
        for name in self.left_out:
            if name in USUAL_AXES or re.fullmatch(r"axis-\d+", name):
                raise PromptError(
                    f"Expected coordinates in an image with the axes {frame.axes!r}, "
                    f"got a column {name}, too. Take it out if the image is the right "
                    "one."
                )
        if self.has_shapes and SHAPE not in self.names:
            raise PromptError(
                f"Expected a column {SHAPE} beside {SHAPE_TYPE}, got none. Write into "
                "it of which shape each corner is, a number of its own for each."
            )
        for name in self.known:
            if self.names.count(name) > 1:
                raise PromptError(
                    f"Expected one column {name}, got {self.names.count(name)}. Give "
                    "the others another name."
                )

    def things(
        self,
        rows: Sequence[Sequence[str]],
        lines: Sequence[int],
        problems: dict[int, str],
    ) -> list[Thing]:
        """Read the lines below the first.

        Parameters
        ----------
        rows : sequence of sequences of str
            Their entries.
        lines : sequence of int
            Where they stand.
        problems : dict of int to str
            Gets what is wrong, by line.

        Returns
        -------
        list of Thing
            Of those with nothing wrong.
        """
        shapes: dict[str, list[Thing]] = defaultdict(list)
        things = []
        for line, row in zip(lines, rows, strict=True):
            try:
                entries = self._entries(row)
                if self.has_shapes:
                    vertex = self._vertex(line, entries)
                    shapes[entries[SHAPE]].append(vertex)
                else:
                    things.append(self._thing(line, entries))
            except PromptError as error:
                problems[line] = str(error)
        if not problems:  # of a corner that is wrong, the whole shape would be told
            things += [_whole(vertices) for vertices in shapes.values()]
        return things

    def _entries(self, row: Sequence[str]) -> dict[str, str]:
        width = len(self.names)
        if any(row[width:]):
            raise PromptError(
                f"Expected {width} entries as in the first line, got "
                f"{len(row)}. Put entries with {self.separator!r} in them into "
                "quotation marks."
            )
        padded = [*row, *[""] * width][:width]
        return dict(zip(self.names, padded, strict=True))

    def _thing(self, line: int, entries: Mapping[str, str]) -> Thing:
        corners = [tuple(self._numbers(self.axes, entries))]
        second = [name for name in self.seconds if entries.get(name)]
        written = _kind_written(entries)
        kind = written or ("box" if second else "point")
        if kind == "box":
            corners.append(self._second_corner(entries))
        elif second:
            raise PromptError(
                f"Expected no {second[0]} of a point, got {entries[second[0]]!r}. Is "
                "it a box? Write box as its kind."
            )
        name, is_positive = self._name(line, entries), kind != NEGATIVE
        return Thing(line, name, kind if is_positive else "point", corners, is_positive)

    def _vertex(self, line: int, entries: Mapping[str, str]) -> Thing:
        shape = entries[SHAPE_TYPE].casefold()
        if shape not in SHAPES:
            raise PromptError(
                f"Expected {any_of(SHAPES)} as {SHAPE_TYPE}, got {shape!r}."
            )
        if not entries[SHAPE]:
            raise PromptError(
                f"Expected a number as {SHAPE}, got none. Write of which shape this "
                "corner is."
            )
        kind = _kind_written(entries)
        if kind == "box" and shape not in BOXES:
            raise PromptError(
                f"Expected positive or negative as kind of a {shape}, got 'box'. Its "
                f"{SHAPE_TYPE} tells what it is."
            )
        if kind == NEGATIVE and shape in BOXES:
            raise PromptError(
                f"Expected no negative {shape}, as it is a box around the object. Make "
                "it a polygon."
            )
        corner = tuple(self._numbers(self.axes, entries))
        name = self._name(line, entries)
        return Thing(line, name, shape, [corner], kind != NEGATIVE)

    def _name(self, line: int, entries: Mapping[str, str]) -> str | int:
        if OBJECT not in self.names:
            return 0 if POLARITY in self.names else line
        name = " ".join(entries[OBJECT].split())
        if name.casefold() in NAMELESS:
            raise PromptError(
                f"Expected an object on every line, got {name or 'none'} here. Name "
                "it, or take the column object out: then each line is one."
            )
        whole = WHOLE.fullmatch(self._decimal(name))  # as pandas and napari write them
        return whole[1] if whole else name

    def _second_corner(self, entries: Mapping[str, str]) -> Position:
        own = [
            second if number in self.needed or entries.get(second) else first
            for number, (first, second) in enumerate(
                zip(self.axes, self.seconds, strict=True)
            )
        ]
        return tuple(self._numbers(own, entries))

    def _numbers(
        self, names: Sequence[str], entries: Mapping[str, str]
    ) -> Iterator[float]:
        for name in names:
            text = entries.get(name, "")
            try:
                value = float(self._decimal(text))
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise PromptError(
                    f"Expected a finite number as {name}, got {text!r}. Give pixels, "
                    "from 0."
                )
            near = round(value)
            yield float(near) if abs(value - near) < NEARLY_WHOLE else value

    def _decimal(self, text: str) -> str:
        return text if self.separator == "," else text.replace(",", ".")


def _kind_written(entries: Mapping[str, str]) -> str:
    """Return a key of `KINDS` without another name; empty where nothing is written."""
    text = entries.get(KIND) or entries.get(POLARITY, "")
    if not text:
        return ""
    try:
        return KINDS[text.casefold()]
    except KeyError:
        raise PromptError(
            f"Expected point, negative or box as kind, got {text!r}."
            f"{did_you_mean(text, KINDS)}"
        ) from None


def _whole(vertices: Sequence[Thing]) -> Thing:
    corners = [vertex.corners[0] for vertex in vertices]
    is_positive = all(vertex.positive for vertex in vertices)
    return vertices[0]._replace(corners=corners, positive=is_positive)
