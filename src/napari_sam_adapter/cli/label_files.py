"""Label files, and the images they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.image_io import OpenedImage


def open_labels(path: Path, image: OpenedImage | None = None) -> OpenedImage:
    """Open labels without reading them, where the format allows.

    Parameters
    ----------
    path : Path
        The file.
    image : OpenedImage or None
        The image they belong to.

    Returns
    -------
    OpenedImage
        Whole numbers.

    Raises
    ------
    ImageError
        If they cannot be read, are no whole numbers, or do not fit the image.
    """
    from napari_sam_adapter.image_io import open_image

    labels = open_image(path)
    shape = tuple(labels.data.shape)
    if labels.data.dtype.kind not in "bui" or labels.is_colour:
        raise ImageError(
            f"Expected labels as whole numbers, got {labels.data.dtype} with the axes "
            f"{labels.axes!r} from {path}. Give the label file."
        )
    if image is not None and shape != image.label_shape:
        raise ImageError(
            f"Expected labels of shape {image.label_shape} as in {image.name}, got "
            f"{shape} from {path}. Give the image that was segmented."
        )
    return labels
