"""Which of the objects that a search found are like examples.

What is found falls into two groups, that of the examples and the rest, by its size and
brightness; both groups are as wide. The rest is left out if the groups are far apart:
else what was found is of one kind, with examples from its middle or its edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.session.taking_found import NOTHING, FindPass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.volume.session.taking_found import Lot

    Example: TypeAlias = int | npt.NDArray[np.bool_]
    Measures: TypeAlias = npt.NDArray[np.float64]
    """(N, 4): for each mask what `_measures` tells."""

FEW = 4
"""Of fewer objects nothing is left out: they tell nothing about groups."""
APART = 5.0
"""Distance of two kinds, in standard deviations of one; chosen on training images."""
WEIGHT = 3.0
"""An example counts as much as so many objects of which nobody knows the kind."""
FARTHEST = 0.8
"""Part of the objects that is nearer to the examples than the first rest."""
LEAST_SHARE = 0.05
LEAST_VARIANCE = 0.05
ROUNDS = 30
OTHER_SIGN = 4.0
"""What bright and dark on their ground differ by; others count doublings."""


def examples_on(
    labels: npt.NDArray[np.integer], like: Sequence[Example]
) -> tuple[Lot, ...]:
    """Return the masks of examples.

    Parameters
    ----------
    labels : (H, W) int array
        Of the plane.
    like : sequence of int or (H, W) bool array
        Objects with pixels on the plane, or masks.

    Returns
    -------
    tuple of Lot
        One for each.

    Raises
    ------
    SessionError
        If there is none, an object has no pixel there, or a mask does not fit.
    """
    if not len(like):
        raise SessionError(
            "Expected an example of what to look for, got none. Segment a typical "
            "object on this slice first, better three."
        )
    return tuple(_lot(labels, example) for example in like)


def only_like(
    passes: Sequence[FindPass], examples: Sequence[Lot], image: npt.NDArray[np.uint8]
) -> tuple[FindPass, ...]:
    """Leave out what is not like the examples.

    Parameters
    ----------
    passes : sequence of FindPass
        What a search found.
    examples : sequence of Lot
        From `examples_on`.
    image : (H, W) or (H, W, 3) uint8 array
        The plane.

    Returns
    -------
    tuple of FindPass
        Those with something left.
    """
    grey = image.mean(axis=-1) if image.ndim == 3 else image
    found = [
        _measures(lot, grey)
        for part in passes
        for answer, lot in zip(part.answers, part.masks, strict=True)
        if answer is not None
    ]
    if len(found) < FEW:
        return tuple(passes)
    shown = np.array([_measures(lot, grey) for lot in examples])
    alike = iter(are_like(np.array(found), shown).tolist())
    kept = [_only(part, alike) for part in passes]
    return tuple(part for part in kept if part.new)


def are_like(found: Measures, shown: Measures) -> npt.NDArray[np.bool_]:
    """Tell the kind of the examples from another one.

    Parameters
    ----------
    found : (N, K) float array
        Measures of objects of which nobody knows the kind.
    shown : (E, K) float array
        Those of the examples.

    Returns
    -------
    (N,) bool array
        All true if there are not two kinds.

    Notes
    -----
    A mixture of two Gaussians of one diagonal covariance by expectation maximisation;
    examples are of the first for sure.
    """
    values, count = np.concatenate([found, shown]), len(found)
    weights = np.repeat([1.0, WEIGHT], [count, len(shown)])
    ours = shown.mean(axis=0)
    others, variance, share = _farthest(found, ours), np.ones(found.shape[1]), 0.5
    for _ in range(ROUNDS):
        nearer = _nearness(values, others, variance) - _nearness(values, ours, variance)
        odds = np.clip(nearer / 2 + np.log(share / (1 - share)), -50, 50)
        belong = 1 / (1 + np.exp(-odds))
        belong[count:] = 1
        mine, theirs = belong * weights, (1 - belong) * weights
        if theirs.sum() < 1:
            return np.ones(count, bool)
        ours, others = _middle(values, mine), _middle(values, theirs)
        share = np.clip(mine.sum() / weights.sum(), LEAST_SHARE, 1 - LEAST_SHARE)
        squares = mine @ (values - ours) ** 2 + theirs @ (values - others) ** 2
        variance = squares / weights.sum() + LEAST_VARIANCE
    if _nearness(ours[None], others, variance)[0] < APART**2:
        return np.ones(count, bool)
    alike: npt.NDArray[np.bool_] = belong[:count] > 0.5
    return alike


def _farthest(found: Measures, ours: Measures) -> Measures:
    distances = ((found - ours) ** 2).sum(axis=1)
    return _middle(found, distances >= np.quantile(distances, FARTHEST))


def _nearness(values: Measures, middle: Measures, variance: Measures) -> Measures:
    """Return squared distances, in variances."""
    squared: Measures = ((values - middle) ** 2 / variance).sum(axis=1)
    return squared


def _middle(values: Measures, weights: npt.NDArray[Any]) -> Measures:
    middle: Measures = weights @ values / weights.sum()
    return middle


def _only(part: FindPass, alike: Iterator[bool]) -> FindPass:
    """Keep the answers that are alike; there is one truth value for each of them."""
    answers = [a if a is not None and next(alike) else None for a in part.answers]
    masks = [
        NOTHING if answer is None else lot
        for answer, lot in zip(answers, part.masks, strict=True)
    ]
    return part._replace(answers=tuple(answers), masks=tuple(masks))


def _measures(lot: Lot, grey: npt.NDArray[Any]) -> Measures:
    """Return area, contrast, its sign, and brightness, in doublings."""
    (top, left, bottom, right), pixels = lot
    area = np.count_nonzero(pixels)
    margin = max(2, round(0.25 * area**0.5))
    rows = slice(max(top - margin, 0), bottom + margin)
    columns = slice(max(left - margin, 0), right + margin)
    part = grey[rows, columns].astype(float)
    inside = np.zeros(part.shape, bool)
    place = top - rows.start, left - columns.start
    inside[tuple(map(slice, place, np.add(place, pixels.shape)))] = pixels
    distance = ndimage.distance_transform_edt(~inside)
    around = (distance > 0) & (distance <= margin)
    mean = part[inside].mean()
    contrast = mean - part[around].mean() if around.any() else 0.0
    doublings = np.log2(np.maximum([area, abs(contrast), mean], 1))
    return np.append(doublings, OTHER_SIGN * np.sign(contrast))


def _lot(labels: npt.NDArray[np.integer], example: Example) -> Lot:
    if isinstance(example, np.ndarray):
        if example.shape != labels.shape or example.dtype != bool:
            raise SessionError(
                f"Expected objects or bool masks of shape {labels.shape} as examples, "
                f"got {example.dtype} of {example.shape}."
            )
        mask = example
    else:
        mask = labels == example
    if not mask.any():
        name = "an empty mask" if mask is example else f"object {example}"
        raise SessionError(
            f"Expected examples with pixels on this slice, got {name}. Segment a "
            "typical object there first."
        )
    boxed = BoxedMask.of(mask)
    return boxed.box, boxed.pixels
