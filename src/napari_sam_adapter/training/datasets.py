"""Read folders of images with reference masks as training samples.

A data set is a zip file ``NAME.zip`` with ``index.csv`` (columns ``id`` and ``split``)
and either ``images/ID.png|jpg`` with ``masks/ID.png``, or ``volumes/ID.npz`` with the
arrays ``image`` and ``labels`` (axes z, y, x).
"""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.intensity import estimate_intensity
from napari_sam_adapter.training.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

MIN_FOREGROUND = 20
"""Planes of a volume with fewer object pixels are left out."""


@dataclass(frozen=True)
class ReferenceVolume:
    """A volume with reference labels.

    Parameters
    ----------
    name : str
        Its id in the set.
    image, labels : (Z, Y, X) arrays
        Intensities as stored, and label numbers.
    """

    name: str
    image: npt.NDArray[Any]
    labels: npt.NDArray[Any]


def read_samples(path: Path, split: str, plane_step: int = 1) -> list[Sample]:
    """Read one split of a set as 2-D samples.

    Parameters
    ----------
    path : Path
        The zip file.
    split : str
        ``"train"`` or ``"val"``.
    plane_step : int
        Of a volume, every how many planes along each axis are taken; planes along z
        only where z has much fewer planes than y and x.

    Returns
    -------
    list of Sample
        In the order of the index.

    Raises
    ------
    TrainingError
        If the file is missing or not of this layout.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if "index.csv" not in archive.namelist():
                raise TrainingError(f"Expected index.csv in {path}, found none.")
            if any(name.startswith("volumes/") for name in archive.namelist()):
                return [
                    sample
                    for volume in _volumes(archive, split)
                    for sample in _planes(volume, plane_step)
                ]
            return [_picture(archive, row["id"]) for row in _rows(archive, split)]
    except (OSError, zipfile.BadZipFile, KeyError, IndexError) as error:
        raise TrainingError(
            f"Expected a data set at {path}, but it cannot be read ({error})."
        ) from error


def _rows(archive: zipfile.ZipFile, split: str) -> list[dict[str, str]]:
    text = archive.read("index.csv").decode()
    return [row for row in csv.DictReader(io.StringIO(text)) if row["split"] == split]


def _picture(archive: zipfile.ZipFile, name: str) -> Sample:
    files = set(archive.namelist())
    endings = [e for e in ("png", "jpg") if f"images/{name}.{e}" in files]
    image = np.asarray(Image.open(archive.open(f"images/{name}.{endings[0]}")))
    mask = np.asarray(Image.open(archive.open(f"masks/{name}.png")))
    return Sample(
        image[..., :3] if image.ndim == 3 else image, (mask.astype(np.int32),)
    )


def _volumes(archive: zipfile.ZipFile, split: str) -> Iterator[ReferenceVolume]:
    stored = set(archive.namelist())
    for row in _rows(archive, split):
        if f"volumes/{row['id']}.npz" not in stored:
            continue
        content = io.BytesIO(archive.read(f"volumes/{row['id']}.npz"))
        arrays = np.load(content, allow_pickle=False)
        yield ReferenceVolume(row["id"], arrays["image"], arrays["labels"])


def _planes(volume: ReferenceVolume, step: int) -> Iterator[Sample]:
    mapping = estimate_intensity(volume.image)
    image = mapping.apply(volume.image)
    thin = image.shape[0] < max(image.shape) / 4
    for axis in range(1 if thin else 3):
        for index in range(0, image.shape[axis], step):
            labels = np.take(volume.labels, index, axis).astype(np.int32)
            if np.count_nonzero(labels) >= MIN_FOREGROUND:
                before = np.take(volume.labels, max(0, index - 1), axis)
                prior = before.astype(np.int32)
                yield Sample(np.take(image, index, axis), (labels,), prior)
