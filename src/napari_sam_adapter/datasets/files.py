"""Data sets of image and label files: two folders, or a list."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import chain, count
from operator import attrgetter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.datasets.listed import read_rows
from napari_sam_adapter.datasets.reference import (
    TRAINING,
    BrokenPair,
    Dataset,
    Pair,
    Reference,
    numbers_of_colours,
    role_of,
)
from napari_sam_adapter.errors import DatasetError, ImageError
from napari_sam_adapter.image_io import OpenedImage, open_image, open_labels
from napari_sam_adapter.image_io.dicom.series import images_in
from napari_sam_adapter.image_io.files.kinds import (
    images_in_folder,
    named_format,
    split_name,
)
from napari_sam_adapter.image_io.labels.places import check_same_place
from napari_sam_adapter.image_io.series.entries import SeriesEntry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

LABEL_FOLDERS = ("masks", "labels")
JPEG_LEVEL = 127
"""JPEG blurs the borders of masks; above this they count as object."""
ROLES = re.compile(r"[-_. ](image|img|raw|labels?|masks?|seg|gt)$", re.IGNORECASE)
"""What a file name may add to the stem that image and labels share."""


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
        In alphabetical order. Of DICOM files without labels of their own name one is
        taken for each image, or the folder, if all are one image.

    Raises
    ------
    DatasetError
        If a folder is missing, or two files of one folder have one stem.
    """
    is_shared = images.resolve() == labels.resolve()
    masks = _by_stem([p for p in _images_in(labels) if not is_shared or _is_labels(p)])
    beside = _without_labels(_images_in(images), is_shared)
    pictures = _by_stem(_one_of_each(images, beside, masks), masks)
    lonely = [
        *(BrokenPair(pictures[s].name, "Expected labels, found none.")
          for s in sorted(pictures.keys() - masks.keys())),
        *(BrokenPair(masks[s].name, "Expected an image, found none.")
          for s in sorted(masks.keys() - pictures.keys())),
    ]  # fmt: skip
    both = sorted(pictures.keys() & masks.keys())
    own = Counter(stem_of(path) for path in pictures.values())
    pairs = [pair_of(_name(s, pictures[s], own), pictures[s], masks[s]) for s in both]
    pairs.sort(key=attrgetter("name"))
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
        In the order of the list. Images of one stem are called by their folders, too.

    Raises
    ------
    DatasetError
        If the list cannot be read, or a line has not two or three entries.
    """
    try:
        rows = read_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"Expected a list of images and labels at {path}, but it cannot be read "
            f"({error})."
        ) from error
    if rows and rows[0][0].lower() == "image":
        rows = rows[1:]
    for row in rows:
        if len(row) not in (2, 3):
            raise DatasetError(
                f"Expected an image and its labels on every line of {path}, got "
                f"{','.join(row)!r}. Write: image.tif,labels.tif"
            )
    otherwise = TRAINING if any(row[2:] and row[2] for row in rows) else ""
    pairs = [
        replace(
            pair_of(name, path.parent / image, path.parent / labels),
            split=role_of("".join(split)) or otherwise,
        )
        for name, (image, labels, *split) in zip(_names(rows), rows, strict=True)
    ]
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


def stem_of(path: PurePath) -> str:
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
    name, _ = split_name(path.name)
    stem = ROLES.sub("", name)
    return stem if stem == name else split_name(stem)[0]


def _names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each pair of a list, none of them twice."""
    images = [PurePath(row[0]) for row in rows]
    stems = [stem_of(image) for image in images]
    taken = Counter(stems)
    names: dict[str, None] = {}
    for image, stem in zip(images, stems, strict=True):
        name = stem if taken[stem] == 1 else (image.parent / stem).as_posix()
        again = (f"{name} ({number})" for number in count(2))
        names[next(n for n in chain([name], again) if n not in names)] = None
    return list(names)


def _images_in(folder: Path) -> list[Path]:
    """Return what is an image in a folder, and each of its DICOM files."""
    try:
        found = images_in_folder(folder)
        named = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise DatasetError(
            f"Expected a folder of images at {folder}, but it cannot be read "
            f"({error.strerror}). Check the path."
        ) from error
    return sorted({*found, *filter(_is_part, named)})


def _is_part(path: Path) -> bool:
    known = named_format(path)
    return known is not None and known.is_part


def _one_of_each(
    folder: Path, paths: Sequence[Path], masks: Collection[str]
) -> list[Path]:
    """Leave out DICOM files of an image of which another stands for all."""
    parts = [path for path in paths if _is_part(path) and path.is_file()]
    labelled = [path for path in parts if stem_of(path) in masks]
    if len(labelled) == len(parts):  # no header has to be read
        return list(paths)
    rest = sorted({*parts} - {*labelled})
    try:
        found = images_in([*labelled, *rest])
    except ImageError:  # is told when they are read
        return list(paths)
    if len(found) == 1 and not labelled:
        found = [folder.absolute()]
    return list({*paths} - {*rest} | {*found})


def _is_labels(path: Path) -> bool:
    role = ROLES.search(split_name(path.name)[0])
    return role is not None and role[1].lower() not in ("image", "img", "raw")


def _without_labels(paths: Sequence[Path], all_of_them: bool) -> list[Path]:
    """Leave out labels: all of them, or those that were made beside their image."""
    images = [path for path in paths if not _is_labels(path)]
    others = [path for path in paths if _is_labels(path)]
    if all_of_them or not others:
        return images
    stems = {stem for path in images for stem in (stem_of(path), _stem_of_labels(path))}
    return [*images, *(path for path in others if stem_of(path) not in stems)]


def _stem_of_labels(image: Path) -> str:
    """Return the stem of the labels that a series puts beside an image."""
    return stem_of(SeriesEntry(image).labels_path)


def _by_stem(
    paths: Iterable[Path], masks: Collection[str] | None = None
) -> dict[str, Path]:
    """Return files by their stems; images, whose masks are known, by those of these."""
    found: dict[str, Path] = {}
    # files go first: a folder gives way to what was made of it
    for path in sorted(paths, key=lambda path: (named_format(path) is None, path)):
        stem = stem_of(path)
        if masks is not None and (stem in found or stem not in masks):
            other = _stem_of_labels(path)
            is_folder = named_format(path) is None
            stem = other if other in masks or (stem in found and is_folder) else stem
        if stem in found:
            raise DatasetError(
                f"Expected one file for {stem!r}, got {found[stem].name} and "
                f"{path.name}. Move one of them away."
            )
        found[stem] = path
    return found


def _name(stem: str, picture: Path, taken: Counter[str]) -> str:
    """Return the stem of an image, or that of its labels if others have the same."""
    own = stem_of(picture)
    return own if taken[own] == 1 else stem


def _load(name: str, image: Path, labels: Path) -> Reference:
    for path, what in ((image, "an image"), (labels, "labels")):
        if not path.exists():
            raise DatasetError(f"Expected {what} at {path}, found none.")
    opened, reference = open_image(image), open_labels(labels)
    numbers = _labels(reference)
    are_alike = opened.label_shape == numbers.shape
    if are_alike:
        check_same_place(opened, reference)
    if labels.suffix.lower() in (".jpg", ".jpeg"):
        numbers = numbers > JPEG_LEVEL
    return Reference(name, _pixels(opened), numbers, opened.scale if are_alike else ())


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
    return numbers_of_colours(pixels, opened.name)
