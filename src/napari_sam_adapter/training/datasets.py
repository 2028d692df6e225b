"""Read data sets of images with reference masks as training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.datasets.reference import Reference
from napari_sam_adapter.datasets.zipped import open_zipped
from napari_sam_adapter.training.samples import Sample

if TYPE_CHECKING:
    from pathlib import Path


def read_samples(path: Path, split: str, plane_step: int = 1) -> list[Sample]:
    """Read one split of a set as 2-D samples.

    Parameters
    ----------
    path : Path
        A zip file of the layout that `open_zipped` reads.
    split : str
        ``"train"`` or ``"val"``.
    plane_step : int
        Of a volume, every how many planes along each axis are taken.

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
        Sample(plane.image, (plane.labels,), plane.prior, plane.name, plane.source)
        for reference in open_zipped(path, split).read()
        if isinstance(reference, Reference)
        for plane in planes_of(reference, plane_step)
    ]
