"""From the text of ``--point``, ``--negative`` and ``--box`` to prompts on planes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.planes.frame import Frame
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.volume.asking.prompt_table import PlanePrompts
    from napari_sam_adapter.volume.planes.frame import Position

TIP = (
    "Choose one with --channel 0, or two or three as colours with --channel 0,1 or "
    "--channel 0,1,2"
)
PAIR = "Choose one with --channel 0, or both as colours with --channel 0,1"


def frame_of(image: OpenedImage, sliced: str | None = None) -> Frame:
    """Return the frame of an image of one channel, or in colour.

    Parameters
    ----------
    image : OpenedImage
        The opened file.
    sliced : str or None
        Value of ``--axis``; as in `Frame.of`.

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
    from napari_sam_adapter.image_io.image.composite import check_one_channel

    check_one_channel(image, PAIR if image.channels == 2 else TIP)
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
    inside = [parse_point(frame, text) for text in points]
    outside = [parse_point(frame, text) for text in negatives]
    corners = [parse_box(frame, text) for text in boxes]
    if not inside and not corners:
        got = "only where it is not" if outside else "no prompt"
        raise PromptError(
            f"Expected an object, got {got}. Give --point {frame.form} or "
            f"--box {frame.form}:{frame.form}."
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


def parse_point(frame: Frame, text: str) -> Position:
    """Read a position inside the image.

    Parameters
    ----------
    frame : Frame
        The image.
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
    position = _parse(frame, text)
    frame.check_inside(position)
    return position


def parse_box(frame: Frame, text: str) -> tuple[Position, Position]:
    """Read a box on one slice.

    Parameters
    ----------
    frame : Frame
        The image.
    text : str
        Two opposite corners, each like a point, with a colon between them.

    Returns
    -------
    tuple of two positions
        The corners.

    Raises
    ------
    PromptError
        If it is malformed or not finite, or the corners lie on two slices, or between
        slices.
    """
    corners = text.split(":")
    if len(corners) != 2:
        raise PromptError(
            f"Expected a box as two corners, {frame.form}:{frame.form}, got {text!r}. "
            "Put a colon between two opposite corners."
        )
    first, second = _parse(frame, corners[0]), _parse(frame, corners[1])
    frame.check_on_one_slice((first, second))
    return first, second


def _parse(frame: Frame, text: str) -> Position:
    try:
        position = tuple(float(part) for part in text.split(","))
    except ValueError:
        position = ()
    if len(position) != len(frame.axes) or not all(map(math.isfinite, position)):
        raise PromptError(
            f"Expected {len(frame.axes)} finite numbers {frame.form}, got {text!r}. "
            f"The image has {sized(frame.shape)} pixels: give one index for each axis, "
            "with commas and no spaces between."
        )
    frame.check_whole(position)
    return position


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
