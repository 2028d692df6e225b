"""Which axis of an image array is space and which is colour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError, SessionError

if TYPE_CHECKING:
    from collections.abc import Sequence

SPATIAL_LETTERS = "tuzyx"
"""Spatial axes of an image layer, which does not name them: the last so many."""
MOST_SPATIAL_AXES = len(SPATIAL_LETTERS)
COLOUR_LENGTHS = (3, 4)
SMALLEST_PLANE_BESIDE_COLOUR = 5
"""Shorter planes with a last axis of 3 or 4 are taken for volumes, not for colour."""


@dataclass(frozen=True)
class Layout:
    """How the axes of an array are used.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape, without the channel axis.
    channel : int or None
        Array axis of the channels.
    is_rgb : bool
        Whether the channels are red, green, blue and perhaps alpha; a channel axis
        of length one is a grey image.
    letters : str
        One per axis of `shape`; empty if nobody told them.
    """

    shape: tuple[int, ...]
    channel: int | None = None
    is_rgb: bool = False
    letters: str = ""


def read_layout(shape: Sequence[int], axes: str = "auto") -> Layout:
    """Return how the axes of an array are used.

    Parameters
    ----------
    shape : sequence of int
        Shape of the array.
    axes : str
        One letter per axis, ``c`` for the channels and any other letter for space or
        time, as in ``"zyx"`` or ``"yxc"``; ``"auto"`` takes a last axis of length 3
        or 4 behind two longer ones for colour.

    Returns
    -------
    Layout
        Spatial shape and channel axis.

    Raises
    ------
    ImageError
        If the letters do not fit the shape, the array is empty, it has less than two
        or more than five spatial axes, or its channels are not colours.
    """
    shape = tuple(int(length) for length in shape)
    channel = _channel_axis(shape, axes)
    spatial = tuple(length for axis, length in enumerate(shape) if axis != channel)
    if not 2 <= len(spatial) <= MOST_SPATIAL_AXES:
        raise ImageError(
            f"Expected an image of 2 to {MOST_SPATIAL_AXES} axes besides colour, got "
            f"shape {shape}. Choose a part of it."
        )
    if 0 in shape:
        raise ImageError(f"Expected an image with pixels, got shape {shape}.")
    letters = "" if axes == "auto" else axes.lower().replace("c", "")
    is_rgb = channel is not None and shape[channel] != 1
    return Layout(spatial, channel, is_rgb, letters)


def check_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the distance between neighbours on every spatial axis.

    Parameters
    ----------
    spacing : sequence of float or None
        One distance per axis; None for 1 on all.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    tuple of float
        Above 0.

    Raises
    ------
    SessionError
        If there is not one finite distance above 0 per axis.
    """
    if spacing is None:
        return (1.0,) * ndim
    try:
        distances = tuple(float(distance) for distance in spacing)
    except (TypeError, ValueError) as error:
        raise SessionError(
            f"Expected {ndim} distances, one per spatial axis, got {spacing!r}."
        ) from error
    if len(distances) != ndim or not all(0 < d < math.inf for d in distances):
        raise SessionError(
            f"Expected {ndim} distances above 0, one per spatial axis, got {distances}."
        )
    return distances


def _channel_axis(shape: tuple[int, ...], axes: str) -> int | None:
    if axes == "auto":
        return len(shape) - 1 if _looks_like_colour(shape) else None
    is_text = isinstance(axes, str)
    if not is_text or len(axes) != len(shape) or len(set(axes.lower())) < len(axes):
        raise ImageError(
            f"Expected one letter for each of the {len(shape)} axes, got {axes!r}. "
            'Write for example "zyx" or "yxc".'
        )
    channel = axes.lower().find("c")
    if channel < 0:
        return None
    if shape[channel] not in (1, *COLOUR_LENGTHS):
        raise ImageError(
            f"Expected 1, 3 or 4 channels, got {shape[channel]}. Choose one: in Python "
            "open_image(PATH).channel(0), in the shell --channel 0."
        )
    return channel


def _looks_like_colour(shape: tuple[int, ...]) -> bool:
    return (
        len(shape) >= 3
        and shape[-1] in COLOUR_LENGTHS
        and min(shape[-3:-1]) >= SMALLEST_PLANE_BESIDE_COLOUR
    )
