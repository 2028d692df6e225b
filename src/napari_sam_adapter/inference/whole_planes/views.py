"""Parts of a plane that is much larger than the network's input.

Views of one level are squares that overlap by half of their side, so that an object of
up to half of it lies in one of them as a whole. The next level's are twice as large,
and the last view is the whole plane: larger objects are found there. Nothing is put
together from pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import check_pixels, estimate_intensity
from napari_sam_adapter.predictions import is_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.inference.predictor.predictor import SamPredictor


class View(NamedTuple):
    """A part of a plane.

    Attributes
    ----------
    rows, columns : slice
        Pixels of the plane.
    shape : (int, int)
        Of the plane.
    """

    rows: slice
    columns: slice
    shape: tuple[int, int]

    @property
    def corner(self) -> tuple[int, int]:
        """First row and column."""
        return self.rows.start, self.columns.start

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the plane."""
        return self.size == self.shape

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.rows, self.columns
        return rows.stop - rows.start, columns.stop - columns.start

    def cuts(self, box: tuple[int, int, int, int]) -> bool:
        """Return whether something with this box may go on outside.

        Parameters
        ----------
        box : (row_start, column_start, row_stop, column_stop)
            Half-open, in pixels of the plane.

        Returns
        -------
        bool
            True if it reaches an edge of the view that is none of the plane.
        """
        (top, left), (height, width) = self.corner, self.size
        return (
            (box[0] == top > 0)
            or (box[1] == left > 0)
            or (box[2] == top + height < self.shape[0])
            or (box[3] == left + width < self.shape[1])
        )


def plane_shape(image: npt.NDArray[Any]) -> tuple[int, int]:
    """Return rows and columns of an image.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array
        One plane.

    Returns
    -------
    (int, int)
        Rows and columns.

    Raises
    ------
    ImageError
        If it is not one plane.
    """
    if image.ndim not in (2, 3):
        advice = "Choose a slice of the volume."
        if not image.ndim:  # the name of a file, for example
            advice = "Read files with open_image."
        raise ImageError(
            f"Expected one plane, (rows, columns) or with colours, got {image.shape}. "
            f"{advice}"
        )
    return int(image.shape[0]), int(image.shape[1])


def views_of(shape: tuple[int, int], side: int) -> list[View]:
    """Return the parts of a plane to look at one by one.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Of the network's input.

    Returns
    -------
    list of View
        The smallest first, the whole plane last; nothing else if it is not large.
    """
    whole = View(slice(0, shape[0]), slice(0, shape[1]), shape)
    found: list[View] = []
    if is_large(shape, side):
        while side < max(shape):
            found += views_of_side(shape, side)
            side *= 2
    return [*found, whole]


def views_of_side(shape: tuple[int, int], side: int) -> list[View]:
    """Return squares of one side that overlap by half of it and cover a plane.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Of the squares, in pixels.

    Returns
    -------
    list of View
        Row by row; shorter where the plane is.
    """
    rows, columns = (list(_stretches(length, side)) for length in shape)
    return [View(row, column, shape) for row in rows for column in columns]


def weights_of(view: View) -> npt.NDArray[np.float32]:
    """Return how much each pixel of a view counts where views overlap.

    Parameters
    ----------
    view : View
        Of a plane.

    Returns
    -------
    (h, w) float32 array
        Above 0; falls from the middle to the edges.
    """
    rows, columns = (
        np.minimum(np.arange(length) + 1, np.arange(length, 0, -1)) / length
        for length in view.size
    )
    return np.multiply.outer(rows, columns).astype(np.float32)


def as_one_image(image: npt.NDArray[Any], predictor: SamPredictor) -> npt.NDArray[Any]:
    """Return a plane in 8 bits, so that its parts are seen through one window.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array
        As for `SamPredictor.encode`.
    predictor : SamPredictor
        May have a window of its own.

    Returns
    -------
    (H, W) or (H, W, 3) uint8 array
        What the network would see of the whole plane.

    Raises
    ------
    ImageError
        If the pixels cannot be segmented.
    """
    if image.dtype == np.uint8:
        return image
    check_pixels(image)
    window = predictor.intensity or estimate_intensity([image])
    return window.apply(image)


def _stretches(length: int, side: int) -> Iterator[slice]:
    count = max(1, -(-2 * length // side) - 1)
    starts = np.linspace(0, max(0, length - side), count).round().astype(int)
    for start in starts.tolist():
        yield slice(start, min(start + side, length))
