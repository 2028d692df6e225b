"""PNG and JPEG pictures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import OpenedImage, describe
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from PIL import Image

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
    pixels = read_pixels(path, str(path))
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
    numbers = read_numbers(path, str(path))
    return describe(LazyArray(numbers, str(path)), "yxs"[: numbers.ndim], {}, path)


def read_pixels(file: Path | BinaryIO, name: str) -> npt.NDArray[Any]:
    """Read the pixels of a picture.

    Parameters
    ----------
    file : Path or binary file
        PNG, JPEG or TIFF.
    name : str
        For messages.

    Returns
    -------
    (H, W) or (H, W, C) array
        As they are stored; palettes and CMYK as RGB.

    Raises
    ------
    ImageError
        If the picture is too large for Pillow's safety limit, or a TIFF has pages.
    """
    with _opened(file, name) as picture:
        return _pixels(picture)


def read_numbers(file: Path | BinaryIO, name: str) -> npt.NDArray[Any]:
    """Read the numbers of a label picture, whatever colours stand for them.

    Parameters
    ----------
    file : Path or binary file
        PNG.
    name : str
        For messages.

    Returns
    -------
    (H, W) or (H, W, C) array
        As `open_labels_png` tells.

    Raises
    ------
    ImageError
        As `read_pixels`, or if a palette begins with another colour than black.
    """
    with _opened(file, name) as picture:
        if picture.mode == "1":
            return np.array(picture).astype(np.uint8)
        if picture.mode == "P" and picture.palette is not None:
            return _palette_numbers(np.array(picture), _pixels(picture), name)
        return _pixels(picture)


@contextmanager
def _opened(file: Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    from PIL import Image

    try:
        with without_warnings(), Image.open(file) as picture:
            pages = getattr(picture, "n_frames", 1)
            if picture.format == "TIFF" and pages > 1:
                raise ImageError(
                    f"Expected one picture in {name}, got {pages} pages. Save them as "
                    "a volume, or each as a picture."
                )
            yield picture
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"Expected a picture of ordinary size, got {name}: {error} Save it as TIFF."
        ) from error


def _pixels(picture: Image.Image) -> npt.NDArray[Any]:
    if picture.mode in DIRECT_MODES:
        return np.array(picture)
    return np.array(picture.convert("L" if picture.mode in GREY_MODES else "RGB"))


def _palette_numbers(
    indices: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8], name: str
) -> npt.NDArray[np.uint8]:
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    if colours[indices == 0].any():
        raise ImageError(
            f"Expected a palette whose first colour is black, for the background, in "
            f"{name}, got another. Save the labels as grey numbers."
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
