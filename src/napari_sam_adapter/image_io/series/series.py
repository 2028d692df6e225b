"""A list of images with a place in it, and the file of its progress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.image_io.output.whole_files import whole_output
from napari_sam_adapter.image_io.series.entries import SeriesEntry
from napari_sam_adapter.image_io.series.folders import (
    images_of_files,
    images_to_annotate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

PROGRESS_NAME = "napari-sam-series.json"
PROGRESS_VERSION = 1


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

    @classmethod
    def of_images(cls, images: Sequence[str | PathLike[str]]) -> Series:
        """Return chosen images, of which DICOM files of one image count once.

        Parameters
        ----------
        images : sequence of paths
            In order, at least one; they need not exist.

        Returns
        -------
        Series
            At the image where it was left.

        Raises
        ------
        DatasetError
            If there is none, or the file of progress is damaged.
        ImageError
            If there are several DICOM files and pydicom is missing.
        """
        return cls(images_of_files([Path(image) for image in images]))

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
