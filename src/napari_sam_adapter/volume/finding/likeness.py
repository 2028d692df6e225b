"""Which of the objects that a search found are like examples.

What is found falls into groups by its size and brightness: that of the examples, and
one or several of the rest; all are as wide. A group far from that of the examples is
left out: if none is, what was found is of one kind, with examples from its middle or
its edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from scipy import ndimage
from scipy.special import logsumexp, softmax

from napari_sam_adapter.volume.session.taking_found import NOTHING, FindPass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.volume.session.taking_found import Lot

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
MOST_RESTS = 3
"""Groups of what is not like the examples, at most."""
PRICE = 1.5
"""Of one group more, in those of the Bayesian information criterion."""
LEAST_SHARE = 0.05
LEAST_VARIANCE = 0.05
ROUNDS = 30
OTHER_SIGN = 4.0
"""What bright and dark on their ground differ by; others count doublings."""


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


class _Groups(NamedTuple):
    """What objects fall into.

    Attributes
    ----------
    middles : (G, K) float array
        The first is that of the examples.
    variance : (K,) float array
        Of each measure, in every group.
    belong : (N, G) float array
        To which group each object that was found belongs.
    cost : float
        How badly the groups tell what was found, with their number.
    """

    middles: Measures
    variance: Measures
    belong: Measures
    cost: float


def are_like(found: Measures, shown: Measures) -> npt.NDArray[np.bool_]:
    """Tell the kind of the examples from others.

    Parameters
    ----------
    found : (N, K) float array
        Measures of objects of which nobody knows the kind.
    shown : (E, K) float array
        Those of the examples.

    Returns
    -------
    (N,) bool array
        All true if there is one kind alone.

    Notes
    -----
    A mixture of Gaussians of one diagonal covariance by expectation maximisation;
    examples are of the first for sure. A rest of several kinds makes two groups wide,
    and so near each other: then there are more, while they tell what was found better.
    """
    least = np.inf
    for rests in range(1, MOST_RESTS + 1):
        groups = _grouped(found, shown, rests)
        if groups is None or groups.cost >= least:
            continue
        least, middles = groups.cost, groups.middles
        far = _nearness(middles, middles[:1], groups.variance)[:, 0] >= APART**2
        if far.any():
            alike: npt.NDArray[np.bool_] = groups.belong[:, far].sum(axis=1) < 0.5
            return alike
    return np.ones(len(found), bool)


def _grouped(found: Measures, shown: Measures, rests: int) -> _Groups | None:
    """Return the groups of examples and rests; None if one of them vanishes."""
    values, count = np.concatenate([found, shown]), len(found)
    weights = np.repeat([1.0, WEIGHT], [count, len(shown)])
    middles = _first_middles(found, shown.mean(axis=0), rests)
    variance, shares = np.ones(found.shape[1]), np.full(len(middles), 1 / len(middles))
    for _ in range(ROUNDS):
        chances = _chances(values, middles, variance, shares)
        chances[count:, 1:] = -np.inf
        belong = softmax(chances, axis=1)
        each = (belong * weights[:, None]).T
        sizes = each.sum(axis=1)
        if sizes.min() < 1:
            return None
        middles = each @ values / sizes[:, None]
        shares = np.clip(sizes / sizes.sum(), LEAST_SHARE, 1 - LEAST_SHARE)
        shares /= shares.sum()
        squares = (each[..., None] * (values - middles[:, None]) ** 2).sum(axis=(0, 1))
        variance = squares / sizes.sum() + LEAST_VARIANCE
    price = PRICE * rests * (found.shape[1] + 1) * np.log(sizes.sum())
    cost = float(price - 2 * weights @ logsumexp(chances, axis=1))
    return _Groups(middles, variance, belong[:count], cost)


def _first_middles(found: Measures, ours: Measures, rests: int) -> Measures:
    """Return that of the examples, and what is farthest from it and each other."""
    if rests == 1:
        distances = ((found - ours) ** 2).sum(axis=1)
        farther = distances >= np.quantile(distances, FARTHEST)
        return np.stack([ours, found[farther].mean(axis=0)])
    middles = ours[None]
    for _ in range(rests):
        nearest = _nearness(found, middles, np.ones(len(ours))).min(axis=1)
        middles = np.vstack([middles, found[nearest.argmax()]])
    return middles


def _chances(
    values: Measures, middles: Measures, variance: Measures, shares: Measures
) -> Measures:
    """Return the logarithms of the densities, (N, G)."""
    spread = np.log(2 * np.pi * variance).sum()
    chances: Measures = (
        np.log(shares) - (_nearness(values, middles, variance) + spread) / 2
    )
    return chances


def _nearness(values: Measures, middles: Measures, variance: Measures) -> Measures:
    """Return squared distances, in variances, (N, G)."""
    squared: Measures = ((values[:, None] - middles) ** 2 / variance).sum(axis=-1)
    return squared


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
