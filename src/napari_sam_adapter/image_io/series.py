"""Images that are annotated one after the other; labels and progress lie beside."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import DatasetError, ImageError
from napari_sam_adapter.image_io.dicom_series import images_in
from napari_sam_adapter.image_io.formats import open_image, open_labels, save_labels
from napari_sam_adapter.image_io.kinds import (
    DICOM,
    FORMATS,
    ZARR,
    images_in_folder,
    kind_of,
    named_format,
    split_name,
)
from napari_sam_adapter.image_io.output import whole_output
from napari_sam_adapter.image_io.places import check_same_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    import numpy.typing as npt

    from napari_sam_adapter.image_io.opened_image import OpenedImage

PROGRESS_NAME = "napari-sam-series.json"
PROGRESS_VERSION = 1
LABELS_MARK, DICOM_MARK, ZARR_MARK = "_labels", "_dicom", "_zarr"
SUFFIXES = tuple(
    suffix for kind in FORMATS if not kind.is_part for suffix in kind.suffixes
)
"""Ends of names of images; of DICOM files many may be one image."""
MOST_SEARCHED = 100
"""Folders in one without images in which some are looked for."""
LARGEST_LABEL = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class SeriesImage:
    """An opened image of a series, and what was labelled in it before.

    Parameters
    ----------
    image : OpenedImage
        The image.
    labels : int32 array or None
        None if there is no file of labels yet.
    """

    image: OpenedImage
    labels: npt.NDArray[np.int32] | None


@dataclass(frozen=True)
class SeriesEntry:
    """An image of a series and the file of its labels.

    Parameters
    ----------
    path : Path
        The image; it need not exist.
    """

    path: Path

    @cached_property
    def labels_path(self) -> Path:
        """Where its labels are: beside it, in its format if that can hold labels.

        Those of DICOM files and folders are a NIfTI file, those of a zarr store are
        one.
        """
        kind, name = kind_of(self.path), self.path.name
        named = named_format(self.path)
        if named is not None and named.write and kind.format in (named, None):
            stem, end = split_name(name)
            return self.path.with_name(f"{stem}{LABELS_MARK}{end}")
        end = f"{LABELS_MARK}.png"
        # a folder is not to share labels with a file that was made of it
        if kind.format is ZARR:
            end = f"{ZARR_MARK}{LABELS_MARK}.zarr"
        elif kind.has_position:
            end = f"{DICOM_MARK * kind.is_folder}{LABELS_MARK}.nii.gz"
        return self.path.with_name(f"{name}{end}")

    def read(self) -> SeriesImage:
        """Open the image and the labels beside it.

        Returns
        -------
        SeriesImage
            The image is lazy where its format allows, the labels are not.

        Raises
        ------
        ImageError
            If the image or the labels are missing, damaged, or do not fit.
        """
        image, path = open_image(self.path), self.labels_path
        return SeriesImage(image, _read_labels(path, image) if path.exists() else None)

    def save(self, labels: npt.NDArray[Any], like: OpenedImage) -> bool:
        """Save labels, whole or not at all.

        Parameters
        ----------
        labels : integer array
            They replace those that were there; without any object no file is made.
        like : OpenedImage
            The image.

        Returns
        -------
        bool
            Whether there is an object.

        Raises
        ------
        OutputError
            If they cannot be written; what was there before is untouched.
        """
        has_objects = bool(labels.any())
        if has_objects or self.labels_path.exists():
            save_labels(self.labels_path, labels, like, overwrite=True)
        return has_objects


class Series:
    """A list of images with a place in it; every change is on disk at once.

    Parameters
    ----------
    images : sequence of paths
        In order, at least one; they need not exist.

    Raises
    ------
    DatasetError
        If there is none, or the file of progress is damaged.
    """

    def __init__(self, images: Sequence[str | PathLike[str]]) -> None:
        self.entries = tuple(SeriesEntry(Path(image).absolute()) for image in images)
        if not self.entries:
            raise DatasetError("Expected images for a series, got none. Choose some.")
        self._progress = self.entries[0].path.parent / PROGRESS_NAME
        current, self._done = _read_progress(self._progress)
        keys = [self._key(entry.path) for entry in self.entries]
        self.position = keys.index(current) if current in keys else 0

    @classmethod
    def of_folder(cls, folder: str | PathLike[str]) -> Series:
        """Return all images of a folder, in natural order of their names.

        Parameters
        ----------
        folder : str or path
            Files that end in ``_labels`` before their suffix are left out. Folders with
            DICOM files and zarr stores are images. Without any image, the folder itself
            is one, or each DICOM image in it.

        Returns
        -------
        Series
            At the image where it was left.

        Raises
        ------
        DatasetError
            If the folder cannot be read, has no image, or its progress is damaged.
        """
        return cls(images_to_annotate(Path(folder)))

    @property
    def entry(self) -> SeriesEntry:
        """The image at the present place."""
        return self.entries[self.position]

    @property
    def is_done(self) -> bool:
        """Whether the present image is finished."""
        return self._key(self.entry.path) in self._done

    @property
    def done_count(self) -> int:
        """How many images are finished."""
        return sum(self._key(entry.path) in self._done for entry in self.entries)

    def move_to(self, position: int) -> None:
        """Go to another image and remember it.

        Parameters
        ----------
        position : int
            From 0.

        Raises
        ------
        DatasetError
            If there is no such image.
        OutputError
            If the progress cannot be written; the place is another nevertheless.
        """
        if not 0 <= position < len(self.entries):
            raise DatasetError(
                f"Expected an image from 1 to {len(self.entries)}, got {position + 1}. "
                "This is the end of the series."
            )
        self.position = position
        self._write_progress()

    def mark(self, is_done: bool) -> None:
        """Say whether the present image is finished.

        Parameters
        ----------
        is_done : bool
            True if it is.

        Raises
        ------
        OutputError
            If the progress cannot be written.
        """
        key = self._key(self.entry.path)
        self._done = (self._done | {key}) if is_done else (self._done - {key})
        self._write_progress()

    def _key(self, path: Path) -> str:
        folder = self._progress.parent
        return path.name if path.parent == folder else str(path)

    def _write_progress(self) -> None:
        values = {
            "version": PROGRESS_VERSION,
            "current": self._key(self.entry.path),
            "done": sorted(self._done),
        }
        with whole_output(self._progress, overwrite=True) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def _read_progress(path: Path) -> tuple[str, frozenset[str]]:
    """Return the name of the image it was left at, and those that are finished."""
    if not path.exists():
        return "", frozenset()
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["version"] != PROGRESS_VERSION:
            raise ValueError(f"version {values['version']}")
        return str(values["current"]), frozenset(map(str, values["done"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"Expected the progress of a series in {path}, got: {error}. Move that "
            "file away to begin anew; labels that are saved stay."
        ) from error


def _read_labels(path: Path, image: OpenedImage) -> npt.NDArray[np.int32]:
    opened = open_labels(path)
    labels = np.asarray(opened.data)
    fits = labels.dtype.kind in "bui" and labels.shape == image.label_shape
    if not fits or labels.min() < 0 or labels.max() > LARGEST_LABEL:
        raise ImageError(
            f"Expected whole numbers of shape {image.label_shape} as labels in {path}, "
            f"got {labels.dtype} of shape {labels.shape}. Move that file away."
        )
    check_same_place(image, opened)
    return labels.astype(np.int32)


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


def _advice(folder: Path) -> str:
    """Say where images are that lie deeper, as those of a patient do in its folder."""
    inside = (path for path in sorted(folder.iterdir()) if os.path.isdir(path))
    for path in islice(inside, MOST_SEARCHED):
        with suppress(OSError):
            if images_in_folder(path):
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
