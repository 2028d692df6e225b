"""The images of a folder, or among chosen files, in the order of annotating them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.image_io.dicom.files import holds_dicom, is_dicom
from napari_sam_adapter.image_io.dicom.series import images_in
from napari_sam_adapter.image_io.files.kinds import (
    DICOM,
    FORMATS,
    images_in_folder,
    kind_of,
    named_format,
    split_name,
)
from napari_sam_adapter.image_io.series.entries import LABELS_MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SUFFIXES = tuple(
    suffix for kind in FORMATS if not kind.is_part for suffix in kind.suffixes
)
"""Ends of names of images; of DICOM files many may be one image."""
MOST_SEARCHED = MOST_OPENED = 100
"""Folders in one without images in which some are looked for, and files opened then."""
FEW = 5
"""Files of those that are opened in one folder."""


def images_to_annotate(folder: Path) -> list[Path]:
    """Return the images of a folder, in natural order of their names.

    Parameters
    ----------
    folder : Path
        As for `Series.of_folder`.

    Returns
    -------
    list of Path
        At least one.

    Raises
    ------
    DatasetError
        If the folder cannot be read, or has no image.
    """
    try:
        found = sorted(images_in_folder(folder), key=_natural)
    except OSError as error:
        raise DatasetError(
            f"Expected a folder of images, got {folder}: {error.strerror}."
        ) from error
    images = [path for path in found if path == folder or not _is_labels(path)]
    images = images or _dicom_images(folder)
    if not images:
        known = ", ".join(SUFFIXES)
        raise DatasetError(
            f"Expected images ({known}, folders of DICOM files) right in {folder}, "
            f"got none. {_advice(folder)}"
        )
    return images


def images_of_files(files: Sequence[Path]) -> list[Path]:
    """Return a file of each image, as many DICOM files may be one.

    Parameters
    ----------
    files : sequence of Path
        Images in order; they need not exist.

    Returns
    -------
    list of Path
        Without DICOM files of an image that has one before, or that hold none. What is
        wrong with others is told when their turn comes.

    Raises
    ------
    ImageError
        If there are several DICOM files and pydicom is missing.
    """
    parts = {path.absolute(): path for path in files if _is_dicom_file(path)}
    if len(parts) < 2:
        return list(files)
    broken: list[Path] = []
    kept = {*images_in(parts, broken), *broken}
    return [p for p in files if p.absolute() in kept or p.absolute() not in parts]


def _is_dicom_file(path: Path) -> bool:
    return kind_of(path).format is DICOM and is_dicom(path)


def _advice(folder: Path) -> str:
    """Say where images are that lie deeper, as those of a patient do in its folder."""
    inside = (path for path in sorted(folder.iterdir()) if os.path.isdir(path))
    looks = iter(range(MOST_OPENED))
    for path in islice(inside, MOST_SEARCHED):
        with suppress(OSError):
            found = images_in_folder(path, lambda f: holds_dicom(f, islice(looks, FEW)))
            if not all(map(_is_labels, found)):
                return f"There are some in {path}: choose that, and others like it."
    return "Choose another."


def _dicom_images(folder: Path) -> list[Path]:
    """Return a folder of one DICOM image, or a file of each of several."""
    if kind_of(folder).format is not DICOM:
        return []
    images = images_in(sorted(folder.iterdir()))
    return images if len(images) > 1 else [folder]


def _is_labels(path: Path) -> bool:
    named = named_format(path)
    is_kind = named is not None and named.write is not None
    return is_kind and split_name(path.name.lower())[0].endswith(LABELS_MARK)


def _natural(path: Path) -> list[tuple[int, str]]:
    # "image 2" before "image 10"
    parts: Iterable[str] = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
