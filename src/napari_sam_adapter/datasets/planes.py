"""Cut the volumes of a data set into the planes that networks look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.intensity import IntensityMapping, estimate_intensity

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.datasets.reference import Reference

    Labels = npt.NDArray[np.int32]

MIN_FOREGROUND = 20
"""Planes of a volume with fewer object pixels are left out."""
AXES = "zyx"


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
        A picture as stored; a plane in 8 bits, through one window for the volume.
    labels : (H, W) int32 array
        0 for background.
    prior : (H, W) int32 array or None
        Labels of the plane before.
    """

    source: str
    place: str
    image: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]
    prior: npt.NDArray[np.int32] | None = None

    @property
    def name(self) -> str:
        """Source and place in one word."""
        return f"{self.source} {self.place}".rstrip()


def planes_of(reference: Reference, step: int = 1) -> Iterator[ReferencePlane]:
    """Yield a picture, or planes of a volume along each axis.

    Parameters
    ----------
    reference : Reference
        With its labels.
    step : int
        Of a volume, every how many planes along each axis are taken; planes along z
        only where z has much fewer planes than y and x.

    Yields
    ------
    ReferencePlane
        Planes with hardly an object pixel are left out.
    """
    image, labels = reference.image, reference.labels
    if labels.ndim == 2:
        yield ReferencePlane(reference.name, "", image, labels)
        return
    image = window_of(reference).apply(image)
    for first in np.ndindex(labels.shape[:-3]):
        before = "".join(f"{position}," for position in first)
        for place, *cuts in _cut(image[first], labels[first], step):
            yield ReferencePlane(reference.name, before + place, *cuts)


def _cut(
    image: npt.NDArray[Any], labels: npt.NDArray[np.int32], step: int
) -> Iterator[tuple[str, npt.NDArray[Any], Labels, Labels]]:
    """Yield place, image, labels and the labels before, for planes of one volume."""
    thin = labels.shape[0] < max(labels.shape) / 4
    for axis in range(1 if thin else 3):
        for index in range(0, labels.shape[axis], step):
            own = np.take(labels, index, axis)
            if np.count_nonzero(own) >= MIN_FOREGROUND:
                before = np.take(labels, max(0, index - 1), axis)
                place = f"{AXES[axis]}={index}"
                yield place, np.take(image, index, axis), own, before


def window_of(reference: Reference) -> IntensityMapping:
    """Return the window that a volume is seen through.

    Parameters
    ----------
    reference : Reference
        A volume.

    Returns
    -------
    IntensityMapping
        Colours in 8 bits are used as they are.
    """
    image = reference.image
    if image.ndim > reference.labels.ndim and image.dtype == np.uint8:
        return IntensityMapping()
    return estimate_intensity(image)
