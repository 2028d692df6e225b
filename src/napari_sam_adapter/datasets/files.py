"""Data sets of image and label files: two folders, or a list."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.datasets.reference import (
    TRAINING,
    BrokenPair,
    Dataset,
    Pair,
    Reference,
    role_of,
)
from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.image_io import OpenedImage, open_image
from napari_sam_adapter.image_io.kinds import FORMATS
from napari_sam_adapter.image_io.places import check_same_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

LABEL_FOLDERS = ("masks", "labels")
JPEG_LEVEL = 127
"""JPEG blurs the borders of masks; above this they count as object."""
ROLES = re.compile(r"[-_. ](image|img|raw|labels?|masks?|seg|gt)$", re.IGNORECASE)
"""What a file name may add to the stem that image and labels share."""
SUFFIXES = (
    *(".ome.tif", ".ome.tiff", ".ome.zarr"),
    *(suffix for kind in FORMATS for suffix in reversed(kind.suffixes)),
)
"""Longer ones first, where one ends in another."""


def open_folders(images: Path, labels: Path) -> Dataset:
    """Pair the files of two folders by their stems.

    Parameters
    ----------
    images, labels : Path
        Folders, which may be the same one; ``cell_image.tif`` and ``cell_mask.png``
        belong together, as do ``cell.tif`` and ``cell.png``. Of two folders, labels
        beside the images count for nothing.

    Returns
    -------
    Dataset
        In alphabetical order.

    Raises
    ------
    DatasetError
        If a folder is missing, or two files of one folder have one stem.
    """
    beside = _files_in(images, is_labels=False, shared=images == labels)
    pictures = _by_stem(_without_labels(beside))
    masks = _by_stem(_files_in(labels, is_labels=True, shared=images == labels))
    lonely = [
        *(BrokenPair(pictures[s].name, "Expected labels, found none.")
          for s in sorted(pictures.keys() - masks.keys())),
        *(BrokenPair(masks[s].name, "Expected an image, found none.")
          for s in sorted(masks.keys() - pictures.keys())),
    ]  # fmt: skip
    both = sorted(pictures.keys() & masks.keys())
    pairs = [pair_of(stem, pictures[stem], masks[stem]) for stem in both]
    return Dataset(images.name, tuple(pairs), tuple(lonely))


def open_list(path: Path) -> Dataset:
    """Open the pairs that a CSV file lists.

    Parameters
    ----------
    path : Path
        One line for each pair: image and labels, relative to the folder of the list,
        and perhaps ``train`` or ``val``. A first line ``image,labels`` is skipped.

    Returns
    -------
    Dataset
        In the order of the list.

    Raises
    ------
    DatasetError
        If the list cannot be read, or a line has not two or three entries.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"Expected a list of images and labels at {path}, but it cannot be read "
            f"({error})."
        ) from error
    if rows and rows[0][0].strip().lower() == "image":
        rows = rows[1:]
    has_splits = any(len(row) > 2 and row[2].strip() for row in rows)
    pairs = [_listed(path, row, TRAINING if has_splits else "") for row in rows]
    return Dataset(path.stem, tuple(pairs))


def pair_of(name: str, image: Path, labels: Path) -> Pair:
    """Return the pair of two files, which are read later.

    Parameters
    ----------
    name : str
        Of the pair.
    image, labels : Path
        Any format that `open_image` reads.

    Returns
    -------
    Pair
        A picture or a volume.
    """
    return Pair(name, partial(_load, name, image, labels))


def stem_of(path: Path) -> str:
    """Return what the names of an image and its labels have in common.

    Parameters
    ----------
    path : Path
        ``cell_image.ome.tif``, ``cell_mask.png`` or ``cell.jpg_labels.png``.

    Returns
    -------
    str
        ``cell``.
    """
    name = _without_suffix(path.name)
    stem = ROLES.sub("", name)
    return stem if stem == name else _without_suffix(stem)


def _without_suffix(name: str) -> str:
    ending = next((s for s in SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(ending)]


def _listed(path: Path, row: Sequence[str], otherwise: str) -> Pair:
    if len(row) not in (2, 3):
        raise DatasetError(
            f"Expected an image and its labels on every line of {path}, got "
            f"{','.join(row)!r}. Write: image.tif,labels.tif"
        )
    image, labels = (path.parent / entry.strip() for entry in row[:2])
    split = role_of(row[2]) if len(row) == 3 else ""
    return replace(pair_of(stem_of(image), image, labels), split=split or otherwise)


def _files_in(folder: Path, is_labels: bool, shared: bool) -> list[Path]:
    """Return the images of a folder; of a shared one, those of one role."""
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"Expected a folder of images at {folder}, but it cannot be read "
            f"({error.strerror}). Check the path."
        ) from error
    known = [
        path
        for path in names
        if path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
    ]
    return [p for p in known if _is_labels(p) == is_labels] if shared else known


def _is_labels(path: Path) -> bool:
    ending = next(s for s in SUFFIXES if path.name.lower().endswith(s))
    role = ROLES.search(path.name[: -len(ending)])
    return role is not None and role[1].lower() not in ("image", "img", "raw")


def _without_labels(paths: Sequence[Path]) -> list[Path]:
    """Leave out labels that were made beside their image."""
    images = {stem_of(path) for path in paths if not _is_labels(path)}
    return [p for p in paths if not _is_labels(p) or stem_of(p) not in images]


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        stem = stem_of(path)
        if stem in found:
            raise DatasetError(
                f"Expected one file for {stem!r}, got {found[stem].name} and "
                f"{path.name}. Move one of them away."
            )
        found[stem] = path
    return found


def _load(name: str, image: Path, labels: Path) -> Reference:
    for path, what in ((image, "an image"), (labels, "labels")):
        if not path.exists():
            raise DatasetError(f"Expected {what} at {path}, found none.")
    opened, reference = open_image(image), open_image(labels)
    numbers = _labels(reference)
    if opened.label_shape == numbers.shape:
        check_same_place(opened, reference)
    if labels.suffix.lower() in (".jpg", ".jpeg"):
        numbers = numbers > JPEG_LEVEL
    return Reference(name, _pixels(opened), numbers, opened.scale)


def _pixels(opened: OpenedImage) -> npt.NDArray[Any]:
    if opened.channels:
        raise DatasetError(
            f"Expected one channel or colour, got {opened.channels} channels in "
            f"{opened.name}. Save the channel to be segmented."
        )
    pixels = np.asarray(opened.data)
    return pixels[..., :3] if opened.is_colour else pixels


def _labels(opened: OpenedImage) -> npt.NDArray[Any]:
    pixels = np.asarray(opened.data)
    if not opened.is_colour:
        return pixels
    colours = pixels[..., :3]
    if (colours != colours[..., :1]).any():
        raise DatasetError(
            f"Expected labels as numbers, got a colour picture in {opened.name}. "
            "Save the numbers, not their colours."
        )
    return colours[..., 0]
