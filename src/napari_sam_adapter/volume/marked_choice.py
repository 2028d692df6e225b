"""Which of the masks that fit a click is the object that the network marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskCandidate

WEIGHT = 0.5
"""Of what is marked, beside the score; found best on training images, as the rim."""
RIM = 3
"""Pixels around a mask that should not be marked."""


def best_marked(
    candidates: Sequence[MaskCandidate], probability: npt.NDArray[np.float32]
) -> int:
    """Return the candidate with a good score that ends where the marks end.

    Parameters
    ----------
    candidates : sequence of MaskCandidate
        The masks that fit one click, best score first.
    probability : (H, W) float32 array
        That a pixel belongs to an object.

    Returns
    -------
    int
        Place of the one with the greatest sum of its score and half of how much more
        is marked in it than just around it; 0 where there is no choice.
    """
    if len(candidates) < 2:
        return 0
    return int(np.argmax([_merit(one, probability) for one in candidates]))


def _merit(candidate: MaskCandidate, probability: npt.NDArray[np.float32]) -> float:
    box = candidate.box or bounding_box(candidate.mask)
    start, stop = np.maximum(np.subtract(box[:2], RIM), 0), np.add(box[2:], RIM)
    around = slice(start[0], stop[0]), slice(start[1], stop[1])
    mask, marked = candidate.mask[around], probability[around]
    if not mask.any():
        return -np.inf
    rim = ndimage.binary_dilation(mask, iterations=RIM) & ~mask
    beside = marked[rim].mean() if rim.any() else 0
    return float(candidate.score + WEIGHT * (marked[mask].mean() - beside))
