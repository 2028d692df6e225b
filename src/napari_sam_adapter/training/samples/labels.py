"""What a label number means: an object, or a class with several pieces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.training.samples.samples import Sample

MIN_PIECE = 20
"""Smaller pieces do not make a label a class, in pixels."""
SCATTERED_SHARE = 0.2
"""Share of labels in several pieces from which on numbers are classes."""
LOOKED_AT = 32
"""Samples that are looked at to tell."""


def separate_objects(samples: Sequence[Sample], kind: str) -> list[Sample]:
    """Make every number an object.

    Parameters
    ----------
    samples : sequence of Sample
        With labels of one kind.
    kind : str
        ``"instance"``, ``"semantic"`` or ``"auto"``.

    Returns
    -------
    list of Sample
        The same if numbers are objects; else with a number for every piece of a
        class, and without the neighbouring planes, where pieces have other numbers.

    Notes
    -----
    ``"auto"`` takes numbers for classes if a fifth of them lie in several large
    pieces; objects rarely do.
    """
    if kind == "auto":
        kind = "semantic" if _are_classes(samples) else "instance"
    if kind == "instance":
        return list(samples)
    return [
        replace(
            sample, layers=tuple(map(_pieces, sample.layers)), prior=None, after=None
        )
        for sample in samples
    ]


def _are_classes(samples: Sequence[Sample]) -> bool:
    step = max(1, len(samples) // LOOKED_AT)
    counts = [
        count for sample in samples[::step] for count in _piece_counts(sample.layers[0])
    ]
    scattered = sum(count > 1 for count in counts)
    return bool(counts) and scattered > SCATTERED_SHARE * len(counts)


def _piece_counts(labels: npt.NDArray[Any]) -> list[int]:
    """Return the number of large pieces of each label."""
    counts = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            pieces, _ = ndimage.label(labels[box] == number)
            sizes = np.bincount(pieces.ravel())[1:]
            counts.append(int((sizes >= MIN_PIECE).sum()))
    return [count for count in counts if count]


def _pieces(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    separated = np.zeros(labels.shape, np.int32)
    total = 0
    for number in np.unique(labels[labels > 0]):
        pieces, count = ndimage.label(labels == number)
        inside = pieces > 0
        separated[inside] = pieces[inside] + total
        total += count
    return separated
