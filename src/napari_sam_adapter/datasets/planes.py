"""Cut the volumes of a data set into the planes that networks look at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.intensity import (
    IntensityMapping,
    default_of_array,
    mapping_of_plane,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.datasets.reference import Reference

    Labels = npt.NDArray[np.int32]

MIN_FOREGROUND = 20
"""Planes of a volume with fewer object pixels are left out."""
AXES = "zyx"
TOGETHER = 2
"""At most so many of the single slices that people label are neighbours."""
THIN = 8
"""So many times wider than deep are labels on them."""


@dataclass(frozen=True, eq=False)
class ReferencePlane:
    """A picture, or one plane of a volume.

    Parameters
    ----------
    source : str
        Name of the picture or volume.
    place : str
        Empty for a picture, else where the plane is: ``"z=12"``.
    image : (H, W) or (H, W, 3) array
        Values as stored.
    labels : (H, W) int32 array
        0 for background.
    prior, after : (H, W) int32 array or None
        Labels of the plane before and of the plane after.
    pixel : (float, float)
        Height and width of a pixel, in ways to the plane after.
    window : IntensityMapping
        Through which the picture or volume is seen.
    cut : (int, int) or None
        Axis of the volume, z, y or x, and where along it the plane lies.
    """

    source: str
    place: str
    image: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]
    prior: npt.NDArray[np.int32] | None = None
    after: npt.NDArray[np.int32] | None = None
    pixel: tuple[float, float] = (1.0, 1.0)
    window: IntensityMapping = field(default_factory=IntensityMapping)
    cut: tuple[int, int] | None = None

    @property
    def seen(self) -> npt.NDArray[np.uint8]:
        """What a network gets of it.

        Raises
        ------
        ImageError
            If it is one pixel wide, constant, or without a finite value.
        """
        return mapping_of_plane(self.window, self.image).apply(self.image)

    @property
    def name(self) -> str:
        """Source and place in one word."""
        return f"{self.source} {self.place}".rstrip()


def planes_of(
    reference: Reference, step: int = 1, window: IntensityMapping | None = None
) -> Iterator[ReferencePlane]:
    """Yield a picture, or planes of a volume along each axis.

    Parameters
    ----------
    reference : Reference
        With its labels.
    step : int
        Of a volume, every how many planes along each axis are taken; planes along z
        only where z has much fewer planes than y and x. Of a volume of which single
        slices are labelled, as people do by hand, exactly these are taken.
    window : IntensityMapping or None
        Through which the image is seen; by default its own, as a session sees it.

    Yields
    ------
    ReferencePlane
        Planes with hardly an object pixel are left out.
    """
    image, labels = reference.image, reference.labels
    window = window or default_of_array(image, labels.ndim)
    if labels.ndim == 2:
        yield ReferencePlane(reference.name, "", image, labels, window=window)
        return
    for first in np.ndindex(labels.shape[:-3]):
        before = "".join(f"{position}," for position in first)
        for plane in _cut(image[first], labels[first], reference.spacing[-3:], step):
            place = before + plane.place
            yield replace(plane, source=reference.name, place=place, window=window)


def _cut(
    image: npt.NDArray[Any], labels: Labels, spacing: tuple[float, ...], step: int
) -> Iterator[ReferencePlane]:
    """Yield the planes of one volume."""
    for axis, index in _places(labels, step):
        along, last = np.moveaxis(labels, axis, 0), labels.shape[axis] - 1
        height, width = (size for i, size in enumerate(spacing) if i != axis)
        yield ReferencePlane(
            "",
            f"{AXES[axis]}={index}",
            np.take(image, index, axis),
            along[index],
            along[index - 1] if index > 0 else None,
            along[index + 1] if index < last else None,
            (height / spacing[axis], width / spacing[axis]),
            cut=(axis, index),
        )


def count_planes(labels: Labels, step: int) -> int:
    """Return how many planes `planes_of` would yield.

    Parameters
    ----------
    labels : int array
        Of the picture or volume.
    step : int
        As for `planes_of`.

    Returns
    -------
    int
        1 for a picture.
    """
    if labels.ndim == 2:
        return 1
    firsts = np.ndindex(labels.shape[:-3])
    return sum(len(_places(labels[first], step)) for first in firsts)


def has_single_slices(labels: Labels) -> bool:
    """Return whether single slices of a volume are labelled, as people do by hand.

    Parameters
    ----------
    labels : int array
        Of a picture or a volume; of a time series the first volume counts.

    Returns
    -------
    bool
        False if objects are labelled in depth, be it on three slices, or nothing is,
        and for pictures.
    """
    if labels.ndim == 2:
        return False
    return _sliced_axis(labels[(0,) * (labels.ndim - 3)]) is not None


def _sliced_axis(labels: Labels) -> int | None:
    """Return the axis along which single slices of one volume are labelled."""
    used = [np.flatnonzero(labels.any(axis=_others(axis))) for axis in range(3)]
    runs = [_longest_run(indices) for indices in used]
    axis = int(np.argmin(runs))
    if not 0 < runs[axis] <= TOGETHER or runs[axis] == labels.shape[axis]:
        return None
    width = min(len(indices) for i, indices in enumerate(used) if i != axis)
    return axis if THIN * runs[axis] <= width else None


def _others(axis: int) -> tuple[int, ...]:
    return tuple(i for i in range(3) if i != axis)


def _longest_run(indices: npt.NDArray[np.intp]) -> int:
    """Return how many of some rising numbers follow each other at most."""
    parts = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return max(map(len, parts))


def _places(labels: Labels, step: int) -> list[tuple[int, int]]:
    """Return axis and index of the planes of one volume that are looked at."""
    sliced = _sliced_axis(labels)
    thin = labels.shape[0] < max(labels.shape) / 4
    axes = range(1 if thin else 3) if sliced is None else [sliced]
    return [
        (axis, index)
        for axis in axes
        for index in range(0, labels.shape[axis], step if sliced is None else 1)
        if np.count_nonzero(np.take(labels, index, axis)) >= MIN_FOREGROUND
    ]
