"""Files to training samples; what cannot be used is told by name."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError, SamAdapterError, TrainingError
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.training.array_samples import samples_from_arrays
from napari_sam_adapter.training.datasets import read_samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.training.samples import Sample


MASK_FOLDERS = ("masks", "labels")
VALIDATION_NAMES = ("val", "valid", "validation")
BINARY_LEVEL = 127
"""JPEG masks have grey borders; above this they count as object."""


@dataclass(frozen=True)
class FoundSamples:
    """What data hold for training.

    Parameters
    ----------
    training, validation : tuples of Sample
        Validation is empty where the data do not name any.
    refused : tuple of str
        One line for each pair that cannot be used, with its name and the reason.
    """

    training: tuple[Sample, ...] = ()
    validation: tuple[Sample, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pair:
    """An image file with its labels, or one file with both."""

    image: Path
    labels: Path | None
    is_validation: bool = False


def find_samples(data: Path, labels: Path | None = None) -> FoundSamples:
    """Read all pairs of images and labels, and leave out those that are broken.

    Parameters
    ----------
    data : Path
        A folder with ``images`` and ``masks`` (or ``labels``), perhaps within
        ``train`` and ``val``; a data set as zip file or folder with ``index.csv``; a
        list, NAME.csv, of image, labels and perhaps ``val`` on each line; an image or
        volume; or a folder of images.
    labels : Path or None
        Labels of the image, or the folder with labels of the same names.

    Returns
    -------
    FoundSamples
        At least one sample for training.

    Raises
    ------
    TrainingError
        If there are no pairs, or none can be used.
    """
    if not data.exists():
        raise TrainingError(f"Expected training data at {data}, found none.")
    if data.suffix == ".zip":
        training, validation = (_read_set(data, split) for split in ("train", "val"))
        found = FoundSamples(training, validation)
    else:
        found = _read_all(_pairs(data, labels))
    if not found.training:
        reasons = "; ".join(found.refused[:3]) or "it holds no pairs"
        raise TrainingError(
            f"Expected images with labels in {data}, got nothing to learn from: "
            f"{reasons}."
        )
    return found


def find_sets(folder: Path, weights: Mapping[str, float]) -> FoundSamples:
    """Read several data sets, each as often drawn as its weight says.

    Parameters
    ----------
    folder : Path
        Holds ``NAME.zip`` or the folder ``NAME`` of each set.
    weights : mapping of str to float
        Relative share of each set; its images share it.

    Returns
    -------
    FoundSamples
        All sets together.

    Raises
    ------
    TrainingError
        If a set is missing or has nothing to learn from.
    """
    every = FoundSamples()
    for name, weight in weights.items():
        archive = folder / f"{name}.zip"
        found = find_samples(archive if archive.exists() else folder / name)
        share = weight / len(found.training)
        every = FoundSamples(
            (*every.training, *(replace(s, weight=share) for s in found.training)),
            every.validation + found.validation,
            every.refused + found.refused,
        )
    return every


def _read_set(path: Path, split: str) -> tuple[Sample, ...]:
    samples = enumerate(read_samples(path, split))
    return tuple(replace(s, name=f"{path.stem} {split} {i}") for i, s in samples)


def _read_all(pairs: Sequence[_Pair]) -> FoundSamples:
    training: list[Sample] = []
    validation: list[Sample] = []
    refused = []
    for pair in pairs:
        try:
            samples = _read_pair(pair)
        except SamAdapterError as error:
            refused.append(f"{pair.image.name}: {error}")
        else:
            (validation if pair.is_validation else training).extend(samples)
    return FoundSamples(tuple(training), tuple(validation), tuple(refused))


def _read_pair(pair: _Pair) -> list[Sample]:
    name = pair.image.name
    if pair.labels is None:
        try:
            arrays = np.load(pair.image, allow_pickle=False)
            return samples_from_arrays(arrays["image"], arrays["labels"], name=name)
        except (OSError, ValueError, KeyError) as error:
            raise TrainingError(f"Expected image and labels, got: {error}.") from error
    if not pair.labels.exists():
        raise TrainingError(f"Expected labels at {pair.labels}, found none.")
    image, labels = open_image(pair.image), open_image(pair.labels)
    try:
        pixels, numbers = image.data[...], labels.data[...]
    except ImageError:
        raise
    except Exception as error:  # readers raise anything on broken files
        raise ImageError(f"Expected to read it, got: {error}.") from error
    return samples_from_arrays(pixels, _to_numbers(numbers, pair.labels), name=name)


def _to_numbers(labels: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Return labels of a file without colours, and binary where it is a JPEG."""
    if labels.ndim == 3 and labels.shape[-1] in (3, 4):
        if np.any(labels[..., :3] != labels[..., :1]):
            raise TrainingError("Expected labels of one channel, got colours.")
        labels = labels[..., 0]
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return labels > BINARY_LEVEL
    return labels


def _pairs(data: Path, labels: Path | None) -> list[_Pair]:
    if labels is not None and data.is_dir():
        return _matching(data, labels)
    if labels is not None:
        return [_Pair(data, labels)]
    if data.suffix in (".csv", ".txt"):
        return list(_listed(data))
    if data.suffix == ".npz":
        return [_Pair(data, None)]
    if not data.is_dir():
        raise TrainingError(f"Expected labels for {data}, got none. Use --labels.")
    if (data / "index.csv").exists():
        return list(_indexed(data))
    return _in_folders(data)


def _in_folders(folder: Path) -> list[_Pair]:
    parts = [folder, folder / "train", *(folder / name for name in VALIDATION_NAMES)]
    pairs = []
    for part in parts:
        for masks in MASK_FOLDERS:
            if (part / "images").is_dir() and (part / masks).is_dir():
                is_validation = part.name in VALIDATION_NAMES and part != folder
                found = _matching(part / "images", part / masks)
                pairs += [replace(p, is_validation=is_validation) for p in found]
    return pairs


def _matching(images: Path, labels: Path) -> list[_Pair]:
    """Pair the files of two folders by their names without endings."""
    known = {_stem(path): path for path in sorted(labels.iterdir())}
    files = sorted(p for p in images.iterdir() if not p.name.startswith("."))
    return [_Pair(p, known.get(_stem(p), labels / p.name)) for p in files]


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _listed(path: Path) -> Iterator[_Pair]:
    with path.open(newline="") as file:
        for row in csv.reader(file):
            if len(row) < 2 or row[0].strip().lower() == "image":
                continue
            image, labels, *rest = (cell.strip() for cell in row)
            is_validation = bool(rest) and rest[0].lower() in VALIDATION_NAMES
            yield _Pair(path.parent / image, path.parent / labels, is_validation)


def _indexed(folder: Path) -> Iterator[_Pair]:
    with (folder / "index.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            is_validation = row.get("split", "") in VALIDATION_NAMES
            volume = folder / "volumes" / f"{row['id']}.npz"
            if volume.exists():
                yield _Pair(volume, None, is_validation)
                continue
            endings = (".png", ".jpg", ".tif")
            paths = [folder / "images" / f"{row['id']}{e}" for e in endings]
            image = next((p for p in paths if p.exists()), paths[0])
            yield _Pair(image, folder / "masks" / f"{row['id']}.png", is_validation)
