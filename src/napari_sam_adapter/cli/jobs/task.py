"""What ``segment`` was asked to do, checked against the image before any work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_adapter.cli.inputs.coordinates import frame_of, read_objects
from napari_sam_adapter.cli.jobs.segmentation import plan_propagation
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.volume.asking.prompt_table import (
    PlanePrompts,
    PromptTable,
    read_prompt_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.volume.planes.frame import Frame
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRange,
    )


@dataclass(frozen=True)
class PromptOptions:
    """The options about prompts and slices, as text.

    Parameters
    ----------
    points, negatives, boxes : sequence of str
        Values of ``--point``, ``--negative`` and ``--box``.
    separate : bool
        Whether every point and box is an object of its own.
    table : Path or None
        Value of ``--prompts``, in place of all these.
    axis : str or None
        Axis from slice to slice, by letter or number.
    propagate : bool
        Whether to follow the objects.
    start, stop : int or None
        First and last slice to follow them to.
    """

    points: Sequence[str] = ()
    negatives: Sequence[str] = ()
    boxes: Sequence[str] = ()
    separate: bool = False
    table: Path | None = None
    axis: str | None = None
    propagate: bool = False
    start: int | None = None
    stop: int | None = None


@dataclass(frozen=True)
class Task:
    """Objects to segment in an image.

    Parameters
    ----------
    image : OpenedImage
        One channel, or colour.
    objects : list of dict
        Prompts of every object, by slice.
    plans : list of lists of PropagationRange
        Where to follow every object to.
    numbers : list of int
        Their labels.
    names : dict of int to str
        What the table of the prompts calls them, by label.
    left_out : list of str
        Columns of the table that mean nothing.
    """

    image: OpenedImage
    objects: list[PlanePrompts]
    plans: list[list[PropagationRange]]
    numbers: list[int]
    names: dict[int, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, image: OpenedImage, asked: PromptOptions) -> Task:
        """Return the task that the options describe.

        Parameters
        ----------
        image : OpenedImage
            The opened file.
        asked : PromptOptions
            The options.

        Returns
        -------
        Task
            Only with prompts inside the image.

        Raises
        ------
        ImageError
            If a channel has to be chosen first.
        PromptError
            If the prompts do not fit the image, or options contradict each other.
        PlaneError
            If an axis or a range of slices is not there.
        """
        frame = frame_of(image, asked.axis)
        if not asked.propagate and (asked.start, asked.stop) != (None, None):
            raise PromptError("Expected --propagate with --start or --stop. Add it.")
        table = _table_of(frame, asked, image.name)
        plans = [
            plan_propagation(prompts, frame, asked.start, asked.stop)
            if asked.propagate
            else []
            for prompts in table.objects
        ]
        names = dict(zip(table.numbers, table.names, strict=False))  # or has no names
        return cls(image, table.objects, plans, table.numbers, names, table.left_out)

    @property
    def slices(self) -> int:
        """Largest number of slices to be segmented."""
        pairs = zip(self.objects, self.plans, strict=True)
        return sum(sum(map(len, plan)) or len(prompts) for prompts, plan in pairs)


def _table_of(frame: Frame, asked: PromptOptions, image: str) -> PromptTable:
    """Return the prompts of all objects, from a table or from options."""
    options = asked.points, asked.negatives, asked.boxes
    if asked.table is None:
        return PromptTable(read_objects(frame, *options, asked.separate))
    if any(options) or asked.separate:
        raise PromptError(
            "Expected --prompts alone, got --point, --negative, --box or --separate, "
            "too. Write all prompts into the table."
        )
    return read_prompt_table(asked.table, frame, image)
