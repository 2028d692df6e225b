"""Whether labels are labels, or an image that was given in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

FEWEST_PAIRS = 200
"""Neighbouring pixels of objects below which nothing is said."""
MOST_UNLIKE = 0.25
"""Share of neighbours with different numbers; objects of four pixels' width have it."""


def looks_like_an_image(plane: npt.NDArray[Any]) -> bool:
    """Say whether labels change from pixel to pixel, as images do.

    Parameters
    ----------
    plane : (H, W) integer array
        Object numbers, 0 for background.

    Returns
    -------
    bool
        True if more than a quarter of all neighbours within objects differ.

    Notes
    -----
    Neighbours in an image differ nearly everywhere, those in labels only where objects
    touch.
    """
    first, second = plane[:, :-1], plane[:, 1:]
    both = (first != 0) & (second != 0)
    pairs = np.count_nonzero(both)
    unlike = np.count_nonzero((first != second) & both)
    return bool(pairs >= FEWEST_PAIRS and unlike > MOST_UNLIKE * pairs)


def middle_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the middle plane along the last two axes.

    Parameters
    ----------
    shape : tuple of int
        Of labels with two or more axes.

    Returns
    -------
    tuple of int
        One index for every other axis.
    """
    return tuple(length // 2 for length in shape[:-2])
