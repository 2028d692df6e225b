"""Metrics of a probability map against a mask, as the papers on prompt-free SAM use.

Maps hold values from 0 to 1. Reference values of all of them are in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt

    Map = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

LEVELS = 256
EPSILON = float(np.finfo(np.float64).eps)
WINDOW, SIGMA = 7, 5.0
"""Neighbourhood of the weighted F-measure: side and width of its Gaussian."""
FADING = 5.0
"""Pixels over which the weight of a false alarm beside the object halves."""
BALANCED_CUT = 125 / 255
"""Values above count as object for the balanced error rate."""


def stretched(values: npt.NDArray[np.floating]) -> Map:
    """Stretch a map to 0..1; a flat one stays as it is.

    Parameters
    ----------
    values : (H, W) float array
        Probabilities.

    Returns
    -------
    (H, W) float64 array
        Lowest value 0, highest 1.
    """
    exact: Map = values.astype(np.float64)
    low, high = float(exact.min()), float(exact.max())
    return exact if low == high else (exact - low) / (high - low)


def mean_absolute_error(values: Map, truth: Mask) -> float:
    """Return the mean of abs(map - mask).

    Parameters
    ----------
    values, truth : (H, W) arrays
        Map and mask.

    Returns
    -------
    float
        0 to 1, low is good.
    """
    return float(np.abs(values - truth).mean())


def balanced_error_rate(values: npt.NDArray[np.floating], truth: Mask) -> float:
    """Return the mean of the error rates on the object and beside it, in percent.

    Parameters
    ----------
    values, truth : (H, W) arrays
        Map and mask.

    Returns
    -------
    float
        0 to 100, low is good; of the one rate there is, if the mask is flat.
    """
    answer = values > BALANCED_CUT
    rates = [(answer[part] != truth[part]).mean() for part in (truth, ~truth)
             if part.any()]  # fmt: skip
    return float(100 * np.mean(rates))


def s_measure(values: Map, truth: Mask) -> float:
    """Return the structure measure, with equal parts for objects and regions.

    Parameters
    ----------
    values, truth : (H, W) arrays
        Map and mask.

    Returns
    -------
    float
        0 to 1.

    References
    ----------
    Fan et al., *Structure-measure: A New Way to Evaluate Foreground Maps*, 2017.
    """
    share = truth.mean()
    if share == 0:
        return float(1 - values.mean())
    if share == 1:
        return float(values.mean())
    objects = share * _likeness(values[truth]) + (1 - share) * _likeness(
        1 - values[~truth]
    )
    return float(max(0.0, 0.5 * objects + 0.5 * _regions(values, truth)))


def _likeness(values: Map) -> float:
    """Return how bright and even the values are."""
    mean = values.mean()
    spread = values.std(ddof=1) if values.size > 1 else 0.0
    return float(2 * mean / (mean**2 + 1 + spread + EPSILON))


def _regions(values: Map, truth: Mask) -> float:
    """Compare the four quarters round the mask's centroid, weighted by area."""
    row, column = (int(c) + 1 for c in np.argwhere(truth).mean(axis=0).round())
    quarters = [
        (slice(*rows), slice(*columns))
        for rows in ((0, row), (row, None))
        for columns in ((0, column), (column, None))
    ]
    return sum(
        truth[quarter].size / truth.size * _similarity(values[quarter], truth[quarter])
        for quarter in quarters
        if truth[quarter].size
    )


def _similarity(values: Map, truth: Mask) -> float:
    """Return the structural similarity of one quarter."""
    x, y = values.mean(), truth.mean()
    below = max(values.size - 1, 1)
    var_x, var_y = ((values - x) ** 2).sum() / below, ((truth - y) ** 2).sum() / below
    covariance = ((values - x) * (truth - y)).sum() / below
    above = 4 * x * y * covariance
    under = (x**2 + y**2) * (var_x + var_y)
    if above:
        return float(above / (under + EPSILON))
    return 0.0 if under else 1.0


def mean_e_measure(values: Map, truth: Mask) -> float:
    """Return the enhanced-alignment measure, mean over 256 thresholds.

    Parameters
    ----------
    values, truth : (H, W) arrays
        Map and mask.

    Returns
    -------
    float
        0 to 1; as published, a little above 1 is possible for tiny images.

    References
    ----------
    Fan et al., *Enhanced-alignment Measure for Binary Foreground Map Evaluation*,
    2018.
    """
    levels = (values * (LEVELS - 1)).astype(np.uint8)
    hits, alarms = (
        np.bincount(levels[part], minlength=LEVELS)[::-1].cumsum().astype(np.float64)
        for part in (truth, ~truth)
    )  # pixels at or above the threshold 255, 254, ... 0
    return float(_alignment(hits, alarms, truth).mean())


def _alignment(
    hits: npt.NDArray[np.float64], alarms: npt.NDArray[np.float64], truth: Mask
) -> npt.NDArray[np.float64]:
    """Return the E-measure for each pair of hits and false alarms."""
    size, positive = truth.size, int(np.count_nonzero(truth))
    answered = hits + alarms
    if positive == 0:
        total = size - answered
    elif positive == size:
        total = answered
    else:
        mean, true_mean = answered / size, positive / size
        counts = hits, alarms, positive - hits, size - positive - alarms
        centred = [
            (a - mean, t - true_mean) for a, t in ((1, 1), (1, 0), (0, 1), (0, 0))
        ]
        total = sum(
            (count * (2 * a * t / (a**2 + t**2 + EPSILON) + 1) ** 2 / 4
             for count, (a, t) in zip(counts, centred, strict=True)),
            start=np.zeros(len(hits)),
        )  # fmt: skip
    return total / (size - 1 + EPSILON)


def weighted_f_measure(values: Map, truth: Mask, beta_squared: float = 1.0) -> float:
    """Return the F-measure with errors weighted by place and neighbourhood.

    Parameters
    ----------
    values, truth : (H, W) arrays
        Map and mask.
    beta_squared : float
        Weight of recall against precision.

    Returns
    -------
    float
        0 to 1; 0 for an empty mask.

    References
    ----------
    Margolin et al., *How to Evaluate Foreground Maps?*, 2014.
    """
    if not truth.any():
        return 0.0
    errors = _weighted_errors(values, truth)
    true_positive = np.count_nonzero(truth) - errors[truth].sum()
    false_positive = errors[~truth].sum()
    recall = 1 - errors[truth].mean()
    precision = true_positive / (true_positive + false_positive + EPSILON)
    above = (1 + beta_squared) * recall * precision
    return float(above / (recall + beta_squared * precision + EPSILON))


def _weighted_errors(values: Map, truth: Mask) -> Map:
    distance, nearest = ndimage.distance_transform_edt(~truth, return_indices=True)
    errors = np.abs(values - truth)
    spread = errors[tuple(nearest)]  # beside the object: the error of its nearest pixel
    smooth = ndimage.convolve(spread, _gaussian(), mode="constant")
    eased = np.where(truth & (smooth < errors), smooth, errors)
    weight = np.where(truth, 1.0, 2 - 0.5 ** (distance / FADING))
    weighted: Map = eased * weight
    return weighted


def _gaussian() -> Map:
    offsets = np.arange(WINDOW) - WINDOW // 2
    bell = np.exp(-(offsets**2) / (2 * SIGMA**2))
    kernel: Map = np.outer(bell, bell) / bell.sum() ** 2
    return kernel
