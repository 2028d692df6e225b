"""Planes where every logit stands for a square of pixels, its cell."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam_adapter.inference.masks.pixel_axis import axis_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.inference.masks.pixel_axis import Places

    _Floats = npt.NDArray[np.float32]

WORDS = {8: np.uint64, 16: np.complex128}
"""What is as long as the pixels along a side of a cell, so that they move together.

With fewer pixels a mask is little but rim, and all of its box is made sooner.
"""
_ALONE = 2**18 // 9
"""Pixels of one product: for more, NumPy's library wakes threads that cost more."""
_EXACT = 1e-7
"""Most by which the weights of two cells differ that share a product."""


class CellGrid(NamedTuple):
    """How the pixels of cells follow from logits.

    Attributes
    ----------
    side : int
        Pixels along a side of a cell.
    plane : (int, int)
        Rows and columns of pixels.
    shape : (int, int)
        Rows and columns of cells; the last ones may lie in the plane in part only.
    products : (3, 3, 9, side * side) float32 array
        From a logit and its eight neighbours to the pixels of a cell, in the first, a
        middle and the last row and column of the plane.
    """

    side: int
    plane: tuple[int, int]
    shape: tuple[int, int]
    products: _Floats

    def values(self, nine: _Floats, rows: Places, columns: Places) -> _Floats:
        """Return the pixels of some cells.

        Parameters
        ----------
        nine : (9, T) float32 array
            Logits of each cell and its neighbours.
        rows, columns : (T,) int arrays
            Of the cells.

        Returns
        -------
        (T, side * side) float32 array
            Logits; minus infinity beyond the plane.
        """
        values = np.empty((len(rows), self.side**2), np.float32)
        step = _ALONE // values.shape[1]
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            np.matmul(nine[:, some].T, self.products[1, 1], out=values[some])
        last = self.shape[0] - 1, self.shape[1] - 1
        ends = rows.min(), columns.min(), last[0] - rows.max(), last[1] - columns.max()
        if min(ends) > 0:
            return values
        is_inner = (rows > 0) & (rows < last[0]) & (columns > 0) & (columns < last[1])
        y = 1 - (rows == 0) + (rows == last[0])
        x = 1 - (columns == 0) + (columns == last[1])
        for kind in np.ndindex(3, 3):
            alike = (y == kind[0]) & (x == kind[1]) & ~is_inner
            if alike.any():
                values[alike] = nine[:, alike].T @ self.products[kind]
        squares = values.reshape(-1, self.side, self.side)
        squares[rows == last[0], self.plane[0] - last[0] * self.side :] = -np.inf
        squares[columns == last[1], :, self.plane[1] - last[1] * self.side :] = -np.inf
        return values


@lru_cache(maxsize=4)
def cell_grid(frame: Frame, low: int) -> CellGrid | None:
    """Return the cells of a plane.

    Parameters
    ----------
    frame : Frame
        How the plane lies in the network's square.
    low : int
        Side of the square in logits.

    Returns
    -------
    CellGrid or None
        None if logits have no whole number of pixels, or one that has no word.
    """
    side = max(frame.original) * frame.size // (max(frame.resized) * low)
    if side not in WORDS or low % 32:
        return None
    rows, columns = (
        _kernels(axis_weights(frame.size, resized, original, low), side)
        for resized, original in zip(frame.resized, frame.original, strict=True)
    )
    if rows is None or columns is None:
        return None
    shape = -(-frame.original[0] // side), -(-frame.original[1] // side)
    products = [[np.kron(row, column).T for column in columns] for row in rows]
    return CellGrid(side, frame.original, shape, np.array(products, np.float32))


def _kernels(weights: _Floats, side: int) -> _Floats | None:
    """Return weights (3, side, 3) of the first, a middle and the last cell."""
    pixels, low = weights.shape
    count = -(-pixels // side)
    if not 3 <= count <= low:
        return None
    padded = np.zeros((count * side, low + 2), np.float32)
    padded[:pixels, 1:-1] = weights
    cells = np.stack([padded[side * i :, i : i + 3][:side] for i in range(count)])
    is_whole = np.allclose(cells.sum(2).ravel(), padded.sum(1))
    if not is_whole or np.abs(cells[1:-1] - cells[1]).max() > _EXACT:
        return None
    kernels: _Floats = cells[[0, 1, -1]]
    return kernels
