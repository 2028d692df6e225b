"""Low-resolution logits to the pixels of a mask, touching only what may be inside."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.boxed_mask import bounding_box, place
from napari_sam_adapter.inference.masks.cell_grid import cell_grid
from napari_sam_adapter.inference.masks.cells import cells_of
from napari_sam_adapter.inference.masks.pixel_axis import TOGETHER, Room, pixel_axes
from napari_sam_adapter.inference.masks.stability import OFFSET
from napari_sam_adapter.inference.masks.two_steps import two_steps
from napari_sam_adapter.model.families.preparation import SAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.inference.masks.cell_grid import CellGrid
    from napari_sam_adapter.inference.masks.cells import CellMasks, Rim
    from napari_sam_adapter.inference.masks.pixel_axis import Places
    from napari_sam_adapter.model.families.preparation import Family

    _Area = tuple[slice, slice]
    _Found = tuple[_Area, npt.NDArray[np.bool_], list[int]]

_CACHED = 2**17
"""Logits of pixels that are made together, so that they are still in the cache."""
_DOUBT = 2e-6
"""Values below this share of the largest logit may have another sign by rounding."""
_MASKS = 8
"""Masks whose cells are looked at together."""
_NOWHERE = slice(0, 0), slice(0, 0)
_ROOM = Room()


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


def to_pixels(logits: Tensor, frame: Frame, family: Family = SAM) -> list[BoxedMask]:
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
    list of BoxedMask
        N masks, for SAM's way equal to ``frame.to_masks(logits) > 0``.

    Notes
    -----
    A bilinear value is never above all its neighbours: what depends on no positive
    logit is outside. Where rounding could decide, the two published steps decide.
    """
    masks = []
    for (rows, columns), pixels, _ in _found(logits, frame, family):
        box = rows.start, columns.start, rows.stop, columns.stop
        masks.append(place(pixels, box, frame.original))
    return masks


def to_boxes(logits: Tensor, frame: Frame, family: Family = SAM) -> Iterator[MaskInBox]:
    """Make masks without the pixels around them.

    Parameters
    ----------
    logits, frame, family
        As in `to_pixels`.

    Yields
    ------
    MaskInBox
        With the pixels that `to_pixels` gives.
    """
    limits = -OFFSET, OFFSET
    for (rows, columns), mask, counts in _found(logits, frame, family, limits):
        top, left, bottom, right = bounding_box(mask)
        if bottom:
            corner = rows.start + top, columns.start + left
            pixels = mask[top:bottom, left:right].copy()
            yield MaskInBox(*corner, pixels, counts[1] / counts[0])
        else:
            yield MaskInBox(0, 0, np.zeros((0, 0), bool), 0.0)


def scaled_logits(logits: Tensor, frame: Frame, family: Family) -> Tensor:
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


def _found(
    logits: Tensor, frame: Frame, family: Family, limits: tuple[float, ...] = ()
) -> Iterator[_Found]:
    """Yield where a mask is, its pixels, and how many are above the limits.

    Where logits have cells of pixels only the rim of a mask is computed, else all of
    the box that it can be in.

    Yields
    ------
    (slice, slice), (h, w) bool array, list of int
        Until the next mask is asked for.
    """
    lows = logits.detach().float().cpu()
    is_twice = family.upscaling == "twice"
    grid = cell_grid(frame, lows.shape[-1]) if is_twice else None
    if grid is None:
        for low in lows:
            yield _by_bands(low, frame, family, limits)
        return
    for some in torch.split(lows, _MASKS):
        yield from _by_cells(some, frame, grid, limits)


def _by_cells(
    lows: Tensor, frame: Frame, grid: CellGrid, limits: tuple[float, ...]
) -> Iterator[_Found]:
    steps = sorted((0.0, *limits))
    cells = cells_of(lows, grid, steps)
    if cells is None:
        yield from [(_NOWHERE, np.zeros((0, 0), bool), [0] * len(limits))] * len(lows)
        return
    most = _CACHED // grid.side**2
    for masks, rim in cells.rims(most):
        inside, counts = _computed(cells, rim, most, lows, frame, limits)
        for i, mask in enumerate(masks):
            pixels = cells.pixels(mask, steps.index(0.0) + 1, _ROOM)
            cells.put(mask, rim, slice(*rim.bounds[i : i + 2]), inside, pixels)
            for j, limit in enumerate(limits):
                counts[i][j] += cells.above(mask, steps.index(limit) + 1)
            rows, columns = area = cells.area(mask)
            seen = pixels[: rows.stop - rows.start, : columns.stop - columns.start]
            yield area, seen, counts[i]


