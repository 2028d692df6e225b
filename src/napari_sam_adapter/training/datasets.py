"""References of a data set to training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.datasets.indexed import open_indexed
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.datasets.reference import Reference
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.training.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_adapter.intensity import IntensityMapping


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
        In 8 bits, as a session sees them; planes that it could not see are left out.
    """
    for plane in planes_of(reference, plane_step, window):
        try:
            seen = plane.seen
        except ImageError:
            continue
        yield Sample(
            seen,
            (plane.labels,),
            plane.prior,
            plane.name,
            plane.source,
            intensity=plane.window,
            after=plane.after,
            pixel=plane.pixel,
            cut=plane.cut,
        )
