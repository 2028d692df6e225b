"""The file formats, and the two functions that everybody calls."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io.dicom import open_dicom
from napari_sam_adapter.image_io.dicom_files import SUFFIXES, holds_dicom, is_dicom
from napari_sam_adapter.image_io.lazy_array import unreadable
from napari_sam_adapter.image_io.nifti import open_nifti, write_nifti
from napari_sam_adapter.image_io.numpy_file import open_numpy, write_numpy
from napari_sam_adapter.image_io.ome_zarr import open_zarr, write_zarr
from napari_sam_adapter.image_io.opened_image import OpenedImage
from napari_sam_adapter.image_io.output import (
    FOLDER_MARKS,
    check_output,
    whole_output,
)
from napari_sam_adapter.image_io.picture import open_picture, write_png
from napari_sam_adapter.image_io.tiff import open_tiff, write_tiff
from napari_sam_adapter.image_io.units import NO_UNIT

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    import numpy.typing as npt

AXES_BY_NDIM = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}
LARGEST_LABEL = np.iinfo(np.uint32).max


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
    """

    suffixes: tuple[str, ...]
    open: Callable[[Path], OpenedImage]
    write: Callable[[Path, OpenedImage], None] | None
    is_flat: bool = False
    is_part: bool = False
    has_affine: bool = False


DICOM = FileFormat(SUFFIXES, open_dicom, None, is_part=True, has_affine=True)
FORMATS = (
    FileFormat((".tif", ".tiff"), open_tiff, write_tiff),
    FileFormat((".zarr",), open_zarr, write_zarr),
    FileFormat((".nii", ".nii.gz"), open_nifti, write_nifti, has_affine=True),
    FileFormat((".png",), open_picture, write_png, is_flat=True),
    FileFormat((".jpg", ".jpeg"), open_picture, None),
    FileFormat((".npy",), open_numpy, write_numpy),
    DICOM,
)


def open_image(path: str | PathLike[str]) -> OpenedImage:
    """Open an image or a volume without reading its pixels, where the format allows.

    Parameters
    ----------
    path : str or path
        TIFF or OME-TIFF (the first image in the file), OME-Zarr or zarr folder (all
        levels), NIfTI, DICOM, PNG, JPEG or NumPy file. PNG, JPEG and ``.nii.gz`` can
        only be read whole. A DICOM file, whatever its name, stands for its series in
        the same folder, and so does a folder with one series.

    Returns
    -------
    OpenedImage
        Pixels, axes, scale and units. NIfTI axes x, y, z come as z, y, x.

    Raises
    ------
    ImageError
        If the file is missing, cut off, broken or of an unknown kind.
    """
    try:
        path = Path(path)
    except TypeError as error:
        raise ImageError(
            f"Expected the path of an image, got {path!r:.80}. Pixels in memory need "
            "not be opened: give the array to Session, Volume or encode."
        ) from error
    try:
        if not path.exists():
            raise ImageError(
                f"Expected an image, but {path} does not exist. Check the path."
            )
        opener = _folder_opener(path) if path.is_dir() else _file_opener(path)
        return opener(path)
    except ImageError:
        raise
    except Exception as error:  # file libraries raise anything on damaged files
        raise ImageError(unreadable(path, error)) from error


def _folder_opener(path: Path) -> Callable[[Path], OpenedImage]:
    if is_zarr(path):
        return open_zarr
    if holds_dicom(path):
        return open_dicom
    raise ImageError(
        f"Expected an image, got the folder {path}, which is no zarr store and has no "
        "DICOM files right in it. Give one of its files or folders."
    )


def is_zarr(path: Path) -> bool:
    """Tell whether a path is a zarr store.

    Parameters
    ----------
    path : Path
        Any path.

    Returns
    -------
    bool
        By the files in it.
    """
    return any((path / mark).exists() for mark in FOLDER_MARKS[".zarr"])


def _file_opener(path: Path) -> Callable[[Path], OpenedImage]:
    if _named_format(path) is None and is_dicom(path):  # scanners give any name
        return open_dicom
    return _format_of(path, ImageError).open


def tells_position(path: Path) -> bool:
    """Tell whether an image's file knows where its pixels are in a patient.

    Parameters
    ----------
    path : Path
        Of the image.

    Returns
    -------
    bool
        True for NIfTI and DICOM.
    """
    if kind := _named_format(path):
        return kind.has_affine
    return holds_dicom(path) if path.is_dir() else is_dicom(path)


