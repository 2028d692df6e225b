"""Masks computed at their rim only, where every logit has a cell of pixels.

The pixels of a cell are weighted means of its logit and the eight around it. Where
these nine are on the same side of a limit, the whole cell is. What is left is the rim
of a mask: one product makes all of its pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch.nn.functional as F

from napari_sam_adapter.boxed_mask import bounding_box
from napari_sam_adapter.inference.cell_grid import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.inference.cell_grid import CellGrid
    from napari_sam_adapter.inference.pixel_axis import Places, Room

    _Floats = npt.NDArray[np.float32]
    _Flags = npt.NDArray[np.bool_]
    _Bytes = npt.NDArray[np.uint8]
    _Area = tuple[slice, slice]

_ALIKE: dict[int, npt.NDArray[Any]] = {
    side: np.repeat(np.array([0, 1], np.uint8), side).view(word)
    for side, word in WORDS.items()
}
"""Words of pixels outside and inside."""


class Rim(NamedTuple):
    """Computed cells of a mask.

    Attributes
    ----------
    values : (T, side * side) float32 array
        Logits of their pixels; minus infinity beyond the plane.
    rows, columns : (T,) int arrays
        Of the cells, in the plane.
    """

    values: _Floats
    rows: Places
    columns: Places


class CellMask(NamedTuple):
    """Which cells of a mask are inside, and which have to be computed.

    Attributes
    ----------
    grid : CellGrid
        Of the plane.
    top, left : int
        Row and column of the first cell.
    logits : (h + 2, w + 2) float32 array
        Of the cells and of those around them.
    levels : (h, w) uint8 array
        How many limits all pixels of a cell are above; 0 in the rim.
    is_rim : (h, w) bool array
        Cells that may lie on both sides of a limit.
    """

    grid: CellGrid
    top: int
    left: int
    logits: _Floats
    levels: _Bytes
    is_rim: _Flags

    @property
    def area(self) -> _Area:
        """Rows and columns of the plane that the cells cover."""
        side, plane = self.grid.side, self.grid.plane
        (rows, columns), top, left = self.levels.shape, self.top, self.left
        bottom, right = min(side * (top + rows), plane[0]), side * (left + columns)
        return slice(side * top, bottom), slice(side * left, min(right, plane[1]))

    def above(self, limits: int) -> int:
        """Count the pixels of cells that are above so many limits as a whole."""
        return int(np.count_nonzero(self.levels >= limits)) * self.grid.side**2

    def pixels(self, limits: int, room: Room) -> _Flags:
        """Return the pixels of all cells that are above so many limits.

        Returns
        -------
        (h * side, w * side) bool array
            Until the room is used for the same again.
        """
        side, (height, width) = self.grid.side, self.levels.shape
        out = room.flags("cells", height, side, width * side)
        inside = (self.levels >= limits).view(np.uint8)
        out.view(WORDS[side])[:] = _ALIKE[side].take(inside)[:, None]
        return out.reshape(height * side, -1)

    def put(self, rim: Rim, inside: _Flags, pixels: _Flags) -> None:
        """Write computed cells, (T, side * side), into pixels."""
        side, (height, width) = self.grid.side, self.levels.shape
        words: Any = pixels.view(WORDS[side]).reshape(height, side, width)
        rows, columns = rim.rows - self.top, rim.columns - self.left
        words[rows, :, columns] = inside.view(WORDS[side])

    def rim(self, most: int) -> Iterator[Rim]:
        """Compute the other cells.

        Parameters
        ----------
        most : int
            Pixels that are made together.

        Yields
        ------
        Rim
            Some of them.
        """
        found = np.flatnonzero(self.is_rim)
        width = self.logits.shape[1]
        around = (np.arange(3)[:, None] * width + np.arange(3)).reshape(-1, 1)
        logits = self.logits.reshape(-1)
        step = max(1, most // self.grid.side**2)
        for start in range(0, len(found), step):
            rows, columns = np.divmod(found[start : start + step], width - 2)
            nine = logits.take(rows * width + columns + around)
            rows, columns = rows + self.top, columns + self.left
            yield Rim(self.grid.values(nine, rows, columns), rows, columns)


def cells_of(
    logits: Tensor, grid: CellGrid, limits: Sequence[float]
) -> Iterator[CellMask | None]:
    """Tell on which side of some limits the cells of masks lie.

    Parameters
    ----------
    logits : (N, h, w) float32 tensor
        Masks in the network's square, best of one place.
    grid : CellGrid
        Of the plane.
    limits : sequence of float
        In ascending order.

    Yields
    ------
    CellMask or None
        For each mask; None if it is nowhere above the first limit.
    """
    area = _area(logits.numpy() > limits[0], grid)
    if area is None:
        yield from [None] * len(logits)
        return
    rows, columns = area
    part = _with_neighbours(logits, area)
    codes = np.zeros(part.shape, np.uint8)
    for limit in limits:
        codes += part > limit
    levels = _of_nine(np.minimum, codes)
    is_rim = levels != _of_nine(np.maximum, codes)
    # not all pixels of the last cells may lie in the plane
    is_rim[:, grid.plane[0] // grid.side - rows.start :] = True
    is_rim[:, :, grid.plane[1] // grid.side - columns.start :] = True
    levels *= ~is_rim
    for low, level, flags in zip(part, levels, is_rim, strict=True):
        top, left, bottom, right = bounding_box((level > 0) | flags)
        box = slice(top, bottom), slice(left, right)
        near = low[top : bottom + 2, left : right + 2]
        corner = rows.start + top, columns.start + left
        yield CellMask(grid, *corner, near, level[box], flags[box]) if bottom else None


def _area(inside: _Flags, grid: CellGrid) -> _Area | None:
    """Return the cells that depend on logits inside any mask."""
    low = inside.shape[-1]
    packed = np.packbits(inside).reshape(len(inside), low, low // 8)
    anywhere = np.bitwise_or.reduce(packed, axis=0)
    found = np.flatnonzero(anywhere.view(np.uint32))
    if not found.size:
        return None
    first, last = int(found[0]) // (low // 32), int(found[-1]) // (low // 32)
    across = np.bitwise_or.reduce(anywhere[first : last + 1], axis=0)
    columns = np.flatnonzero(np.unpackbits(across))
    ends = (first, last), (int(columns[0]), int(columns[-1]))
    rows, across_ = (
        slice(max(0, low_ - 1), min(count, high + 2))
        for (low_, high), count in zip(ends, grid.shape, strict=True)
    )
    is_padding = rows.start >= rows.stop or across_.start >= across_.stop
    return None if is_padding else (rows, across_)


def _with_neighbours(logits: Tensor, area: _Area) -> _Floats:
    """Cut out cells with one more on every side, those at an edge repeated."""
    rows, columns = area
    low = logits.shape[-1]
    pads = [columns.start == 0, columns.stop == low, rows.start == 0, rows.stop == low]
    above, before = max(0, rows.start - 1), max(0, columns.start - 1)
    part = logits[:, above : rows.stop + 1, before : columns.stop + 1]
    if any(pads):
        part = F.pad(part, [int(pad) for pad in pads], mode="replicate")
    found: _Floats = np.ascontiguousarray(part.numpy())
    return found


def _of_nine(extreme: np.ufunc, codes: _Bytes) -> _Bytes:
    """Reduce every cell with its neighbours, as if all rows were one."""
    _, height, width = codes.shape
    flat, out = codes.reshape(-1), np.empty(codes.size, np.uint8)
    three = extreme(extreme(flat[:-2], flat[1:-1]), flat[2:])
    six = extreme(three[: -2 * width], three[width:-width])
    extreme(six, three[2 * width :], out=out[: six.size])
    nine: Any = out.reshape(codes.shape)[:, : height - 2, : width - 2]
    return np.ascontiguousarray(nine)