def _computed(
    cells: CellMasks,
    rim: Rim,
    most: int,
    lows: Tensor,
    frame: Frame,
    limits: tuple[float, ...],
) -> tuple[npt.NDArray[np.bool_], list[list[int]]]:
    """Return where cells are inside, and what each mask has above its limits.

    Parameters
    ----------
    cells, rim
        Of a group of masks.
    most : int
        Cells that are computed at once.
    lows, frame, limits
        As in `_found`.

    Returns
    -------
    inside : (T, side * side) bool array
        Pixels of the rim's cells.
    counts : list of list of int
        Of each mask, for each limit the pixels of these cells above it.
    """
    side, count = cells.grid.side, rim.bounds[-1]
    inside = np.empty((count, side**2), bool)  # stays while other masks are made
    counts = [[0] * len(limits) for _ in rim.bounds[1:]]
    for start in range(0, count, most):
        part = slice(start, min(start + most, count))
        rows, columns, nine = rim.rows[part], rim.columns[part], rim.nine[:, part]
        values = cells.grid.values(nine, rows, columns)
        unsure = _signs(values, _DOUBT * np.abs(nine).max(axis=0), inside[part])
        place, within = np.divmod(unsure, side**2)
        y, x = np.divmod(within, side)
        y, x, masks = y + side * rows[place], x + side * columns[place], rim.masks[part]
        for mask in np.unique(masks[place]):
            its = masks[place] == mask
            decided = two_steps(lows[mask], frame, y[its], x[its]) > 0
            inside[part].reshape(-1)[unsure[its]] = decided
        for j, limit in enumerate(limits):
            above = values > limit
            for i, (first, last) in enumerate(pairwise(rim.bounds)):
                its = above[max(0, first - start) : max(0, last - start)]
                counts[i][j] += int(np.count_nonzero(its))
    return inside, counts


def _signs(
    values: npt.NDArray[np.float32],
    doubts: npt.NDArray[np.float32],
    out: npt.NDArray[np.bool_],
) -> Places:
    """Write what is above zero; return where rounding could decide.

    Parameters
    ----------
    values : (T, side * side) float32 array
        Logits of cells.
    doubts : (T,) float32 array
        Distance from zero that is certain in each.
    out : (T, side * side) bool array
        Right everywhere but where rounding could decide.

    Returns
    -------
    (K,) int array
        Places in all values.
    """
    doubt = np.fmax.reduce(doubts)  # passes over what is no number
    np.greater(values, doubt, out=out)
    possible = values > -doubt
    if np.count_nonzero(out) == np.count_nonzero(possible):  # one is in the other
        return np.empty(0, np.int64)
    near = np.flatnonzero(out != possible)
    of_these = values.reshape(-1)[near]
    out.reshape(-1)[near] = of_these > 0
    unsure: Places = near[np.abs(of_these) <= doubts[near // values.shape[1]]]
    return unsure


def _by_bands(
    low: Tensor, frame: Frame, family: Family, limits: tuple[float, ...]
) -> _Found:
    rows, columns = area = _area(low, frame, family, min((0.0, *limits)))
    mask = _ROOM.flags("mask", rows.stop - rows.start, columns.stop - columns.start)
    return area, mask, _fill(mask, area, low, frame, family, limits)


def _area(low: Tensor, frame: Frame, family: Family, floor: float) -> _Area:
    """Return the rows and columns of pixels that may be above the floor."""
    if family.upscaling != "twice":
        return slice(0, frame.original[0]), slice(0, frame.original[1])
    rows, columns = pixel_axes(frame, low.shape[-1])
    inside = low.numpy() > floor
    if inside.any():
        tall, wide = (np.logical_or.reduce(inside, axis) for axis in (1, 0))
        area = rows.reached(tall), columns.reached(wide)
        if all(part.start < part.stop for part in area):
            return area
    return _NOWHERE  # nothing, or all of it lies in the padding


def _fill(
    mask: npt.NDArray[np.bool_],
    area: _Area,
    low: Tensor,
    frame: Frame,
    family: Family,
    limits: tuple[float, ...],
) -> list[int]:
    """Write where an area is above zero; count its logits above some limits."""
    if family.upscaling != "twice":
        values = scaled_logits(low[None], frame, family)[0].numpy()
        np.greater(values, 0, out=mask)
        return [int(np.count_nonzero(values > limit)) for limit in limits]
    counts = [0] * len(limits)
    for rows, values, doubt in _bands(area, low, frame):
        part = mask[rows]
        above = _ROOM.flags("above", *values.shape)
        np.greater(values, doubt, out=part)
        np.greater(values, -doubt, out=above)
        if not np.array_equal(part, above):
            where = np.flatnonzero(part != above)  # many times as fast as np.nonzero
            y, x = np.divmod(where, part.shape[1])
            first = area[0].start + rows.start, area[1].start
            part[y, x] = two_steps(low, frame, y + first[0], x + first[1]) > 0
        for i, limit in enumerate(limits):
            counts[i] += int(np.count_nonzero(np.greater(values, limit, out=above)))
    return counts


def _bands(
    area: _Area, low: Tensor, frame: Frame
) -> Iterator[tuple[slice, npt.NDArray[np.float32], float]]:
    """Yield rows of an area, their logits, and how far from zero these are certain."""
    if area[0].start == area[0].stop:
        return
    rows, columns = pixel_axes(frame, low.shape[-1])
    used = rows.needed(area[0]), columns.needed(area[1])
    part = low.numpy()[used]
    doubt = _DOUBT * max(float(part.max()), -float(part.min()))
    narrow = columns.to_columns(part, area[1], used[1].start, _ROOM)
    step = max(1, _CACHED // (narrow.shape[1] * TOGETHER)) * TOGETHER
    for start in range(area[0].start, area[0].stop, step):
        band = slice(start, min(start + step, area[0].stop))
        values = rows.to_rows(narrow, band, used[0].start, _ROOM)
        yield slice(start - area[0].start, band.stop - area[0].start), values, doubt
