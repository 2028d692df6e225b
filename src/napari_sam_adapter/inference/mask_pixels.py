"""Low-resolution logits to the pixels of a mask, touching only what may be inside."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.inference.stability import OFFSET
from napari_sam_adapter.model.families import SAM
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.inference.preprocessing import Frame
    from napari_sam_adapter.model.families import Family

    _Places = npt.NDArray[np.int64]

_COLUMNS = 256
"""Columns of pixels that are evaluated together."""
_DOUBT = 2e-6
"""Values below this share of the largest logit may have another sign by rounding."""


class _Axis(NamedTuple):
    """How pixels along one axis follow from logits.

    Attributes
    ----------
    weights : (pixels, logits) tensor
        Both bilinear steps and the crop between them; three weights in a row.
    first, last : (pixels,) int arrays
        The first and the last logit that a pixel depends on.
    """

    weights: Tensor
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    def reached(self, used: npt.ArrayLike) -> slice:
        """Return the pixels that depend on logits from the first to the last used."""
        where = np.flatnonzero(used)
        start = np.searchsorted(self.last, where[0])
        stop = np.searchsorted(self.first, where[-1], side="right")
        return slice(int(start), int(stop))

    def needed(self, pixels: slice) -> slice:
        """Return the logits that a range of pixels depends on."""
        return slice(int(self.first[pixels][0]), int(self.last[pixels][-1]) + 1)


class MaskInBox(NamedTuple):
    """A mask cut to the box around it.

    Attributes
    ----------
    top, left : int
        Row and column of the first pixel of the box.
    pixels : (h, w) bool array
        The mask in its box; (0, 0) for an empty mask.
    stability : float
        0 to 1, of the logits of the image's pixels, see `stability`.
    """

    top: int
    left: int
    pixels: npt.NDArray[np.bool_]
    stability: float


class PixelMasks(NamedTuple):
    """Masks of a whole plane, and where they can be.

    Attributes
    ----------
    masks : (N, H, W) bool array
        Of which only the boxes were ever touched.
    boxes : list of (row_start, column_start, row_stop, column_stop)
        Half-open; outside of its box a mask is empty.
    """

    masks: npt.NDArray[np.bool_]
    boxes: list[tuple[int, int, int, int]]


def to_pixels(logits: Tensor, frame: Frame, family: Family = SAM) -> PixelMasks:
    """Tell where the logits, scaled to the image, are above zero.

    Parameters
    ----------
    logits : (N, h, w) tensor
        Masks in the network's square.
    frame : Frame
        How the image lies in it.
    family : Family
        How the network's authors scale masks.

    Returns
    -------
    PixelMasks
        For SAM's way equal to ``frame.to_masks(logits) > 0``.

    Notes
    -----
    A bilinear value is never above all its neighbours: what depends on no positive
    logit is outside. Where rounding could decide, the two published steps decide.
    """
    masks, boxes = np.zeros((len(logits), *frame.original), bool), []
    for low, mask in zip(logits.detach().float().cpu(), masks, strict=True):
        box = (0, 0, 0, 0)
        for rows, columns, values in _scaled_parts(low, frame, family, floor=0):
            np.greater(values, 0, out=mask[rows, columns])
            left = box[1] if box[3] else columns.start
            box = rows.start, left, rows.stop, columns.stop
        boxes.append(box)
    return PixelMasks(masks, boxes)


def to_box(low: Tensor, frame: Frame, family: Family = SAM) -> MaskInBox:
    """Return one mask without making the pixels around it.

    Parameters
    ----------
    low : (h, w) tensor
        Logits in the network's square.
    frame, family
        As in `to_pixels`.

    Returns
    -------
    MaskInBox
        With the pixels that `to_pixels` gives.
    """
    parts = list(
        _scaled_parts(low.detach().float().cpu(), frame, family, floor=-OFFSET)
    )
    inner, outer = (
        sum(np.count_nonzero(values > limit) for _, _, values in parts)
        for limit in (OFFSET, -OFFSET)
    )
    inside = [values > 0 for _, _, values in parts]
    if not any(part.any() for part in inside):
        return MaskInBox(0, 0, np.zeros((0, 0), bool), 0.0)
    mask = np.concatenate(inside, axis=1)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    pixels = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    top, left = parts[0][0].start + rows[0], parts[0][1].start + columns[0]
    return MaskInBox(int(top), int(left), pixels, inner / outer)


def scaled_logits(logits: Tensor, frame: Frame, family: Family = SAM) -> Tensor:
    """Scale masks to the image as a family's authors do.

    Parameters
    ----------
    logits : (N, h, w) tensor
        Masks in the network's square.
    frame : Frame
        How the image lies in it.
    family : Family
        How its authors scale masks.

    Returns
    -------
    (N, H, W) tensor
        Logits of every pixel.
    """
    if family.upscaling == "twice":
        return frame.to_masks(logits)
    if family.upscaling == "bicubic":
        return F.interpolate(logits[:, None], frame.original, mode="bicubic")[:, 0]
    probabilities = logits.sigmoid()[:, None]
    return F.interpolate(probabilities, frame.original, mode="bilinear")[:, 0].logit()


def _scaled_parts(
    low: Tensor, frame: Frame, family: Family, floor: float
) -> Iterator[tuple[slice, slice, npt.NDArray[np.float32]]]:
    """Yield rows, columns and logits of what may be above the floor, left to right."""
    if family.upscaling != "twice":
        values = scaled_logits(low[None], frame, family)[0].numpy()
        yield slice(0, len(values)), slice(0, len(values.T)), values
        return
    rows, columns = _axes(frame, low.shape[-1])
    inside = low.numpy() > floor  # NumPy compares ten times as fast as torch
    if not inside.any():
        return
    tall, wide = rows.reached(inside.any(1)), columns.reached(inside.any(0))
    if tall.start >= tall.stop or wide.start >= wide.stop:
        return  # all of it lies in the padding
    tall_low, wide_low = rows.needed(tall), columns.needed(wide)
    part = low[tall_low, wide_low]
    stretched = product(rows.weights[tall, tall_low].contiguous(), part.T.contiguous())
    limit = _DOUBT * float(part.abs().max())
    for start in range(wide.start, wide.stop, _COLUMNS):
        block = slice(start, min(start + _COLUMNS, wide.stop))
        band = columns.needed(block)
        shifted = slice(band.start - wide_low.start, band.stop - wide_low.start)
        weights = columns.weights[block, band].contiguous()
        values = product(stretched[:, shifted].contiguous(), weights).numpy()
        sizes = np.abs(values)
        if sizes.min() < limit:
            y, x = np.nonzero(sizes < limit)
            doubtful = y + tall.start, x + start
            values[y, x] = _two_steps(low, (tall_low, band), frame, *doubtful)
        yield tall, block, values


@lru_cache(maxsize=4)
def _axes(frame: Frame, low: int) -> tuple[_Axis, _Axis]:
    """Return rows and columns of a frame with logits of side `low`."""
    made = []
    for resized, original in zip(frame.resized, frame.original, strict=True):
        square = F.interpolate(torch.eye(low)[None], size=frame.size, mode="linear")
        weights = F.interpolate(square[..., :resized], size=original, mode="linear")
        weights = weights[0].T.contiguous()
        used = weights.numpy() > 0
        first = used.argmax(axis=1)
        last = low - 1 - used[:, ::-1].argmax(axis=1)
        made.append(_Axis(weights, first, last))
    rows, columns = made
    return rows, columns


def _two_steps(
    low: Tensor, used: tuple[slice, slice], frame: Frame, y: _Places, x: _Places
) -> npt.NDArray[np.float32]:
    """Evaluate single pixels as `Frame.to_masks` does, in its order of operations."""
    # the first step has a whole factor, so that a part of it has the same rounding
    factor = frame.size // low.shape[-1]
    part = low[used][None, None]
    square = F.interpolate(part, scale_factor=factor, mode="bilinear")[0, 0].numpy()
    (top, bottom, dy), (left, right, dx) = (
        _neighbours(pixel, resized, original, factor * part.start, side)
        for pixel, resized, original, part, side in zip(
            (y, x), frame.resized, frame.original, used, square.shape, strict=True
        )
    )
    upper = (1 - dx) * square[top, left] + dx * square[top, right]
    lower = (1 - dx) * square[bottom, left] + dx * square[bottom, right]
    settled: npt.NDArray[np.float32] = (1 - dy) * upper + dy * lower
    return settled


def _neighbours(
    pixel: _Places, resized: int, original: int, start: int, side: int
) -> tuple[_Places, _Places, npt.NDArray[np.float32]]:
    """Return the two neighbours of a pixel, from `start`, and the second's weight."""
    scale = np.float32(resized / original)
    position = np.maximum(scale * (pixel.astype(np.float32) + 0.5) - 0.5, 0)
    first = np.minimum(position.astype(np.int64), resized - 1)
    second = np.minimum(first + 1, resized - 1)
    second = np.minimum(second - start, side - 1)  # one beyond has no weight
    return first - start, second, (position - first).astype(np.float32)
