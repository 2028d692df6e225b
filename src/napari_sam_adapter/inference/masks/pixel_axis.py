"""How pixels along one axis follow from logits, and room to work them out."""

from __future__ import annotations

import math
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.inference.frame.preprocessing import Frame

    Places = npt.NDArray[np.int64]

TOGETHER = 16
"""Pixels along an axis that share one small product."""


class Room(threading.local):
    """Arrays for what is not needed for long, each thread its own.

    Notes
    -----
    Freed memory goes back to the system as soon as there is much of it, and to clear
    its pages when it is asked for again takes longer than the sums in them.
    """

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, type], npt.NDArray[Any]] = {}

    def floats(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """Return an array that holds anything, until the name is asked for again."""
        found: npt.NDArray[np.float32] = self._array(name, np.float32, shape)
        return found

    def flags(self, name: str, *shape: int) -> npt.NDArray[np.bool_]:
        """Return an array like that of `floats`, of bool."""
        found: npt.NDArray[np.bool_] = self._array(name, np.bool_, shape)
        return found

    def _array(self, name: str, dtype: type, shape: tuple[int, ...]) -> Any:
        size = math.prod(shape)
        found = self._arrays.get((name, dtype))
        if found is None or found.size < size:
            found = self._arrays[name, dtype] = np.empty(size, dtype)
        return found[:size].reshape(shape)


class PixelAxis(NamedTuple):
    """How pixels along one axis follow from logits.

    A pixel depends on few logits, and so do `TOGETHER` pixels in a row, a group.
    Products of groups are small enough for NumPy to make them all in one call, without
    waiting for other threads.

    Attributes
    ----------
    weights : (groups, pixels of a group, logits of a group) float32 array
        Both bilinear steps and the crop between them.
    starts : (groups,) int array
        The first logit of each group.
    first, last : (pixels,) int arrays
        The first and the last logit that a pixel depends on.
    """

    weights: npt.NDArray[np.float32]
    starts: Places
    first: Places
    last: Places

    def reached(self, used: npt.NDArray[np.bool_]) -> slice:
        """Return the groups that depend on logits in use, at least one, as pixels."""
        least, most = used.argmax(), len(used) - 1 - used[::-1].argmax()
        start = int(self.last.searchsorted(least)) // TOGETHER * TOGETHER
        stop = -(-int(self.first.searchsorted(most, "right")) // TOGETHER) * TOGETHER
        return slice(start, min(stop, len(self.first)))

    def needed(self, pixels: slice) -> slice:
        """Return the logits that whole groups depend on."""
        starts = self.starts[self._groups(pixels)]
        return slice(int(starts[0]), int(starts[-1]) + self.weights.shape[2])

    def seen(self, pixels: Places) -> slice:
        """Return the logits that single pixels depend on."""
        return slice(int(self.first[pixels].min()), int(self.last[pixels].max()) + 1)

    def to_rows(
        self, logits: npt.NDArray[np.float32], pixels: slice, start: int, room: Room
    ) -> npt.NDArray[np.float32]:
        """Turn rows of logits into rows of pixels.

        Parameters
        ----------
        logits : (L, M) float32 array
            Rows from `start` on, at least those that the pixels need.
        pixels : slice
            Whole groups.
        start : int
            The first logit that is there.
        room : Room
            Where the pixels are made.

        Returns
        -------
        (pixels, M) float32 array
            Until the room is used for the same again.
        """
        windows = self._windows(logits, pixels, start, room)
        weights = self.weights[self._groups(pixels)]
        out = room.floats("rows", *weights.shape[:2], logits.shape[1])
        np.matmul(weights, windows, out=out)
        return out.reshape(-1, logits.shape[1])[: pixels.stop - pixels.start]

    def to_columns(
        self, logits: npt.NDArray[np.float32], pixels: slice, start: int, room: Room
    ) -> npt.NDArray[np.float32]:
        """Turn columns of logits into columns of pixels.

        Parameters
        ----------
        logits : (M, L) float32 array
            Columns from `start` on, at least those that the pixels need.
        pixels, start, room
            As of `to_rows`.

        Returns
        -------
        (M, pixels) float32 array
            Until the room is used for the same again.
        """
        windows = self._windows(logits.T.copy(), pixels, start, room)
        weights = self.weights[self._groups(pixels)]
        groups, several, _ = weights.shape
        blocks = room.floats("blocks", groups, len(logits), several)
        np.matmul(windows.transpose(0, 2, 1), weights.transpose(0, 2, 1), out=blocks)
        out = room.floats("columns", len(logits), groups, several)
        np.copyto(out, blocks.transpose(1, 0, 2))
        return out.reshape(len(logits), -1)[:, : pixels.stop - pixels.start]

    def _groups(self, pixels: slice) -> slice:
        return slice(pixels.start // TOGETHER, -(-pixels.stop // TOGETHER))

    def _windows(
        self, logits: npt.NDArray[np.float32], pixels: slice, start: int, room: Room
    ) -> npt.NDArray[np.float32]:
        """Return the rows (groups, logits of a group, M) that each group needs."""
        begin = self.starts[self._groups(pixels)] - start
        seen = begin[:, None] + np.arange(self.weights.shape[2])
        out = room.floats("windows", *seen.shape, logits.shape[1])
        return np.take(logits, seen, axis=0, out=out, mode="clip")


@lru_cache(maxsize=4)
def pixel_axes(frame: Frame, low: int) -> tuple[PixelAxis, PixelAxis]:
    """Return rows and columns of a frame with logits of side `low`."""
    rows, columns = (
        pixel_axis(frame.size, resized, original, low)
        for resized, original in zip(frame.resized, frame.original, strict=True)
    )
    return rows, columns


def pixel_axis(size: int, resized: int, original: int, low: int) -> PixelAxis:
    """Return how the pixels of a plane follow from the logits of a square.

    Parameters
    ----------
    size : int
        Side of the network's square.
    resized : int
        Part of it that the plane has along this axis.
    original : int
        Pixels of the plane.
    low : int
        Side of the square in logits.

    Returns
    -------
    PixelAxis
        Both bilinear steps in one.
    """
    weights = axis_weights(size, resized, original, low)
    used = weights > 0
    first = used.argmax(axis=1)
    last = low - 1 - used[:, ::-1].argmax(axis=1)
    begin = np.arange(0, original, TOGETHER)
    starts = first[begin]
    most = int((last[np.minimum(begin + TOGETHER, original) - 1] - starts).max()) + 1
    starts = np.minimum(starts, low - most)
    grouped = np.zeros((len(starts), TOGETHER, most), np.float32)
    pixel = np.arange(original)[:, None]
    seen = starts[pixel // TOGETHER] + np.arange(most)
    grouped.reshape(-1, most)[:original] = weights[pixel, seen]
    return PixelAxis(grouped, starts, first, last)


def axis_weights(
    size: int, resized: int, original: int, low: int
) -> npt.NDArray[np.float32]:
    """Return the weight of each logit for each pixel of an axis.

    Parameters
    ----------
    size, resized, original, low
        As of `pixel_axis`.

    Returns
    -------
    (original, low) float32 array
        Both bilinear steps and the crop between them.
    """
    square = F.interpolate(torch.eye(low)[None], size=size, mode="linear")
    scaled = F.interpolate(square[..., :resized], size=original, mode="linear")
    weights: npt.NDArray[np.float32] = scaled[0].T.numpy()
    return weights
