"""What the axes of an image layer mean, in the words of files and tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.image.opened_image import (
    AXES_BY_NDIM,
    KNOWN_AXES,
    SPARE_AXES,
    OpenedImage,
)
from napari_sam_adapter.image_io.image.units import (
    NO_UNIT,
    SPACE,
    UNIT_NAMES,
    spacing_of,
    unit_of,
)

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_sam_adapter.plugin.layers.image_level import ImageLevel

SIGNS = {"um": "\u00b5m", NO_UNIT: "px"}
UNITS_OF_TIME = "ms", "s", "min", "h"
POWERS = {2: "²", 3: "³"}
CUBIC_MM, ML = "mm³", "ml"
"""How volumes of organs are read."""
CUBIC_MM_PER_ML = 1000
LEAST_CUBIC_MM = 1e-3
"""Of a voxel, to be read in ml: below it ml have too many zeros."""


def axes_of(image: Layer) -> str:
    """Return one letter per axis of an image layer.

    Parameters
    ----------
    image : Layer
        The layer.

    Returns
    -------
    str
        Without an axis of colours. What the layer calls its axes, if these are letters
        that we know; else an axis before rows and columns that has a unit of time is
        time; if there is none, the number of axes decides.
    """
    named = [label.lower() for label in image.axis_labels]
    is_known = set(named) <= {*KNOWN_AXES, *SPARE_AXES}
    if is_known and len(set(named)) == len(named) and named[-2:] == ["y", "x"]:
        return "".join(named)
    letters = AXES_BY_NDIM[image.ndim]
    leading = enumerate(units_of(image)[:-2])
    times = [axis for axis, unit in leading if unit in UNITS_OF_TIME]
    if len(times) != 1:
        return letters
    others = letters.replace("t", "")[1 - image.ndim :]
    return f"{others[: times[0]]}t{others[times[0] :]}"


def units_of(image: Layer) -> tuple[str, ...]:
    """Return the units of the axes of an image layer.

    Parameters
    ----------
    image : Layer
        The layer.

    Returns
    -------
    tuple of str
        Such as ``"um"``; ``"pixel"`` where there is none.
    """
    return tuple(UNIT_NAMES.get(str(unit), NO_UNIT) for unit in image.units)


def spacing_now(image: Layer) -> tuple[float, ...]:
    """Return how far apart the voxels of an image layer are.

    Parameters
    ----------
    image : Layer
        The layer; its scale may be another than when its session began.

    Returns
    -------
    tuple of float
        As `spacing_of`.
    """
    return spacing_of(axes_of(image), image.scale, units_of(image))


def voxel_size(image: Layer) -> tuple[float, str]:
    """Return the area of a pixel, or the volume of a voxel, of an image layer.

    Parameters
    ----------
    image : Layer
        The layer.

    Returns
    -------
    size : float
        In that unit.
    unit : str
        Such as ``"mm²"``, and ``"ml"`` for mm³, but of voxels below 0.001 mm³; with
        ``"?"`` where pixels have a size and it has no unit.
    """
    axes, units = axes_of(image), units_of(image)
    spacing = spacing_now(image)
    sizes = [step for axis, step in zip(axes, spacing, strict=True) if axis in SPACE]
    unit = unit_of(axes, units)
    sign = "?" if unit == NO_UNIT and set(sizes) != {1} else SIGNS.get(unit, unit)
    size, power = math.prod(sizes), f"{sign}{POWERS[len(sizes)]}"
    is_in_ml = power == CUBIC_MM and size >= LEAST_CUBIC_MM
    return (size / CUBIC_MM_PER_ML, ML) if is_in_ml else (size, power)


def described(level: ImageLevel) -> OpenedImage:
    """Describe a level of an image layer as if it had been opened from a file.

    Parameters
    ----------
    level : ImageLevel
        The level.

    Returns
    -------
    OpenedImage
        Without the coarser levels.
    """
    frame = level.frame
    axes = axes_of(frame) + "c" * level.is_rgb
    scale = tuple(abs(float(step)) for step in frame.scale)
    return OpenedImage(level.data, axes, scale, units_of(frame), f"{frame.name}")