def save_labels(
    path: str | PathLike[str],
    labels: npt.ArrayLike,
    like: OpenedImage | None = None,
    overwrite: bool = False,
) -> None:
    """Save labels whole or not at all.

    Parameters
    ----------
    path : str or path
        Ends in ``.tif``, ``.tiff`` (both written as OME-TIFF), ``.zarr`` (OME-Zarr
        0.4), ``.nii``, ``.nii.gz``, ``.png`` (2-D, up to 65535) or ``.npy``.
    labels : integer array
        Object numbers, 0 for background; kept as uint16 if they fit, else as uint32.
    like : OpenedImage, optional
        The segmented image; the file takes its axes, scale, units and position.
    overwrite : bool
        Whether a file or zarr folder of that name may be replaced.

    Raises
    ------
    OutputError
        If the file exists, its folder cannot be written, the disk is full, or the
        format cannot hold these labels. Nothing is left behind then.
    """
    path = Path(path)
    check_labels_path(path, overwrite)
    write = _format_of(path, OutputError).write
    assert write is not None  # check_labels_path refuses such formats
    described = describe_labels(np.asarray(labels), like, path)
    with whole_output(path, overwrite) as temporary:
        write(temporary, described)


def check_labels_path(
    path: str | PathLike[str],
    overwrite: bool = False,
    ndim: int = 2,
    others: tuple[str, ...] = (),
) -> None:
    """Raise unless `save_labels` could write here.

    Parameters
    ----------
    path : str or path
        Where the labels shall go.
    overwrite : bool
        Whether a file or zarr folder of that name may be replaced.
    ndim : int
        Number of axes, if it is known already.
    others : tuple of str
        More suffixes that the caller can write, for the message.

    Raises
    ------
    OutputError
        If the format cannot hold such labels, the file exists, or its folder is missing
        or cannot be written.
    """
    path = Path(path)
    kind = _format_of(path, OutputError, others)
    if kind.is_flat and ndim > 2:
        raise OutputError(
            f"Expected a format for labels of {ndim} axes, got {path.name}. Save as "
            ".tif, .zarr or .nii.gz."
        )
    if kind.write is None:
        raise OutputError(
            f"Expected a format that keeps labels exactly, got {path.name}. "
            "Save as .png or .tif."
        )
    check_output(path, overwrite)


def _format_of(
    path: Path, error: type[ImageError | OutputError], others: tuple[str, ...] = ()
) -> FileFormat:
    if kind := _named_format(path):
        return kind
    usable = [kind for kind in FORMATS if kind.write or error is ImageError]
    suffixes = [*(suffix for kind in usable for suffix in kind.suffixes), *others]
    known = ", ".join(suffixes)
    raise error(f"Expected a file name that ends in one of {known}, got {path.name}.")


def _named_format(path: Path) -> FileFormat | None:
    name = path.name.lower()
    return next((kind for kind in FORMATS if name.endswith(kind.suffixes)), None)


def _compact(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if labels.dtype.kind not in "bui" or not labels.size:
        raise OutputError(
            f"Expected labels as whole numbers, got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > LARGEST_LABEL:
        raise OutputError(
            f"Expected labels from 0 to {LARGEST_LABEL}, got {low} to {high}."
        )
    small = high <= np.iinfo(np.uint16).max
    return labels.astype(np.uint16 if small else np.uint32)


def describe_labels(
    labels: npt.NDArray[Any], like: OpenedImage | None, path: Path
) -> OpenedImage:
    """Return labels as small numbers with the meaning of their axes.

    Parameters
    ----------
    labels : integer array
        Object numbers, 0 for background.
    like : OpenedImage or None
        The segmented image.
    path : Path
        Where they shall go.

    Returns
    -------
    OpenedImage
        As uint16 if they fit, else as uint32.

    Raises
    ------
    OutputError
        If they are no labels, or of another shape than the image.
    """
    labels = _compact(labels)
    if like is None:
        if labels.ndim not in AXES_BY_NDIM:
            raise OutputError(f"Expected labels of 2 to 5 axes, got {labels.ndim}.")
        axes = AXES_BY_NDIM[labels.ndim]
        ones, units = (1.0,) * labels.ndim, (NO_UNIT,) * labels.ndim
        return OpenedImage(labels, axes, ones, units, path.name)
    if labels.shape != like.label_shape:
        raise OutputError(
            f"Expected labels of shape {like.label_shape} as in {like.name}, "
            f"got {labels.shape}."
        )
    return OpenedImage(
        labels, like.label_axes, like.scale, like.units, path.name, like.affine
    )
