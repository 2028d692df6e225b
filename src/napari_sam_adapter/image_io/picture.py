"""PNG and JPEG pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io.lazy_array import LazyArray
from napari_sam_adapter.image_io.opened_image import OpenedImage, describe
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    from pathlib import Path

DIRECT_MODES = ("L", "I", "I;16", "I;16B", "F", "RGB", "RGBA")
"""Pillow modes whose arrays are used as they are; all others become RGB or grey."""
GREY_MODES = ("1", "LA", "La")


def open_picture(path: Path) -> OpenedImage:
    """Read a picture.

    Parameters
    ----------
    path : Path
        PNG or JPEG.

    Returns
    -------
    OpenedImage
        Grey (y, x) or colour (y, x, c) pixels as they are stored: no rotation by
        camera tags.

    Raises
    ------
    ImageError
        If the picture is too large for Pillow's safety limit.
    """
    from PIL import Image

    try:
        with without_warnings(), Image.open(path) as picture:
            mode = picture.mode
            if mode not in DIRECT_MODES:
                mode = "L" if mode in GREY_MODES else "RGB"
                pixels = np.array(picture.convert(mode))
            else:
                pixels = np.array(picture)
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"Expected a picture of ordinary size, got {path}: {error} Save it as TIFF."
        ) from error
    return describe(LazyArray(pixels, str(path)), "yxs"[: pixels.ndim], {}, path)


def write_png(path: Path, image: OpenedImage) -> None:
    """Write two-dimensional labels as a 16-bit PNG.

    Parameters
    ----------
    path : Path
        The file.
    image : OpenedImage
        Labels (y, x) up to 65535.

    Raises
    ------
    OutputError
        If the labels have more axes or larger numbers.
    """
    from PIL import Image

    labels = np.asarray(image.data)
    if labels.ndim != 2 or labels.dtype != np.uint16:
        raise OutputError(
            f"Expected 2-D labels up to 65535 for a PNG, got {labels.ndim}-D up to "
            f"{labels.max()}. Save as .tif."
        )
    Image.fromarray(labels).save(path)
