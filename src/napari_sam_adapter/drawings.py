"""What a user draws by hand on one plane: free lines and outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import PromptError

if TYPE_CHECKING:
    import numpy.typing as npt

SCRIBBLE_POINTS = 8
"""Points that stand for one scribble at the network."""
FEWEST_CORNERS = 3


@dataclass(frozen=True, eq=False)
class Scribble:
    """A free-hand line on one plane.

    Parameters
    ----------
    path : (K, 2) float array
        Vertices in (row, column) pixels, K >= 1.
    positive : bool
        True if the line runs over the object, False if over background.

    Raises
    ------
    PromptError
        If the path is empty, has another shape or is not finite.
    """

    path: npt.NDArray[np.float64]
    positive: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", as_points(self.path, "scribble path"))
        if not len(self.path):
            raise PromptError("Expected a scribble with at least one vertex, got none.")

    def sample(self, count: int = SCRIBBLE_POINTS) -> npt.NDArray[np.float64]:
        """Return at most `count` points, evenly spaced along the line.

        Parameters
        ----------
        count : int
            Largest number of points.

        Returns
        -------
        (M, 2) float array
            Points in (row, column) pixels, M <= count.
        """
        steps = np.linalg.norm(np.diff(self.path, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        wanted = np.linspace(0, along[-1], min(count, max(1, int(along[-1]))))
        columns = [np.interp(wanted, along, values) for values in self.path.T]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Polygon:
    """A closed outline on one plane, drawn by corners or as a lasso.

    Parameters
    ----------
    corners : (K, 2) float array
        Corners in (row, column) pixels, K >= 3; the last is joined to the first.
    positive : bool
        True if the object is inside, False if the inside is background.

    Raises
    ------
    PromptError
        If there are fewer corners, they have another shape or are not finite.
    """

    corners: npt.NDArray[np.float64]
    positive: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "corners", as_points(self.corners, "corners"))
        if len(self.corners) < FEWEST_CORNERS:
            raise PromptError(
                f"Expected a polygon of at least {FEWEST_CORNERS} corners, got "
                f"{len(self.corners)}. Draw a larger one."
            )

    def pixels(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return the pixels inside.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        (H, W) bool array
            True where the middle of a pixel lies inside; parts of the polygon beside
            the plane are cut off.

        Raises
        ------
        PromptError
            If there is no such pixel.
        """
        from skimage.draw import polygon2mask

        inside: npt.NDArray[np.bool_]
        corners = self.corners.copy()  # it does not take read-only arrays
        inside = polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
        if not inside.any():
            raise PromptError(
                f"Expected a polygon around pixels of a plane of {shape[0]} x "
                f"{shape[1]}, got one around none. Draw a larger one over the image."
            )
        return inside


def innermost(mask: npt.NDArray[np.bool_], count: int) -> list[tuple[int, int]]:
    """Return pixels deep inside a mask, half their depth apart at least.

    Parameters
    ----------
    mask : (H, W) bool array
        The border of the plane counts as outside.
    count : int
        Largest number of pixels.

    Returns
    -------
    list of (row, column)
        The deepest first; fewer where there is no room.
    """
    from scipy import ndimage

    if not mask.any():
        return []
    region = ndimage.find_objects(mask.astype(np.uint8))[0]
    depth = ndimage.distance_transform_edt(np.pad(mask[region], 1))[1:-1, 1:-1]
    rows, columns = np.indices(depth.shape)
    found = []
    for _ in range(count):
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        radius = depth[row, column]
        if radius == 0:
            break
        found.append((int(row) + region[0].start, int(column) + region[1].start))
        depth[np.hypot(rows - row, columns - column) < radius / 2] = 0
    return found


def box_around(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the box of a mask, from edge to edge of its outermost pixels.

    Parameters
    ----------
    mask : (H, W) bool array
        Not empty.

    Returns
    -------
    (row_min, column_min, row_max, column_max)
        In pixels; that of a single pixel has an area.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    edges = rows[0] - 0.5, columns[0] - 0.5, rows[-1] + 0.5, columns[-1] + 0.5
    top, left, bottom, right = map(float, edges)
    return top, left, bottom, right


def as_points(values: object, name: str) -> npt.NDArray[np.float64]:
    """Return (row, column) pairs as a read-only array.

    Parameters
    ----------
    values : array-like
        The pairs; nothing for none.
    name : str
        What they are, for the error.

    Returns
    -------
    (N, 2) float array
        A copy.

    Raises
    ------
    PromptError
        If they have another shape, or a number is not finite.
    """
    try:
        points = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PromptError(f"Expected {name} as numbers, got {values!r}.") from error
    if points.size == 0:
        points = points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise PromptError(
            f"Expected {name} of shape (N, 2), got {points.shape}. "
            "Give one (row, column) pair per point."
        )
    if not np.isfinite(points).all():
        raise PromptError(f"Expected finite {name}, got {points.tolist()}.")
    points.setflags(write=False)
    return points
