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

    import numpy.typing as npt

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


def open_labels_png(path: Path) -> OpenedImage:
    """Read the numbers of a label PNG, whatever colours stand for them.

    Parameters
    ----------
    path : Path
        PNG.

    Returns
    -------
    OpenedImage
        Of a picture with a palette of colours that begins with black its indices, with
        one of greys these; of one with one bit 0 and 1; of any other its pixels.

    Raises
    ------
    ImageError
        As `open_picture`, or if the palette begins with another colour.
    """
    from PIL import Image

    opened = open_picture(path)
    with without_warnings(), Image.open(path) as picture:
        if picture.mode == "1":
            numbers = np.array(picture).astype(np.uint8)
        elif picture.mode == "P" and picture.palette is not None:
            numbers = _palette_numbers(np.array(picture), np.asarray(opened.data), path)
        else:
            return opened
    return describe(LazyArray(numbers, str(path)), "yx", {}, path)


def _palette_numbers(
    indices: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8], path: Path
) -> npt.NDArray[np.uint8]:
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    if colours[indices == 0].any():
        raise ImageError(
            f"Expected a palette whose first colour is black, for the background, in "
            f"{path}, got another. Save the labels as grey numbers."
        )
    return indices


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
