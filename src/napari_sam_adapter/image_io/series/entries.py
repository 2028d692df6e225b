"""An image of a series, and the file of its labels beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.files.kinds import (
    ZARR,
    kind_of,
    named_format,
    split_name,
)
from napari_sam_adapter.image_io.files.opening import (
    open_image,
    open_labels,
    save_labels,
)
from napari_sam_adapter.image_io.labels.places import check_same_place

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

LABELS_MARK, DICOM_MARK, ZARR_MARK = "_labels", "_dicom", "_zarr"
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
