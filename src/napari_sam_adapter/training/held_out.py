"""Which samples are kept back to validate on, and which of them are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.training.config import TrainingConfig
    from napari_sam_adapter.training.samples import Sample


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
        At least one is for validation if there are two; whole groups where there are
        three or more, else a run of neighbours.

    Notes
    -----
    Neighbouring planes are nearly the same image: dividing them one by one would make
    the validation look better than it is.
    """
    samples = list(samples)
    wanted = max(1, round(config.validation_share * len(samples)))
    if len(samples) < 2 or config.validation_share == 0:
        return samples, []
    rng = np.random.default_rng(config.seed)
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(sample.group or f"/{index}", []).append(index)
    chosen: list[int] = []
    if len(groups) >= 3:
        order = rng.permutation(len(groups))
        members = list(groups.values())
        for number in order[:-1]:
            if len(chosen) < wanted:
                chosen += members[number]
    else:
        start = int(rng.integers(len(samples) - wanted + 1))
        chosen = list(range(start, start + wanted))
    held = set(chosen)
    training = [sample for i, sample in enumerate(samples) if i not in held]
    return training, [samples[i] for i in sorted(held)]


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
