"""From the text of ``--point``, ``--negative`` and ``--box`` to prompts on planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.planes.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam_adapter.cli.frame import Frame, Position

PlanePrompts = dict[Plane, Prompts]


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
