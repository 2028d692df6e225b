"""Several channels of an image as the colours of one picture."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import (
    PLANE,
    IntensityMapping,
    estimate_intensity,
    places_across,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

COLOURS_OF: dict[int, tuple[int, ...]] = {2: (0, 0, 1), 3: (0, 1, 2)}
"""Which channels are red, green and blue, by how many there are."""
SIDE_TO_ESTIMATE = 512
"""Pixels along the longer side of a level that are enough for its window."""


class ChannelWindows:
    """The windows through which channels become colours, the same at every level.

    Parameters
    ----------
    channels : sequence of sequences of array-like
        All levels of every channel, the full resolution first.
    chosen : sequence of IntensityMapping, optional
        One per channel; default the percentiles of a few planes, at first use.

    Raises
    ------
    ImageError
        If there are not two or three channels of real numbers, or not one window for
        each that holds for all planes.
    """

    def __init__(
        self,
        channels: Sequence[Sequence[ArrayLike]],
        chosen: Sequence[IntensityMapping] | None = None,
    ) -> None:
        if len(channels) not in COLOURS_OF:
            raise ImageError(
                f"Expected two or three channels as colours, got {len(channels)}. "
                "Choose those that tell the objects best."
            )
        for full, *_ in channels:
            if np.dtype(full.dtype).kind not in "buif":
                raise ImageError(
                    f"Expected channels of real numbers, got {full.dtype}. Convert "
                    "them first, for example to their magnitude."
                )
        if chosen is not None and (
            len(chosen) != len(channels) or any(one.rule == PLANE for one in chosen)
        ):
            raise ImageError(
                f"Expected {len(channels)} windows that hold for all planes, one per "
                f"channel, got {', '.join(one.rule for one in chosen) or 'none'}. Give "
                "each the values that become black and white."
            )
        self._channels, self._chosen = channels, chosen

    @cached_property
    def each(self) -> tuple[IntensityMapping, ...]:
        """One window per channel."""
        return tuple(self._chosen or map(_estimated, self._channels))


class Composite:
    """Channels of one shape as 8-bit colours along a last axis.

    Parameters
    ----------
    channels : sequence of array-like
        Two or three; only what an index asks for is read.
    windows : ChannelWindows
        Of as many channels.

    Attributes
    ----------
    shape : tuple of int
        That of a channel, and 3.
    dtype : dtype
        8 bits.
    """

    def __init__(self, channels: Sequence[ArrayLike], windows: ChannelWindows) -> None:
        self._channels, self._windows = channels, windows
        self.shape = (*channels[0].shape, 3)
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        *place, colour = key
        colours = COLOURS_OF[len(self._channels)]
        if not isinstance(colour, slice):
            return self._seen(colours[colour], tuple(place))
        seen = {n: self._seen(n, tuple(place)) for n in set(colours[colour])}
        return np.stack([seen[number] for number in colours[colour]], axis=-1)

    def _seen(self, number: int, place: tuple[Any, ...]) -> npt.NDArray[np.uint8]:
        values = np.asarray(self._channels[number][place])
        return self._windows.each[number].apply(values)


def check_one_channel(image: OpenedImage, tip: str) -> None:
    """Raise if channels have to be chosen first.

    Parameters
    ----------
    image : OpenedImage
        The image.
    tip : str
        How to choose them.

    Raises
    ------
    ImageError
        If it has several that are no colours.
    """
    if image.channels:
        raise ImageError(
            f"Expected one channel or colour, got {image.channels} channels in "
            f"{image.name}. {tip}."
        )


def _estimated(levels: Sequence[ArrayLike]) -> IntensityMapping:
    enough = [part for part in levels if max(part.shape[-2:]) >= SIDE_TO_ESTIMATE]
    return estimate_intensity(_readable_planes(enough[-1] if enough else levels[0]))


def _readable_planes(data: ArrayLike) -> Iterator[npt.NDArray[Any]]:
    # One broken plane must not make the others useless.
    for place in places_across(data.shape[:-2]):
        with contextlib.suppress(ImageError):
            yield np.asarray(data[place])
