"""From the text of ``--spacing`` to the size of the pixels of an image."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.units import METRES, NO_UNIT, SPACE, known_unit

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.image_io import OpenedImage

WRITTEN = re.compile(r"(.*\d\.?)\s*([^\d.,\s]+)\s*")


class Spacing(NamedTuple):
    """Distances between neighbours, as they were given.

    Attributes
    ----------
    sizes : tuple of float
        One for each of z, y and x, or one for the pixels of a picture.
    unit : str
        Of length.
    """

    sizes: tuple[float, ...]
    unit: str


def parse_spacing(text: str | None) -> Spacing | None:
    """Read the value of ``--spacing``.

    Parameters
    ----------
    text : str or None
        Numbers with commas between, and a unit.

    Returns
    -------
    Spacing or None
        None if nothing was given.

    Raises
    ------
    ImageError
        If it is no such thing.
    """
    if text is None:
        return None
    written = WRITTEN.fullmatch(text)
    numbers, unit = written.groups() if written else ("", "")
    try:
        sizes = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        sizes = ()
    is_length = known_unit(unit) in METRES
    if not sizes or not is_length or not all(0 < size < math.inf for size in sizes):
        raise ImageError(
            f"Expected --spacing as numbers with a unit of length behind, got {text!r}."
            " Write for example 0.65um for a picture, or 2,0.65,0.65um for z, y and x "
            "of a volume."
        )
    return Spacing(sizes, known_unit(unit))


def with_spacing(image: OpenedImage, spacing: Spacing | None) -> OpenedImage:
    """Return an image with pixels of a given size.

    Parameters
    ----------
    image : OpenedImage
        The image.
    spacing : Spacing or None
        Of its z, y and x; None for what its file says.

    Returns
    -------
    OpenedImage
        Not read; its `problem` tells, too, if the file says something else.

    Raises
    ------
    ImageError
        If there is not a number for each of these axes.
    """
    if spacing is None:
        return image
    given = _by_axis(image, spacing)
    own = list(zip(image.label_axes, image.scale, image.units, strict=True))
    spaced = replace(
        image,
        scale=tuple(given.get(axis, size) for axis, size, _ in own),
        units=tuple(spacing.unit if axis in given else unit for axis, _, unit in own),
        affine=_affine(image, given, spacing.unit),
    )
    problems = filter(None, (image.problem, _told(image, spaced)))
    return replace(spaced, problem=" ".join(problems))


def _by_axis(image: OpenedImage, spacing: Spacing) -> dict[str, float]:
    axes, sizes = [axis for axis in image.label_axes if axis in SPACE], spacing.sizes
    if axes == ["y", "x"] and len(sizes) == 1:
        sizes *= 2
    if len(sizes) != len(axes):
        example = "2,0.5,0.5" if len(axes) == 3 else "0.5,0.5"
        raise ImageError(
            f"Expected {len(axes)} numbers, {','.join(axes)}, as --spacing of "
            f"{image.name}, got {len(sizes)}. Give one for each of these axes, such "
            f"as {example}{spacing.unit}."
        )
    return dict(zip(axes, sizes, strict=True))


def _affine(
    image: OpenedImage, given: dict[str, float], unit: str
) -> npt.NDArray[np.float64] | None:
    """Return the affine with columns, for x, y and z, of the given lengths."""
    if image.affine is None:
        return None
    affine = np.array(image.affine, float)
    affine[:3] *= METRES.get(image.unit, METRES[unit]) / METRES[unit]
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    sizes = [given.get(axis, step) for axis, step in zip("xyz", steps, strict=True)]
    affine[:3, :3] *= np.divide(sizes, steps)
    return affine


def _told(image: OpenedImage, spaced: OpenedImage) -> str:
    """Return a sentence if a file says something else than what was given."""
    if image.unit == NO_UNIT:
        return ""
    factor = METRES[image.unit] / METRES[spaced.unit]
    if np.allclose(np.multiply(image.spacing, factor), spaced.spacing):
        return ""
    given, own = _words(spaced), _words(image)
    return f"{image.name}: {given} by --spacing, in place of {own} in the file."


def _words(image: OpenedImage) -> str:
    pairs = zip(image.label_axes, image.spacing, strict=True)
    sizes = (f"{size:g}" for axis, size in pairs if axis in SPACE)
    return f"{', '.join(sizes)} {image.unit}"
