"""Segmentation accuracy of all objects of an image: mSA and SA50.

Predicted and true objects match where their IoU reaches a threshold; the accuracy is
TP / (TP + FP + FN), and mSA its mean over the thresholds 0.5, 0.55, ... 0.95.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

THRESHOLDS = np.arange(50, 100, 5) / 100


class SegmentationAccuracy(NamedTuple):
    """Accuracy of one image.

    Attributes
    ----------
    mean : float
        mSA, 0 to 1.
    at_50 : float
        SA50, 0 to 1.
    """

    mean: float
    at_50: float


def segmentation_accuracy(
    labels: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]
) -> SegmentationAccuracy:
    """Match predicted objects with true ones.

    Parameters
    ----------
    labels, truth : int arrays of one shape
        0 for background.

    Returns
    -------
    SegmentationAccuracy
        1 if there is no object on either side.

    Notes
    -----
    An IoU equal to the threshold counts as a match. Objects are paired so that as
    many as possible match at each threshold.
    """
    overlaps = _overlaps(labels, truth)
    accuracies = [_accuracy(overlaps, threshold) for threshold in THRESHOLDS]
    return SegmentationAccuracy(float(np.mean(accuracies)), accuracies[0])


def stack_masks(
    masks: Iterable[npt.NDArray[np.bool_]], shape: tuple[int, ...]
) -> npt.NDArray[np.int32]:
    """Paint masks into one label image, large ones first.

    Parameters
    ----------
    masks : iterable of bool arrays
        Of that shape; small ones cover large ones.
    shape : tuple of int
        Of the image.

    Returns
    -------
    int32 array
        Numbers in the order of painting, 0 where no mask is.
    """
    labels = np.zeros(shape, np.int32)
    ordered = sorted(masks, key=np.count_nonzero, reverse=True)
    for number, mask in enumerate(ordered, start=1):
        labels[mask] = number
    return labels


def _overlaps(
    labels: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return the IoU of every predicted with every true object."""
    numbers, own = np.unique(labels, return_inverse=True)
    others, true = np.unique(truth, return_inverse=True)
    pairs = own.ravel().astype(np.int64) * len(others) + true.ravel()
    counts = np.bincount(pairs, minlength=len(numbers) * len(others))
    shared = counts.reshape(len(numbers), len(others)).astype(np.float64)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    overlaps: npt.NDArray[np.float64] = shared / union
    objects: npt.NDArray[np.float64] = overlaps[numbers != 0][:, others != 0]
    return objects


def _accuracy(overlaps: npt.NDArray[np.float64], threshold: float) -> float:
    objects = sum(overlaps.shape)
    if not objects:
        return 1.0
    good = overlaps >= threshold
    rows, columns = linear_sum_assignment(good, maximize=True)
    matched = int(good[rows, columns].sum())
    return matched / (objects - matched)
