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

WEIGHT = 0.2
"""Of what is marked, beside the score; found best on training images, as the rim."""
RIM = 3
"""Pixels around a mask that should not be marked."""


class Marks:
    """Where the network sees objects on a plane.

    Parameters
    ----------
    probability : (H, W) float32 array
        That a pixel belongs to an object.
    threshold : float
        Pixels with more than this are marked.
    """

    def __init__(self, probability: npt.NDArray[np.float32], threshold: float) -> None:
        self._probability = probability
        self._pieces, _ = ndimage.label(probability > threshold)
        self._sizes = np.bincount(self._pieces.ravel())

    def best(
        self, candidates: Sequence[MaskCandidate], point: npt.NDArray[np.float64]
    ) -> int:
        """Return the candidate with a good score that ends where the marks end.

        Parameters
        ----------
        candidates : sequence of MaskCandidate
            The masks that fit a click, best score first.
        point : (2,) float array
            Where that was; (row, column) on a marked pixel.

        Returns
        -------
        int
            Place of the one with the greatest sum of its score and a fifth each of how
            much more is marked in it than just around it, and of its IoU with the
            connected marks around the point; 0 where there is no choice.
        """
        if len(candidates) < 2:
            return 0
        row, column = np.rint(point).astype(int)
        piece = int(self._pieces[row, column])
        return int(np.argmax([self._merit(one, piece) for one in candidates]))

    def _merit(self, candidate: MaskCandidate, piece: int) -> float:
        box = candidate.box or bounding_box(candidate.mask)
        start, stop = np.maximum(np.subtract(box[:2], RIM), 0), np.add(box[2:], RIM)
        around = slice(start[0], stop[0]), slice(start[1], stop[1])
        mask, marked = candidate.mask[around], self._probability[around]
        if not mask.any():
            return -np.inf
        rim = ndimage.binary_dilation(mask, iterations=RIM) & ~mask
        more = marked[mask].mean() - (marked[rim].mean() if rim.any() else 0)
        shared = np.count_nonzero(self._pieces[around][mask] == piece)
        joint = np.count_nonzero(mask) + self._sizes[piece] - shared
        return float(candidate.score + WEIGHT * (more + shared / joint))
