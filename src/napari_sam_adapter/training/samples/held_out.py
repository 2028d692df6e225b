"""Which samples are kept back to validate on, and which of them are looked at."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.datasets.planes import MIN_FOREGROUND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample


def evenly(sets: Sequence[Sequence[Sample]], count: int) -> list[Sample]:
    """Choose samples of several sets, about as many of each, spread over it.

    Parameters
    ----------
    sets : sequence of sequences of Sample
        One per data set; may be empty.
    count : int
        Samples wanted; fewer come back where the sets have fewer.

    Returns
    -------
    list of Sample
        No randomness is in it.

    Notes
    -----
    A volume has hundreds of planes that are nearly alike, and a set of pictures may
    have ten: without this the volumes alone would decide which state is kept.
    """
    chosen: list[Sample] = []
    for place, samples in enumerate(sorted(sets, key=len)):
        share = min(len(samples), (count - len(chosen)) // (len(sets) - place))
        chosen += [samples[i * len(samples) // share] for i in range(share)]
    return chosen


def divide(
    samples: Sequence[Sample], config: TrainingConfig
) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into those to learn from and those to validate on.

    Parameters
    ----------
    samples : sequence of Sample
        In their order; planes of a volume stand one after the other.
    config : TrainingConfig
        Share and seed.

    Returns
    -------
    training, validation : lists of Sample
        At least one is for validation if there are two: whole groups, if some have
        together about the share; else a run of neighbours of the largest group, which
        is cropped out of the planes that cross it.

    Notes
    -----
    Neighbouring planes are nearly the same image: dividing them one by one would make
    the validation look better than it is.
    """
    count = len(samples)
    if count < 2 or config.validation_share == 0:
        return list(samples), []
    wanted = min(max(1, round(config.validation_share * count)), count - 1)
    rng = np.random.default_rng(config.seed)
    members: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        members.setdefault(sample.group or f"/{index}", []).append(index)
    groups = list(members.values())
    held = _whole_groups(groups, wanted, rng)
    cropped: Mapping[int, Sample | None] = {}
    if not wanted / 2 <= len(held) <= max(wanted, count / 2):
        largest = {index: samples[index] for index in max(groups, key=len)}
        held, cropped = _run_of(largest, wanted, rng)
    rest = [cropped.get(i, s) for i, s in enumerate(samples) if i not in held]
    training = [sample for sample in rest if sample is not None]
    return training, [samples[index] for index in sorted(held)]


def _whole_groups(
    groups: Sequence[Sequence[int]], wanted: int, rng: np.random.Generator
) -> set[int]:
    """Return the samples of some groups, each of which brings nearer what is wanted."""
    held: set[int] = set()
    for number in rng.permutation(len(groups)):
        missing = wanted - len(held)
        if abs(missing - len(groups[number])) < abs(missing):
            held.update(groups[number])
    return held


def _run_of(
    volume: Mapping[int, Sample], wanted: int, rng: np.random.Generator
) -> tuple[set[int], dict[int, Sample | None]]:
    """Find a run of the planes of a volume, and what is left of those across it."""
    # where planes cross it, it lies at an end, so that they lose but a strip
    axes = [sample.cut and sample.cut[0] for sample in volume.values()]
    ((axis, _),) = Counter(axes).most_common(1)
    places = {
        index: sample.cut[1] if sample.cut else index
        for own, (index, sample) in zip(axes, volume.items(), strict=True)
        if own == axis
    }
    known = sorted(set(places.values()))
    count = max(1, min(round(wanted / len(volume) * len(known)), len(known) - 1))
    starts = len(known) - count
    is_crossed = len(places) < len(volume)
    start = (
        starts * int(rng.integers(2)) if is_crossed else int(rng.integers(starts + 1))
    )
    low, high = known[start], known[start + count - 1]
    held = {index for index, place in places.items() if low <= place <= high}
    crossing = volume.keys() - places.keys()
    return held, {index: _beside(volume[index], axis, low, high) for index in crossing}


def _beside(sample: Sample, axis: int | None, low: int, high: int) -> Sample | None:
    """Return the longer part of an axis beside a run, if objects are there."""
    assert sample.cut is not None  # as no other plane crosses any
    assert axis is not None
    way = axis - (axis > sample.cut[0])
    after = sample.layers[0].shape[way] - 1 - high
    kept = slice(0, low) if low >= after else slice(high + 1, None)
    part = sample.transformed(lambda array: array[(slice(None),) * way + (kept,)])
    is_empty = np.count_nonzero(part.layers[0]) < MIN_FOREGROUND
    return None if is_empty else part


def looked_at(samples: Sequence[Sample], config: TrainingConfig) -> list[Sample]:
    """Choose the samples that every validation looks at.

    Parameters
    ----------
    samples : sequence of Sample
        All for validation.
    config : TrainingConfig
        How many at most, and the seed.

    Returns
    -------
    list of Sample
        In their order.
    """
    count = min(len(samples), config.validation_images)
    order = np.random.default_rng(config.seed).permutation(len(samples))[:count]
    return [samples[i] for i in sorted(order)]
