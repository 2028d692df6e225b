"""Whether labels are labels, or an image that was given in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.files.opening import open_labels
from napari_sam_adapter.image_io.labels.places import check_same_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

FEWEST_PAIRS = 200
"""Neighbouring pixels of objects below which nothing is said."""
MOST_UNLIKE = 0.25
"""Share of neighbours with different numbers; objects of four pixels' width have it."""
MOST_PLANES = 5
"""Planes that are looked at, from the first to the last."""
MOST_PIECES = 4
"""Pieces per number of a plane: an object has one, a grey value very many."""
FEWEST_PIXELS = 4
"""Mean size of a piece in pixels: that of cells two pixels wide."""


def looks_like_an_image(labels: ArrayLike) -> bool:
    """Say whether labels change from pixel to pixel, as images do.

    Parameters
    ----------
    labels : (..., H, W) integer array
        Object numbers, 0 for background; a few planes are read.

    Returns
    -------
    bool
        True if a plane is like an image: more than a quarter of all neighbours within
        objects differ, and what is of one number lies in many pieces, or in pieces of
        a few pixels.

    Notes
    -----
    Neighbours in an image differ nearly everywhere, those in labels only where objects
    touch. Very small objects touch everywhere, but each of them is one piece.
    """
    return any(map(_is_like_an_image, _some_planes(labels)))


def open_plausible_labels(path: Path, image: OpenedImage | None = None) -> OpenedImage:
    """Open labels without reading them, where the format allows.

    Parameters
    ----------
    path : Path
        The file.
    image : OpenedImage or None
        The image they belong to.

    Returns
    -------
    OpenedImage
        Whole numbers.

    Raises
    ------
    ImageError
        If they cannot be read, are no whole numbers, do not fit the image or lie
        elsewhere in the patient, or look like an image.
    """
    labels = open_labels(path)
    shape = tuple(labels.data.shape)
    if labels.data.dtype.kind not in "bui" or labels.is_colour:
        raise ImageError(
            f"Expected labels as whole numbers, got {labels.data.dtype} with the axes "
            f"{labels.axes!r} from {path}. Give the label file."
        )
    if image is not None and shape != image.label_shape:
        raise ImageError(
            f"Expected labels of shape {image.label_shape} as in {image.name}, got "
            f"{shape} from {path}. Give the image that was segmented."
        )
    if image is not None:
        check_same_place(image, labels)
    if looks_like_an_image(labels.data):
        raise ImageError(
            f"Expected labels, got {path}, whose numbers change from pixel to pixel as "
            "in an image. Give the label file; are image and labels swapped?"
        )
    return labels


def _some_planes(labels: ArrayLike) -> Iterator[npt.NDArray[Any]]:
    leading = labels.shape[:-2]
    count = int(np.prod(leading))
    for number in np.unique(np.linspace(0, count - 1, min(count, MOST_PLANES)).round()):
        place = tuple(int(index) for index in np.unravel_index(int(number), leading))
        yield np.asarray(labels[place])


def _is_like_an_image(plane: npt.NDArray[Any]) -> bool:
    first, second = plane[:, :-1], plane[:, 1:]
    both = (first != 0) & (second != 0)
    pairs = np.count_nonzero(both)
    unlike = np.count_nonzero((first != second) & both)
    if pairs < FEWEST_PAIRS or unlike <= MOST_UNLIKE * pairs:
        return False
    numbers, pieces = np.unique(plane[plane != 0]).size, _count_pieces(plane)
    is_scattered = pieces > MOST_PIECES * numbers
    return bool(is_scattered or np.count_nonzero(plane) < FEWEST_PIXELS * pieces)


def _count_pieces(plane: npt.NDArray[Any]) -> int:
    from skimage.measure import label

    _, ranks = np.unique(plane, return_inverse=True)
    ranks = ranks.reshape(plane.shape) + int(plane.min() != 0)
    _, count = label(ranks, return_num=True, connectivity=1)  # type: ignore[no-untyped-call]
    return int(count)
