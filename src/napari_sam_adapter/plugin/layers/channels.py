"""Which image layers are channels of one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.image_io.image.composite import COLOURS_OF
from napari_sam_adapter.plugin.layers.image_level import levels_of

if TYPE_CHECKING:
    from napari.layers import Image

MOST_PARTNERS = max(COLOURS_OF) - 1
"""Channels that can be seen beside an image."""
GRID = ("scale", "translate", "rotate", "shear", "affine")
"""Where the pixels of a layer lie."""
MOST_APART = 0.01
"""Pixels that the same pixel of two layers may lie apart."""


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
    # Where an origin and the end of each axis lie says where all pixels lie.
    ends = np.vstack([np.zeros(image.ndim), np.diag(_shapes(image)[0][: image.ndim])])
    there = [image.world_to_data(other.data_to_world(end)) for end in ends]
    return bool(np.abs(there - ends).max() < MOST_APART)


def signature(image: Image) -> tuple[Any, ...]:
    """Return what decides which layers fit an image; quick.

    Parameters
    ----------
    image : Image
        Any.

    Returns
    -------
    tuple
        The same, as compared by ``==``, as long as name, shape and place are.
    """
    levels = image.data if image.multiscale else [image.data]
    shapes = [tuple(level.shape) for level in levels]
    places = [_numbers(image, name).tobytes() for name in GRID]
    return image.name, image.rgb, shapes, places, image.units


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
