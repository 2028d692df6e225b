"""Pictures with objects of several kinds, made of pictures of nuclei or of nothing."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

COUNT = 4
SIDE = 360
DARK, MOST_OBJECTS, FEWEST = 80, 50, 8
"""Mean grey value below which nuclei are brighter than their ground; objects."""
LEVEL, THIRD = 150, 50
"""Grey values of the median nucleus."""
LARGER = 2
"""Times as large is the median nucleus of one half."""
SMALL, LARGE, ALL_SIZES = (8, 13), (20, 26), (10, 20)
TINY, MIDDLE, LARGEST = (4, 6), (10, 13), (25, 30)
"""Radii of disks, from and to."""


def mixtures(planes: list, seed: int) -> dict[str, list[tuple]]:
    """Return pictures, labels and the kind of each label, from 1, by name."""
    usable = [plane for plane in planes if _is_usable(plane)]
    rng = np.random.default_rng(seed)
    return {
        "nuclei of two brightnesses": [_added(usable, rng) for _ in range(COUNT)],
        "nuclei of two sizes": [_beside(usable, rng) for _ in range(COUNT)],
        "disks of two sizes": _disks(rng, (SMALL, 1), (LARGE, 1)),
        "bright and dark disks": _disks(rng, (ALL_SIZES, 1), (ALL_SIZES, -1)),
        "disks of three sizes": _disks(rng, (TINY, 1), (MIDDLE, 1), (LARGEST, 1)),
        "disks of two sizes, and dark ones": _disks(
            rng, (SMALL, 1), (LARGE, 1), (ALL_SIZES, -1)
        ),
    }


def _disks(rng: np.random.Generator, *kinds: tuple) -> list[tuple]:
    return [disks(rng, kinds) for _ in range(COUNT)]


def disks(rng: np.random.Generator, kinds_made: tuple) -> tuple:
    """Return disks of some kinds; each has a span of radii and a sign."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    ground = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 40)
    image = 110 + 8 * ground / ground.std()
    labels, kinds = np.zeros((SIDE, SIDE), int), [0]
    for _ in range(400):
        kind = int(rng.integers(1, len(kinds_made) + 1))
        span, sign = kinds_made[kind - 1]
        radius = rng.uniform(*span)
        row, column = rng.uniform(radius, SIDE - radius, 2)
        squeeze = rng.uniform(0.85, 1.15)
        across = (rows - row) ** 2 / squeeze**2 + (columns - column) ** 2 * squeeze**2
        inside = across < radius**2
        if labels[ndimage.binary_dilation(inside, iterations=2)].any():
            continue
        labels[inside] = len(kinds)
        kinds.append(kind)
        image[inside] += sign * rng.uniform(50, 80)
    image = ndimage.gaussian_filter(image, 1) + rng.normal(0, 8, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels, np.array(kinds)


def _is_usable(plane) -> bool:
    objects = len(np.unique(plane.labels)) - 1
    is_small = plane.labels.shape == (256, 256) and FEWEST <= objects <= MOST_OBJECTS
    return bool(is_small and plane.seen.ndim == 2 and plane.seen.mean() < DARK)


def _pair(planes: list, rng: np.random.Generator) -> list:
    return [planes[number] for number in rng.choice(len(planes), 2, replace=False)]


def _added(planes: list, rng: np.random.Generator) -> tuple:
    """Lay a dim picture over a bright one; of the dim nuclei those that are seen."""
    bright, dim = _pair(planes, rng)
    image = 20 + LEVEL * _stretched(bright) + THIRD * _stretched(dim)
    labels, kinds = bright.labels.copy(), [1] * (bright.labels.max() + 1)
    for number in np.unique(dim.labels)[1:]:
        inside = dim.labels == number
        if not bright.labels[inside].any():
            labels[inside] = len(kinds)
            kinds.append(2)
    return np.clip(image, 0, 255).astype(np.uint8), labels, np.array(kinds)


def _stretched(plane) -> np.ndarray:
    ground = np.percentile(plane.seen, 20)
    return (plane.seen - ground) / (np.median(plane.seen[plane.labels > 0]) - ground)


def _beside(planes: list, rng: np.random.Generator) -> tuple:
    """Put two pictures side by side whose nuclei differ in size."""
    while True:
        one, other = _pair(planes, rng)
        ratio = _usual_area(one.labels) / _usual_area(other.labels)
        if max(ratio, 1 / ratio) > LARGER:
            break
    first = int(one.labels.max())
    second = np.where(other.labels, other.labels + first, 0)
    kinds = np.repeat([1, 2], [first + 1, other.labels.max()])
    sides = [one.seen, other.seen], [one.labels, second]
    return *(np.concatenate(side, axis=1) for side in sides), kinds


def _usual_area(labels: np.ndarray) -> float:
    areas = np.bincount(labels.ravel())[1:]
    return float(np.median(areas[areas > 0]))
