"""Which image layers are channels of one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.image_io.composite import COLOURS_OF
from napari_sam_adapter.plugin.layers.image_level import levels_of

if TYPE_CHECKING:
    from napari.layers import Image

MOST_PARTNERS = max(COLOURS_OF) - 1
"""Channels that can be seen beside an image."""
GRID = ("scale", "translate", "rotate", "shear", "affine")
"""Where the pixels of a layer lie."""


def fits(image: Image, other: Image) -> bool:
    """Return whether another layer can be a channel beside an image.

    Parameters
    ----------
    image, other : Image
        Layers of one viewer.

    Returns
    -------
    bool
        True if both have one value at each pixel, and pixels at the same places.
    """
    if other is image or not share_pixels(image, other) or image.units != other.units:
        return False
    pairs = [(_numbers(image, name), _numbers(other, name)) for name in GRID]
    return all(np.allclose(one, another) for one, another in pairs)


def share_pixels(image: Image, other: Image) -> bool:
    """Return whether two layers have pixels that can be the colours of one picture.

    Parameters
    ----------
    image, other : Image
        They may lie anywhere.

    Returns
    -------
    bool
        True if neither has colours, and both the same shape at every level.
    """
    if image.rgb or other.rgb or image.ndim != other.ndim:
        return False
    return _shapes(image) == _shapes(other)


def _shapes(image: Image) -> list[tuple[int, ...]]:
    return [tuple(level.shape) for level in levels_of(image)[0]]


def _numbers(image: Image, name: str) -> np.ndarray:
    return np.asarray(getattr(image, name))
