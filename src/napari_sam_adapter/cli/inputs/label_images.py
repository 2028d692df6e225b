"""Whether what was given as an image looks like labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike

LARGEST_SIDE = 1024
"""Pixels of the middle of a plane that are looked at."""
MOST_UNLIKE = 0.25
"""Share of neighbours in objects with different numbers; in images nearly all have."""
MOST_PIECES = 2
"""Pieces per number: an object has one or a few, a grey value very many."""
FEWEST_PIXELS = 16
"""Mean size of a piece in pixels."""


def told_of_labels(image: OpenedImage) -> str:
    """Return a sentence if an image looks like labels.

    Parameters
    ----------
    image : OpenedImage
        One channel, or colour; the middle of its middle plane is read.

    Returns
    -------
    str
        Empty if it does not, or the plane cannot be read.
    """
    if image.is_colour or image.data.dtype.kind not in "ui":
        return ""
    try:
        plane = _middle(image.data)
    except ImageError:  # is told where the plane is needed
        return ""
    if not _looks_like_labels(plane):
        return ""
    return (
        f"{image.name} looks like labels, not like an image: a few whole numbers, each "
        "in one flat area. Is it the image that you mean?"
    )


def _middle(data: ArrayLike) -> npt.NDArray[Any]:
    leading = [length // 2 for length in data.shape[:-2]]
    starts = [max(length - LARGEST_SIDE, 0) // 2 for length in data.shape[-2:]]
    shown = [slice(start, start + LARGEST_SIDE) for start in starts]
    return np.asarray(data[(*leading, *shown)])


def _looks_like_labels(plane: npt.NDArray[Any]) -> bool:
    """Say whether two objects or more are there; one may be a mask, or a drawing."""
    first, second = plane[:, :-1], plane[:, 1:]
    both = (first != 0) & (second != 0)
    unlike = np.count_nonzero((first != second) & both)
    if unlike > MOST_UNLIKE * np.count_nonzero(both):
        return False
    numbers = np.unique(plane[plane != 0]).size
    if numbers < 2:
        return False
    pieces = _count_pieces(plane)
    is_large = np.count_nonzero(plane) >= FEWEST_PIXELS * pieces
    return bool(is_large and pieces <= MOST_PIECES * numbers)


def _count_pieces(plane: npt.NDArray[Any]) -> int:
    from skimage.measure import label

    wide = plane.astype(np.int64)
    _, count = label(wide, background=0, return_num=True)  # type: ignore[no-untyped-call]
    return int(count)
