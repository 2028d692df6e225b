"""Masks computed at their rim only, where every logit has a cell of pixels.

The pixels of a cell are weighted means of its logit and the eight around it. Where
these nine are on the same side of a limit, the whole cell is. What is left is the rim
of a mask: products make its pixels, those of several masks together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch.nn.functional as F

from napari_sam_adapter.boxed_mask import bounding_boxes
from napari_sam_adapter.inference.masks.cell_grid import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.inference.masks.cell_grid import CellGrid
    from napari_sam_adapter.inference.masks.pixel_axis import Places, Room

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
    """Cells of a group of masks that have to be computed, a mask after the other.

    Attributes
    ----------
    masks, rows, columns : (T,) int arrays
        Whose cells they are, and where they are in the plane.
    nine : (9, T) float32 array
        Logits of each cell and its neighbours.
    bounds : list of int
        Where the cells of each mask of the group begin, and the end.
    """

    masks: Places
    rows: Places
    columns: Places
    nine: _Floats
    bounds: list[int]


class CellMasks(NamedTuple):
    """Which cells of some masks are inside, and which have to be computed.

    Attributes
    ----------
    grid : CellGrid
        Of the plane.
    top, left : int
        Row and column of the first cell.
    logits : (N, h + 2, w + 2) float32 array
        Of the cells and of those around them.
    levels : (N, h, w) uint8 array
        How many limits all pixels of a cell are above; 0 in the rim.
    is_rim : (N, h, w) bool array
        Cells that may lie on both sides of a limit.
    boxes : list of (row_start, column_start, row_stop, column_stop)
        Around the cells of each mask that are not outside, from the first cell.
    """

    grid: CellGrid
    top: int
    left: int
    logits: _Floats
    levels: _Bytes
    is_rim: _Flags
    boxes: list[Box]

    def area(self, mask: int) -> _Area:
        """Return the rows and columns of the plane that a mask's cells cover."""
        side, (height, width) = self.grid.side, self.grid.plane
        top, left, bottom, right = self.boxes[mask]
        rows = side * (self.top + top), min(side * (self.top + bottom), height)
        columns = side * (self.left + left), min(side * (self.left + right), width)
        return slice(*rows), slice(*columns)

    def above(self, mask: int, limits: int) -> int:
        """Count the pixels of cells that are above so many limits as a whole."""
        return int(np.count_nonzero(self.levels[mask] >= limits)) * self.grid.side**2

    def pixels(self, mask: int, limits: int, room: Room) -> _Flags:
        """Return the pixels of a mask's cells that are above so many limits.

        Returns
        -------
        (h * side, w * side) bool array
            Of its box, until the room is used for the same again.
        """
        top, left, bottom, right = self.boxes[mask]
        side, height, width = self.grid.side, bottom - top, right - left
        out = room.flags("cells", height, side, width * side)
        inside = self.levels[mask, top:bottom, left:right] >= limits
        out.view(WORDS[side])[:] = _ALIKE[side].take(inside.view(np.uint8))[:, None]
        return out.reshape(height * side, width * side)

    def put(
        self, mask: int, rim: Rim, cells: slice, inside: _Flags, pixels: _Flags
    ) -> None:
        """Write computed cells of a mask, (T, side * side), into its pixels."""
        side, (top, left, bottom, right) = self.grid.side, self.boxes[mask]
        words: Any = pixels.view(WORDS[side]).reshape(bottom - top, side, right - left)
        rows = rim.rows[cells] - (self.top + top)
        columns = rim.columns[cells] - (self.left + left)
        words[rows, :, columns] = inside[cells].view(WORDS[side])

    def rims(self, most: int) -> Iterator[tuple[range, Rim]]:
        """Tell which cells have to be computed, of masks in groups.

        Parameters
        ----------
        most : int
            Cells of a group, if it is not one mask.

        Yields
        ------
        range, Rim
            The masks, and their cells.
        """
        found = np.flatnonzero(self.is_rim)
        count, height, width = self.is_rim.shape
        bounds = np.searchsorted(found, np.arange(count + 1) * (height * width))
        around = (np.arange(3)[:, None] * (width + 2) + np.arange(3)).reshape(-1, 1)
        logits, first = self.logits.reshape(-1), 0
        for stop in range(1, count + 1):
            if stop < count and bounds[stop + 1] - bounds[first] <= most:
                continue
            some = found[bounds[first] : bounds[stop]]
            lines, columns = np.divmod(some, width)
            masks, rows = np.divmod(lines, height)
            # every mask has two rows more in the logits, every row two columns
            nine = logits.take(some + 2 * lines + 2 * (width + 2) * masks + around)
            ends = (bounds[first : stop + 1] - bounds[first]).tolist()
            rows, columns = rows + self.top, columns + self.left
            yield range(first, stop), Rim(masks, rows, columns, nine, ends)
            first = stop


def cells_of(
    logits: Tensor, grid: CellGrid, limits: Sequence[float]
) -> CellMasks | None:
    """Tell on which side of some limits the cells of masks lie.

    Parameters
    ----------
    logits : (N, h, w) float32 tensor
        Masks in the network's square; sooner done if they lie near each other.
    grid : CellGrid
        Of the plane.
    limits : sequence of float
        In ascending order.

    Returns
    -------
    CellMasks or None
        None if no mask is anywhere above the first limit.
    """
    area = _area(logits.numpy() > limits[0], grid)
    if area is None:
        return None
    rows, columns = area
    part = _with_neighbours(logits, area)
    codes: _Bytes = (part > limits[0]).view(np.uint8)
    for limit in limits[1:]:
        codes += (part > limit).view(np.uint8)
    levels = _of_nine(np.minimum, codes)
    is_rim = levels != _of_nine(np.maximum, codes)
    # not all pixels of the last cells may lie in the plane
    is_rim[:, grid.plane[0] // grid.side - rows.start :] = True
    is_rim[:, :, grid.plane[1] // grid.side - columns.start :] = True
    levels *= ~is_rim
    boxes = bounding_boxes((levels > 0) | is_rim)
    return CellMasks(grid, rows.start, columns.start, part, levels, is_rim, boxes)


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
