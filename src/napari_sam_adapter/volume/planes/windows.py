"""Parts of a plane that is much larger than what a network sees at once.

Windows of one level are squares on a grid of half their side, so that whatever is not
larger than a quarter of the side lies well inside one of them: an object is never put
together from pieces, and there are no seams.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from napari_sam_adapter.boxed_mask import BoxedMask, intersection, nothing, place
from napari_sam_adapter.prompts import Prompts, Scribble

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.predictions import MaskPrediction


class Focus(NamedTuple):
    """Where the user looks on a plane.

    Parameters
    ----------
    row, column : float
        Pixels of the plane.
    reduction : float
        As in `Prompts`.
    """

    row: float
    column: float
    reduction: float = 1.0


class Window(NamedTuple):
    """A part of a plane.

    Parameters
    ----------
    top, left, bottom, right : int
        Pixels of the plane, half-open.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts the window out of a plane."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def room_around(self, point: tuple[float, float]) -> float:
        """Return how far a point is from the nearest side.

        Parameters
        ----------
        point : (row, column)
            Pixels of the plane.

        Returns
        -------
        float
            Negative outside of the window.
        """
        row, column = point
        return min(
            row - self.top, column - self.left, self.bottom - row, self.right - column
        )

    def crop(self, prompts: Prompts) -> Prompts:
        """Return prompts in pixels of the window, without those outside of it.

        Parameters
        ----------
        prompts : Prompts
            In pixels of the plane.

        Returns
        -------
        Prompts
            For the network.
        """
        corner = np.array([self.top, self.left])
        points = prompts.points - corner
        inside = self._holds(points)
        box = prompts.box
        if box is not None:
            shifted = np.reshape(box, (2, 2)) - corner
            box = tuple(shifted.ravel().tolist())
        paths = [(s.path - corner, s.positive) for s in prompts.scribbles]
        seen = [(path[self._holds(path)], positive) for path, positive in paths]
        mask = prompts.boxed_mask and self._cut_out(prompts.boxed_mask)
        lines = tuple(Scribble(path, sign) for path, sign in seen if len(path))
        return Prompts(points[inside], prompts.signs[inside], box, lines, mask)

    def paste(
        self, prediction: MaskPrediction, shape: tuple[int, int]
    ) -> MaskPrediction:
        """Return an answer about the window as one about the plane.

        Parameters
        ----------
        prediction : MaskPrediction
            With masks of the window.
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        MaskPrediction
            With masks of the plane.
        """
        boxed = [part.boxed_mask for part in (prediction, *prediction.candidates)]
        masks = {id(mask): self._on_plane(mask, shape).like_whole() for mask in boxed}
        return replace(
            prediction,
            mask=masks[id(prediction.boxed_mask)],
            candidates=tuple(
                replace(
                    candidate,
                    mask=masks[id(candidate.boxed_mask)],
                    box=self._moved(candidate.box),
                )
                for candidate in prediction.candidates
            ),
            window=self,
            box=self._moved(prediction.box),
        )

    def cuts(self, mask: BoxedMask, shape: tuple[int, int]) -> bool:
        """Return whether a mask reaches a side of the window inside the plane.

        Parameters
        ----------
        mask : BoxedMask
            Mask of the window.
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        bool
            True if the object may go on outside.
        """
        if not mask.pixels.size:
            return False
        top, left, bottom, right = mask.box
        sides = (
            self.top > 0 and top == 0,
            self.left > 0 and left == 0,
            self.bottom < shape[0] and bottom == mask.shape[0],
            self.right < shape[1] and right == mask.shape[1],
        )
        return any(sides)

    def _holds(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        limits = np.array(self.shape) - 0.5
        inside: npt.NDArray[np.bool_] = np.all(
            (points >= -0.5) & (points <= limits), axis=1
        )
        return inside

    @overload
    def _moved(self, box: None) -> None: ...
    @overload
    def _moved(self, box: Box) -> Box: ...
    def _moved(self, box: Box | None) -> Box | None:
        if box is None:
            return None
        row, column = self.top, self.left
        return box[0] + row, box[1] + column, box[2] + row, box[3] + column

    def _on_plane(self, mask: BoxedMask, shape: tuple[int, int]) -> BoxedMask:
        moved = self._moved(mask.box) if mask.pixels.size else mask.box
        return BoxedMask(shape, moved, mask.pixels)

    def _cut_out(self, mask: BoxedMask) -> BoxedMask:
        common = intersection(mask.box, self)
        if common is None:
            return nothing(self.shape)
        top, left, bottom, right = common
        row, column = self.top, self.left
        own = top - row, left - column, bottom - row, right - column
        return place(mask.window(common), own, self.shape)


def window_at(
    point: npt.NDArray[np.float64] | tuple[float, float],
    shape: tuple[int, int],
    side: int,
) -> Window:
    """Return the window of a level whose middle is nearest to a point.

    Parameters
    ----------
    point : (row, column)
        Pixels of the plane.
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Side of the windows.

    Returns
    -------
    Window
        Inside the plane; all of it if it is not larger.
    """
    if side >= max(shape):
        return Window(0, 0, *shape)
    starts, stops = [], []
    for value, length in zip(point, shape, strict=True):
        step = side // 2
        start = step * round((float(value) - step) / step)
        start = min(max(start, 0), max(length - side, 0))
        starts.append(start)
        stops.append(min(start + side, length))
    return Window(starts[0], starts[1], stops[0], stops[1])


def windows_around(
    point: tuple[float, float], shape: tuple[int, int], side: int, reach: int = 1
) -> list[Window]:
    """Return the window of a level at a point and its neighbours on the grid.

    Parameters
    ----------
    point : (row, column)
        Pixels of the plane.
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Side of the windows.
    reach : int
        Number of neighbours in each direction.

    Returns
    -------
    list of Window
        Up to ``(2 * reach + 1) ** 2``, those in the middle first.
    """
    reached = range(-reach, reach + 1)
    steps = sorted(product(reached, reached), key=lambda at: math.hypot(*at))
    step = side // 2
    spots = [(point[0] + r * step, point[1] + c * step) for r, c in steps]
    return list(dict.fromkeys(window_at(spot, shape, side) for spot in spots))


def all_windows(shape: tuple[int, int], side: int) -> list[Window]:
    """Return all windows of a level.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Side of the windows.

    Returns
    -------
    list of Window
        Row by row.
    """
    rows, columns = (
        range(side // 2, max(length - side // 2, side // 2) + side // 2, side // 2)
        for length in shape
    )
    found = {
        window_at((row, column), shape, side) for row in rows for column in columns
    }
    return sorted(found, key=lambda window: (window.top, window.left))


def extent_of(
    prompts: Prompts, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return where what belongs to the object begins and ends.

    Parameters
    ----------
    prompts : Prompts
        Not empty.
    shape : (int, int)
        Rows and columns of the plane.

    Returns
    -------
    first, last : (2,) float array
        (row, column), inside the plane.
    """
    points, signs = prompts.all_points()
    marked = [points[signs]] if signs.any() else []
    if prompts.box is not None:
        marked.append(np.reshape(prompts.box, (2, 2)))
    mask = prompts.boxed_mask
    if mask is not None and mask.pixels.size:
        marked.append(extent_of_mask(mask))
    together = np.concatenate(marked or [points]).clip(0, np.array(shape) - 1)
    return together.min(axis=0), together.max(axis=0)


def extent_of_mask(mask: BoxedMask) -> npt.NDArray[np.float64]:
    """Return the first and the last row and column of a mask.

    Parameters
    ----------
    mask : BoxedMask
        Not empty.

    Returns
    -------
    (2, 2) float array
        (row, column) of two corners.
    """
    top, left, bottom, right = mask.box
    return np.array([(top, left), (bottom - 1, right - 1)], float)
