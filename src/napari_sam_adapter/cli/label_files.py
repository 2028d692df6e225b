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
        If they cannot be read, are no whole numbers, do not fit the image, or look
        like one.
    """
    from napari_sam_adapter.datasets.plausible import looks_like_an_image
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
    if looks_like_an_image(labels.data):
        raise ImageError(
            f"Expected labels, got {path}, whose numbers change from pixel to pixel as "
            "in an image. Give the label file; are image and labels swapped?"
        )
    return labels
