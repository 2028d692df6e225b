"""NumPy files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import (
    COLOURS,
    OpenedImage,
    describe,
)

if TYPE_CHECKING:
    from pathlib import Path


def open_numpy(path: Path) -> OpenedImage:
    """Map a NumPy file into memory; pickled objects are refused.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    OpenedImage
        A uint8 array whose last axis has length 3 or 4 is taken for colours.
    """
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    is_colour = (
        pixels.ndim > 2 and pixels.dtype == np.uint8 and pixels.shape[-1] in COLOURS
    )
    named = "yxs" if is_colour else "yx"
    axes = "q" * (pixels.ndim - len(named)) + named[-pixels.ndim :]
    return describe(LazyArray(pixels, str(path)), axes, {}, path)


def write_numpy(path: Path, image: OpenedImage) -> None:
    """Write labels without axes or scale.

    Parameters
    ----------
    path : Path
        The file.
    image : OpenedImage
        Labels.
    """
    with path.open("wb") as file:  # given a path, NumPy adds .npy to a name in capitals
        np.save(file, np.asarray(image.data), allow_pickle=False)
