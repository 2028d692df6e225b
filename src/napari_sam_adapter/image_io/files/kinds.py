"""What a path is: which format, told by content for folders and by name for files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.dicom.files import SUFFIXES, holds_dicom, is_dicom
from napari_sam_adapter.image_io.dicom.volume import open_dicom
from napari_sam_adapter.image_io.formats.nifti import (
    check_nifti_axes,
    open_nifti,
    write_nifti,
)
from napari_sam_adapter.image_io.formats.numpy_file import open_numpy, write_numpy
from napari_sam_adapter.image_io.formats.ome_zarr import open_zarr, write_zarr
from napari_sam_adapter.image_io.formats.picture import (
    open_labels_png,
    open_picture,
    write_png,
)
from napari_sam_adapter.image_io.formats.tiff import (
    check_tiff_axes,
    open_tiff,
    write_tiff,
)
from napari_sam_adapter.image_io.output.whole_files import FOLDER_MARKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam_adapter.image_io.image.opened_image import OpenedImage


@dataclass(frozen=True)
class FileFormat:
    """How one kind of file is opened and written.

    Parameters
    ----------
    suffixes : tuple of str
        Ends of the file name, in lower case.
    open : callable
        Path to `OpenedImage`.
    write : callable or None
        Path and labels to a file; None if labels cannot be kept in it.
    is_flat : bool
        Whether it holds two axes only.
    is_part : bool
        Whether a file may be a part of an image that other files belong to.
    has_affine : bool
        Whether a file tells where its pixels are in a patient.
    check_axes : callable or None
        Raises `OutputError` for axes of labels that `write` would refuse.
    open_labels : callable or None
        What opens labels, if not `open`.
    """

    suffixes: tuple[str, ...]
    open: Callable[[Path], OpenedImage]
    write: Callable[[Path, OpenedImage], None] | None
    is_flat: bool = False
    is_part: bool = False
    has_affine: bool = False
    check_axes: Callable[[str], None] | None = None
    open_labels: Callable[[Path], OpenedImage] | None = None


ZARR = FileFormat((".zarr",), open_zarr, write_zarr)
DICOM = FileFormat(SUFFIXES, open_dicom, None, is_part=True, has_affine=True)
FORMATS = (
    FileFormat((".tif", ".tiff"), open_tiff, write_tiff, check_axes=check_tiff_axes),
    ZARR,
    FileFormat(
        (".nii", ".nii.gz"),
        open_nifti,
        write_nifti,
        has_affine=True,
        check_axes=check_nifti_axes,
    ),
    FileFormat(
        (".png",), open_picture, write_png, is_flat=True, open_labels=open_labels_png
    ),
    FileFormat((".jpg", ".jpeg"), open_picture, None),
    FileFormat((".npy",), open_numpy, write_numpy),
    DICOM,
)
_ENDS = sorted(
    (mark + suffix for mark in ("", ".ome") for f in FORMATS for suffix in f.suffixes),
    key=len,
    reverse=True,
)
"""Longer ones first, where one ends in another."""


@dataclass(frozen=True)
class PathKind:
    """What a path is.

    Parameters
    ----------
    format : FileFormat or None
        What opens it; None for a folder without an image of its own, and for files of
        an unknown kind.
    is_folder : bool
        Whether it is a folder, as a zarr store is.
    """

    format: FileFormat | None
    is_folder: bool = False

    @property
    def is_image(self) -> bool:
        """Whether it is one image, as far as can be told without opening it."""
        return self.format is not None

    @property
    def has_position(self) -> bool:
        """Whether it tells where its pixels are in a patient."""
        return self.format is not None and self.format.has_affine


def kind_of(path: Path) -> PathKind:
    """Tell what a path is.

    Parameters
    ----------
    path : Path
        Any path.

    Returns
    -------
    PathKind
        Of a folder by what lies in it, whatever its name; of a file, and of what is not
        there, by its name. Only a file of an unknown name is opened, to look for the
        mark of DICOM: scanners give any name.
    """
    if os.path.isdir(path):  # unlike Path.is_dir, raises nothing
        return PathKind(_format_of_folder(path), is_folder=True)
    named = named_format(path)
    return PathKind(DICOM if named is None and is_dicom(path) else named)


def named_format(path: Path) -> FileFormat | None:
    """Return the format that a name asks for.

    Parameters
    ----------
    path : Path
        It need not exist.

    Returns
    -------
    FileFormat or None
        None if the name ends in no known suffix.
    """
    name = path.name.lower()
    return next((known for known in FORMATS if name.endswith(known.suffixes)), None)


def split_name(name: str) -> tuple[str, str]:
    """Cut the known suffix off a name.

    Parameters
    ----------
    name : str
        Of a file or folder.

    Returns
    -------
    tuple of str
        ``cell`` and ``.ome.tif``; the suffix is empty if none is known.
    """
    end = next((end for end in _ENDS if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)], end and name[-len(end) :]


def images_in_folder(
    folder: Path, is_scan: Callable[[Path], bool] = holds_dicom
) -> list[Path]:
    """Return what is an image right in a folder; no file right in it is opened.

    Parameters
    ----------
    folder : Path
        The folder.
    is_scan : callable
        What tells whether a folder in it holds DICOM files; default `holds_dicom`.

    Returns
    -------
    list of Path
        In the order of their names: files by their names, labels among them, and
        folders that are images. DICOM files are left out, because many may be one
        image. A zarr store without named images is one: arrays in it are its parts.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    if os.path.exists(folder / ".zarray"):  # beside it are chunks, perhaps a million
        return [folder]
    is_store = _is_zarr(folder)
    paths = sorted(folder.iterdir())
    found = [path for path in paths if _is_listed(path, is_store, is_scan)]
    return found or [folder] * is_store


def _is_listed(path: Path, in_store: bool, is_scan: Callable[[Path], bool]) -> bool:
    named = named_format(path)
    if path.name.startswith("."):
        return False
    if named is not None and not named.is_part:  # what is wrong with it is told later
        return True
    return not in_store and os.path.isdir(path) and (_is_zarr(path) or is_scan(path))


def _format_of_folder(path: Path) -> FileFormat | None:
    if _is_zarr(path):
        return ZARR
    return DICOM if holds_dicom(path) else None


def _is_zarr(path: Path) -> bool:
    return any(os.path.exists(path / mark) for mark in FOLDER_MARKS[".zarr"])
