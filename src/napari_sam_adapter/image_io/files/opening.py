"""The functions that everybody calls: open an image, save labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io.files.kinds import FORMATS, kind_of, named_format
from napari_sam_adapter.image_io.image.lazy_array import unreadable
from napari_sam_adapter.image_io.image.opened_image import AXES_BY_NDIM, OpenedImage
from napari_sam_adapter.image_io.image.units import NO_UNIT
from napari_sam_adapter.image_io.output.whole_files import check_output, whole_output

if TYPE_CHECKING:
    from os import PathLike

    import numpy.typing as npt

    from napari_sam_adapter.image_io.files.kinds import FileFormat

LARGEST_LABEL = np.iinfo(np.uint32).max


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
    return _open(path, are_labels=False)


def open_labels(path: str | PathLike[str]) -> OpenedImage:
    """Open labels as `open_image` opens images.

    Parameters
    ----------
    path : str or path
        As for `open_image`.

    Returns
    -------
    OpenedImage
        Numbers; of a PNG with a palette its indices, not its colours.

    Raises
    ------
    ImageError
        As for `open_image`, or if a palette does not begin with black.
    """
    return _open(path, are_labels=True)


def _open(path: str | PathLike[str], are_labels: bool) -> OpenedImage:
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
        if not (path.is_file() or path.is_dir()):  # reading it may wait for ever
            raise ImageError(
                f"Expected an image, got {path}, which is a pipe or a device. Save "
                "what comes from it as a file first."
            )
        kind = _format_to_open(path)
        read = (are_labels and kind.open_labels) or kind.open
        return read(path)
    except ImageError:
        raise
    except Exception as error:  # file libraries raise anything on damaged files
        raise ImageError(unreadable(path, error)) from error


def _format_to_open(path: Path) -> FileFormat:
    kind = kind_of(path)
    if kind.format is not None:
        return kind.format
    if not kind.is_folder:
        return _format_of(path, ImageError)
    next(path.iterdir(), None)  # raises what keeps it from being read
    raise ImageError(
        f"Expected an image, got the folder {path}, which is no zarr store and has no "
        "DICOM files right in it. Give one of its files or folders."
    )


def save_labels(
    path: str | PathLike[str],
    labels: npt.ArrayLike,
    like: OpenedImage | str | PathLike[str] | None = None,
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
    like : OpenedImage, str or path, optional
        The segmented image; the file takes its axes, scale, units and position.
    overwrite : bool
        Whether a file or zarr folder of that name may be replaced.

    Raises
    ------
    OutputError
        If the file exists, its folder cannot be written, the disk is full, or the
        format cannot hold these labels. Nothing is left behind then.
    ImageError
        If `like` is a path of what is no image.
    """
    path = Path(path)
    check_labels_path(path, overwrite)
    write = _format_of(path, OutputError).write
    assert write is not None  # check_labels_path refuses such formats
    described = describe_labels(np.asarray(labels), as_opened(like), path)
    with whole_output(path, overwrite) as temporary:
        write(temporary, described)


def check_labels_path(
    path: str | PathLike[str],
    overwrite: bool = False,
    axes: str = "yx",
    others: tuple[str, ...] = (),
) -> None:
    """Raise unless `save_labels` could write here.

    Parameters
    ----------
    path : str or path
        Where the labels shall go.
    overwrite : bool
        Whether a file or zarr folder of that name may be replaced.
    axes : str
        One letter per axis of the labels, if they are known already.
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
    if kind.is_flat and len(axes) > 2:
        raise OutputError(
            f"Expected a format for labels of {len(axes)} axes, got {path.name}. Save "
            "as .tif, .zarr or .nii.gz."
        )
    if kind.write is None:
        raise OutputError(
            f"Expected a format that keeps labels exactly, got {path.name}. "
            "Save as .png or .tif."
        )
    if kind.check_axes is not None:
        kind.check_axes(axes)
    check_output(path, overwrite)


def _format_of(
    path: Path, error: type[ImageError | OutputError], others: tuple[str, ...] = ()
) -> FileFormat:
    if kind := named_format(path):
        return kind
    usable = [kind for kind in FORMATS if kind.write or error is ImageError]
    suffixes = [*(suffix for kind in usable for suffix in kind.suffixes), *others]
    known = ", ".join(suffixes)
    raise error(f"Expected a file name that ends in one of {known}, got {path.name}.")


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


def as_opened(image: OpenedImage | str | PathLike[str] | None) -> OpenedImage | None:
    """Return an image, if there is one, opened if it was a path; see `open_image`."""
    if image is None or isinstance(image, OpenedImage):
        return image
    return open_image(image)


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
