"""Arrays to training samples, plane by plane."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError, TrainingError
from napari_sam_adapter.intensity import (
    IntensityMapping,
    check_pixels,
    default_of_array,
    mapping_of_plane,
)
from napari_sam_adapter.training.samples.datasets import nothing_in
from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Index = tuple[int, ...]

_log = logging.getLogger(__name__)

MIN_FOREGROUND = 20
"""Planes of a volume with fewer labelled pixels are left out, unless asked for."""


def samples_from_arrays(
    image: Any,
    labels: Any,
    planes: Sequence[int | Index] | None = None,
    *,
    name: str = "image",
    intensity: IntensityMapping | None = None,
    spacing: Sequence[float] | None = None,
) -> list[Sample]:
    """Make samples of planes of an image and its labels.

    Parameters
    ----------
    image : (..., H, W) or (..., H, W, 3) array
        Of two to five axes, or colour; only the planes needed are loaded.
    labels : (..., H, W) array
        Whole numbers, 0 for background.
    planes : sequence of int or tuple of int, or None
        Positions on the axes before the last two of those that are finished; None
        takes all with some labelled pixels, and leaves out (and logs) those that are
        blank or without a finite value, or labelled all over.
    name : str
        For messages.
    intensity : IntensityMapping or None
        Window to 8 bits; None estimates it from a few planes, as the widget does.
    spacing : sequence of float or None
        Distance between neighbours along each axis of the labels; None takes 1.

    Returns
    -------
    list of Sample
        Planes without any label are left out.

    Raises
    ------
    TrainingError
        If the shapes differ, labels are no whole numbers, a plane is not there, or none
        is left.
    ImageError
        If a plane cannot be segmented.
    """
    samples, refused = usable_planes(
        image, labels, planes, name=name, intensity=intensity, spacing=spacing
    )
    for line in refused:
        _log.warning("left out: %s", line)
    return samples


def usable_planes(
    image: Any,
    labels: Any,
    planes: Sequence[int | Index] | None = None,
    *,
    name: str = "image",
    intensity: IntensityMapping | None = None,
    spacing: Sequence[float] | None = None,
) -> tuple[list[Sample], list[str]]:
    """Do what `samples_from_arrays` does, and say what is left out.

    Parameters
    ----------
    image, labels, planes, name, intensity, spacing
        As for `samples_from_arrays`.

    Returns
    -------
    samples : list of Sample
        At least one.
    refused : list of str
        One line for each plane that cannot be used, with its name and the reason;
        planes that are asked for are never left out.

    Raises
    ------
    TrainingError
        As `samples_from_arrays`.
    ImageError
        The same.
    """
    numbered = _labelled(labels, _places(image, labels, planes, name), planes, name)
    if intensity is None:
        intensity = default_of_array(image, labels.ndim)
    is_strict = planes is not None or labels.ndim == 2
    samples: list[Sample] = []
    refused: list[str] = []
    for index in sorted(numbered):
        try:
            samples.append(_sample(image, index, numbered, name, intensity))
        except (ImageError, TrainingError) as error:
            if is_strict:
                raise
            refused.append(f"{_title(name, index)}: {error}")
    if not samples:
        raise TrainingError(nothing_in(name, refused))
    if spacing is not None and labels.ndim > 2:
        way, height, width = spacing[-3:]
        pixel = (height / way, width / way)
        samples = [replace(sample, pixel=pixel) for sample in samples]
    return samples, refused


def _places(
    image: Any, labels: Any, planes: Sequence[int | Index] | None, name: str
) -> list[Index]:
    """Return where to look for labels, on the axes before the last two."""
    _check_shapes(image, labels, name)
    if isinstance(planes, int | np.integer):
        raise TrainingError(f"Expected several planes, got {planes}: write [{planes}].")
    if planes is None:
        return list(np.ndindex(*labels.shape[:-2]))
    return [_position(plane, labels.shape[:-2], name) for plane in planes]


def _labelled(
    labels: Any,
    places: Sequence[Index],
    planes: Sequence[int | Index] | None,
    name: str,
) -> dict[Index, npt.NDArray[np.int32]]:
    """Return the planes with labels enough, with small numbers."""
    lowest = MIN_FOREGROUND if planes is None and labels.ndim > 2 else 1
    found = {index: _whole_numbers(labels[index], name) for index in places}
    used = {i: plane for i, plane in found.items() if np.count_nonzero(plane) >= lowest}
    if not used:
        raise TrainingError(f"Expected labelled pixels in {name}, got none.")
    numbers = np.unique(np.concatenate([np.unique(p) for p in used.values()]))
    return {index: _renumbered(plane, numbers) for index, plane in used.items()}


def check_content(
    pixels: npt.NDArray[Any], labels: npt.NDArray[Any], name: str
) -> None:
    """Raise unless there is something to learn from a plane.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) array
        Image values.
    labels : (H, W) int array
        Its labels.
    name : str
        For messages.

    Raises
    ------
    ImageError
        If the pixels cannot be segmented.
    TrainingError
        If the labels are all the same.
    """
    check_pixels(pixels, f"image ({name})" if name else "image")
    if labels.min() == labels.max():
        raise TrainingError(
            f"Expected object and background in {name}, got only {labels.max()}."
        )


def _sample(
    image: Any,
    index: Index,
    planes: Mapping[Index, npt.NDArray[np.int32]],
    name: str,
    intensity: IntensityMapping,
) -> Sample:
    title = _title(name, index)
    pixels = _plane(image[index])
    plane = planes[index]
    check_content(pixels, plane, title)
    before, after = (
        planes.get((*index[:-1], index[-1] + step)) if index else None
        for step in (-1, 1)
    )
    return Sample(
        mapping_of_plane(intensity, pixels).apply(pixels),
        (plane,),
        before,
        title,
        name if index else "",
        intensity=intensity,
        after=after,
    )


def _title(name: str, index: Index) -> str:
    return " ".join([name, ",".join(map(str, index))]).strip()


def _position(plane: int | Index, shape: tuple[int, ...], name: str) -> Index:
    """Return where a plane lies on the axes before the last two, from 0."""
    given = np.ravel(plane).tolist()
    is_whole = all(isinstance(place, int) for place in given)
    if not is_whole or len(given) != len(shape):
        raise TrainingError(
            f"Expected planes of {name} by {len(shape)} whole number(s), got {plane!r}."
        )
    for place, length in zip(given, shape, strict=True):
        if not -length <= place < length:
            raise TrainingError(
                f"Expected planes of {name} from 0 to {length - 1}, got {plane!r}."
            )
    return tuple(place % n for place, n in zip(given, shape, strict=True))


def _plane(image: Any) -> npt.NDArray[Any]:
    pixels = np.asarray(image)
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def _renumbered(
    plane: npt.NDArray[Any], numbers: npt.NDArray[Any]
) -> npt.NDArray[np.int32]:
    """Return the plane with numbers without gaps; background stays 0."""
    shift = 0 if numbers[0] == 0 else 1
    place = np.searchsorted(numbers, plane) + shift
    renumbered: npt.NDArray[np.int32] = np.where(plane > 0, place, 0).astype(np.int32)
    return renumbered


def _check_shapes(image: Any, labels: Any, name: str) -> None:
    shape, expected = tuple(image.shape), tuple(labels.shape)
    is_colour = len(shape) == len(expected) + 1 and shape[-1] in (3, 4)
    if len(expected) < 2 or (shape[:-1] if is_colour else shape) != expected:
        raise TrainingError(
            f"Expected labels of the shape of {name}, {shape}, got {expected}."
        )


def _whole_numbers(plane: Any, name: str) -> npt.NDArray[np.int64]:
    plane = np.asarray(plane)
    if plane.dtype.kind not in "buif":
        raise TrainingError(f"Expected whole numbers as labels of {name}.")
    if plane.dtype.kind == "f" and not np.array_equal(plane, np.rint(plane)):
        raise TrainingError(
            f"Expected whole numbers as labels of {name}, got fractions."
        )
    numbers: npt.NDArray[np.int64] = plane.astype(np.int64)
    if numbers.min(initial=0) < 0:
        raise TrainingError(
            f"Expected labels from 0 in {name}, got {int(numbers.min())}."
        )
    return numbers
