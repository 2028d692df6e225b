"""What ``segment`` was asked to do, checked against the image before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.cli.coordinates import PlanePrompts, read_objects
from napari_sam_adapter.cli.frame import frame_of
from napari_sam_adapter.cli.segmentation import plan_propagation
from napari_sam_adapter.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.volume.propagation_request import PropagationRange


@dataclass(frozen=True)
class PromptOptions:
    """The options about prompts and slices, as text.

    Parameters
    ----------
    points, negatives, boxes : sequence of str
        Values of ``--point``, ``--negative`` and ``--box``.
    separate : bool
        Whether every point and box is an object of its own.
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
    """

    image: OpenedImage
    objects: list[PlanePrompts]
    plans: list[list[PropagationRange]]

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
        objects = read_objects(
            frame, asked.points, asked.negatives, asked.boxes, asked.separate
        )
        plans = [
            plan_propagation(prompts, frame, asked.start, asked.stop)
            if asked.propagate
            else []
            for prompts in objects
        ]
        return cls(image, objects, plans)

    @property
    def slices(self) -> int:
        """Largest number of slices to be segmented."""
        pairs = zip(self.objects, self.plans, strict=True)
        return sum(sum(map(len, plan)) or len(prompts) for prompts, plan in pairs)
