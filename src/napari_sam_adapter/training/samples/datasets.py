"""References of a data set to training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.datasets.indexed import open_indexed
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.datasets.reference import BrokenPair
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_sam_adapter.datasets.reference import Reference
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
    return read_split(path, split)[0]


def read_split(path: Path, split: str) -> tuple[list[Sample], list[str]]:
    """Do what `read_samples` does, and say what is left out.

    Parameters
    ----------
    path, split
        As for `read_samples`.

    Returns
    -------
    samples : list of Sample
        In the order of the index.
    refused : list of str
        One line for each pair that cannot be used, with its name and the reason.

    Raises
    ------
    DatasetError
        As `read_samples`.
    """
    samples: list[Sample] = []
    refused: list[str] = []
    for reference in open_indexed(path, split).read():
        if isinstance(reference, BrokenPair):
            refused.append(line_about(reference))
            continue
        found = list(samples_of(reference))
        samples += found
        if not found:
            reason = "Expected an image with structure and objects of some size."
            refused.append(f"{reference.name}: {reason}")
    return samples, refused


def line_about(broken: BrokenPair) -> str:
    """Return what is said about a pair that is left out.

    Parameters
    ----------
    broken : BrokenPair
        The pair.

    Returns
    -------
    str
        Its name and the reason.
    """
    return f"{broken.name}: {broken.reason}"


def nothing_in(data: str | Path, refused: Sequence[str]) -> str:
    """Say that nothing of some data can be used.

    Parameters
    ----------
    data : str or Path
        Where they are.
    refused : sequence of str
        What is said about each pair that is left out.

    Returns
    -------
    str
        For an error, with the first reasons.
    """
    reasons = "; ".join(line.rstrip(".") for line in refused[:3])
    reasons = reasons or "it holds no pairs for training"
    return (
        f"Expected images with labels in {data}, got nothing to learn from: {reasons}."
    )


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
