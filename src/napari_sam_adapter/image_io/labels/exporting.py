"""Labels into a file of any kind that can hold them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.image_io.files.opening import (
    as_opened,
    check_labels_path,
    describe_labels,
    save_labels,
)
from napari_sam_adapter.image_io.labels.coco import write_coco
from napari_sam_adapter.image_io.output.whole_files import check_output, whole_output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

COCO_SUFFIX = ".json"


def export_labels(
    path: str | PathLike[str],
    labels: npt.ArrayLike,
    like: OpenedImage | str | PathLike[str] | None = None,
    classes: Mapping[int, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Save labels whole or not at all, in the format that the name asks for.

    Parameters
    ----------
    path : str or path
        Ends in ``.json`` (COCO annotations, one image entry per plane) or as for
        `save_labels`.
    labels : integer array
        Object numbers, 0 for background.
    like : OpenedImage, str or path, optional
        The segmented image; the file takes its axes, scale, units, position and name.
    classes : mapping of int to str, optional
        Classes of the objects that have one; only annotations keep them.
    overwrite : bool
        Whether a file or zarr folder of that name may be replaced.

    Raises
    ------
    OutputError, ImageError
        As `save_labels`.
    """
    path = Path(path)
    if not _is_coco(path):
        check_export_path(path, overwrite)
        save_labels(path, labels, like, overwrite)
        return
    like = as_opened(like)
    check_output(path, overwrite)
    described = describe_labels(np.asarray(labels), like, path)
    name = path.with_suffix(".tif").name if like is None else like.name
    with whole_output(path, overwrite) as temporary:
        write_coco(temporary, described, classes or {}, name)


def check_export_path(
    path: str | PathLike[str],
    overwrite: bool = False,
    others: tuple[str, ...] = (),
    axes: str = "yx",
) -> None:
    """Raise unless `export_labels` could write here.

    Parameters
    ----------
    path : str or path
        Where the labels shall go.
    overwrite : bool
        Whether a file or zarr folder of that name may be replaced.
    others : tuple of str
        More suffixes that the caller can write, for the message.
    axes : str
        One letter per axis of the labels, if they are known already.

    Raises
    ------
    OutputError
        If the format cannot hold labels, the file exists, or its folder is missing
        or cannot be written.
    """
    if _is_coco(Path(path)):
        check_output(Path(path), overwrite)
    else:
        check_labels_path(path, overwrite, axes, (COCO_SUFFIX, *others))


def _is_coco(path: Path) -> bool:
    return path.name.lower().endswith(COCO_SUFFIX)
