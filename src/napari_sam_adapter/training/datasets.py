"""References of a data set to training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.datasets.indexed import open_indexed
from napari_sam_adapter.datasets.planes import planes_of, window_of
from napari_sam_adapter.datasets.reference import Reference
from napari_sam_adapter.intensity import IntensityMapping, estimate_intensity
from napari_sam_adapter.training.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_samples(path: Path, split: str) -> list[Sample]:
    """Read one split of a set as 2-D samples.

    Parameters
    ----------
    path : Path
        A zip file or folder of the layout that `open_indexed` reads.
    split : str
        ``"train"`` or ``"val"``.

    Returns
    -------
    list of Sample
        In the order of the index; pairs that cannot be used are left out.

    Raises
    ------
    DatasetError
        If the file is missing or not of this layout.
    """
    return [
        sample
        for reference in open_indexed(path, split).read()
        if isinstance(reference, Reference)
        for sample in samples_of(reference)
    ]


def samples_of(
    reference: Reference, plane_step: int = 1, window: IntensityMapping | None = None
) -> Iterator[Sample]:
    """Yield a picture, or planes of a volume along each axis, as samples.

    Parameters
    ----------
    reference : Reference
        With its labels.
    plane_step : int
        Of a volume, every how many planes along each axis are taken.
    window : IntensityMapping or None
        Through which the image is seen; by default its own.

    Yields
    ------
    Sample
        In 8 bits; pictures in 8 bits are used as they are.
    """
    window = window or _window_of(reference)
    for plane in planes_of(reference, plane_step, window):
        image = window.apply(plane.image) if reference.labels.ndim == 2 else plane.image
        yield Sample(
            image,
            (plane.labels,),
            plane.prior,
            plane.name,
            plane.source,
            intensity=window,
            after=plane.after,
            pixel=plane.pixel,
        )


def _window_of(reference: Reference) -> IntensityMapping:
    if reference.labels.ndim > 2:
        return window_of(reference)
    if reference.image.dtype == np.uint8:
        return IntensityMapping()
    return estimate_intensity([reference.image])
