"""Data on disk to training samples; what cannot be used is told by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.datasets import BrokenPair, open_dataset
from napari_sam_adapter.datasets.indexed import has_index
from napari_sam_adapter.datasets.reference import TRAINING, VALIDATION
from napari_sam_adapter.errors import SamAdapterError, TrainingError
from napari_sam_adapter.training.samples.array_samples import (
    check_content,
    usable_planes,
)
from napari_sam_adapter.training.samples.datasets import (
    line_about,
    nothing_in,
    samples_of,
)
from napari_sam_adapter.training.samples.held_out import evenly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_adapter.datasets import Reference
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.training.samples.samples import Sample

USED_SPLITS = ("", TRAINING, VALIDATION)


@dataclass(frozen=True)
class FoundSamples:
    """What data hold for training.

    Parameters
    ----------
    training, validation : tuples of Sample
        Validation is empty where the data do not name any.
    refused : tuple of str
        One line for each pair, or plane of a volume, that cannot be used, with its
        name and the reason.
    lost_validation : bool
        Whether the data name images for validation, of which none can be used.
    """

    training: tuple[Sample, ...] = ()
    validation: tuple[Sample, ...] = ()
    refused: tuple[str, ...] = ()
    lost_validation: bool = False

    def __repr__(self) -> str:
        counts = f"{len(self.training)} training, {len(self.validation)} validation"
        return f"<FoundSamples {counts}, {len(self.refused)} refused>"


def find_samples(
    path: str | Path,
    labels: str | Path | None = None,
    intensity: IntensityMapping | None = None,
) -> FoundSamples:
    """Read all pairs of images and labels, and leave out what is broken.

    Parameters
    ----------
    path : str or Path
        Anything that `open_dataset` opens. Pairs of the part ``val`` are for
        validation, those of parts that are neither ``train`` nor ``val`` are not read.
    labels : str, Path or None
        Labels of the image, or the folder with labels of the same names.
    intensity : IntensityMapping or None
        Window through which all images are seen, which must have more than 8 bits. By
        default each has its own.

    Returns
    -------
    FoundSamples
        At least one sample for training. Volumes of a set with an index give planes
        along each axis, others along their last two axes.

    Raises
    ------
    DatasetError
        If there are no pairs.
    TrainingError
        If none can be used.
    """
    dataset = open_dataset(path, labels)
    has_axes = labels is None and has_index(Path(path))
    found: dict[str, list[Sample]] = {split: [] for split in USED_SPLITS}
    refused = [line_about(entry) for entry in dataset.broken]
    for pair in dataset.pairs:
        if pair.split not in found:
            continue
        reference = pair.read()
        if isinstance(reference, BrokenPair):
            refused.append(line_about(reference))
            continue
        try:
            samples, left_out = _samples_of(reference, has_axes, intensity)
            found[pair.split] += samples
            refused += left_out
        except SamAdapterError as error:
            refused.append(f"{pair.name}: {error}")
    training = (*found[""], *found[TRAINING])
    if not training:
        raise TrainingError(nothing_in(path, refused))
    validation = tuple(found[VALIDATION])
    names_some = any(pair.split == VALIDATION for pair in dataset.pairs)
    is_lost = names_some and not validation
    return FoundSamples(training, validation, tuple(refused), is_lost)


def find_sets(
    folder: Path,
    weights: Mapping[str, float],
    validated: int,
    intensity: IntensityMapping | None = None,
) -> FoundSamples:
    """Read several data sets, each as often drawn as its weight says.

    Parameters
    ----------
    folder : Path
        Holds ``NAME.zip`` or the folder ``NAME`` of each set.
    weights : mapping of str to float
        Relative share of each set; its images share it.
    validated : int
        Samples wanted for validation, about as many of each set.
    intensity : IntensityMapping or None
        As for `find_samples`.

    Returns
    -------
    FoundSamples
        All sets together.

    Raises
    ------
    DatasetError
        If a set is missing.
    TrainingError
        If a set has nothing to learn from.
    """
    training: list[Sample] = []
    validation: list[list[Sample]] = []
    refused: list[str] = []
    is_lost = False
    for name, weight in weights.items():
        archive = folder / f"{name}.zip"
        path = archive if archive.exists() else folder / name
        found = find_samples(path, intensity=intensity)
        training += _named(found.training, name, weight / len(found.training))
        validation.append(_named(found.validation, name, 1.0))
        refused += [f"{name} {line}" for line in found.refused]
        is_lost |= found.lost_validation
    held_out = tuple(evenly(validation, validated))
    is_lost = is_lost and not held_out
    return FoundSamples(tuple(training), held_out, tuple(refused), is_lost)


def _samples_of(
    reference: Reference, has_axes: bool, intensity: IntensityMapping | None
) -> tuple[list[Sample], list[str]]:
    """Return the samples of a pair, and what is said about planes left out."""
    image, labels = reference.image, reference.labels
    if intensity is not None and image.dtype == np.uint8:  # later they are not, too
        raise TrainingError(
            "Expected more than 8 bits for a window of all images (--intensity), got "
            "uint8. Leave it out, or give the original."
        )
    if not has_axes:
        return usable_planes(
            image,
            labels,
            name=reference.name,
            spacing=reference.spacing,
            intensity=intensity,
        )
    if labels.ndim == 2:
        check_content(image, labels, reference.name)
    return list(samples_of(reference, window=intensity)), []


def _named(samples: tuple[Sample, ...], name: str, weight: float) -> list[Sample]:
    """Return samples that say from which set they are."""
    return [
        replace(
            sample,
            name=f"{name} {sample.name}",
            group=sample.group and f"{name} {sample.group}",
            weight=weight,
        )
        for sample in samples
    ]
