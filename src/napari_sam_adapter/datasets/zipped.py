"""Data sets in one zip file.

``NAME.zip`` holds ``index.csv`` (columns ``id`` and ``split``) and either
``images/ID.png|jpg`` with ``masks/ID.png``, or ``volumes/ID.npz`` with the arrays
``image`` and ``labels`` (axes z, y, x) and perhaps ``spacing_zyx``.
"""

from __future__ import annotations

import csv
import io
import zipfile
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_sam_adapter.datasets.reference import (
    BrokenPair,
    Dataset,
    Pair,
    Reference,
)
from napari_sam_adapter.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

PICTURE_ENDINGS = ("png", "jpg")


def open_zipped(path: Path, split: str | None = None) -> Dataset:
    """Open a data set in a zip file; its images are read later.

    Parameters
    ----------
    path : Path
        The zip file.
    split : str or None
        ``"train"``, ``"val"`` or any other name in the index; None takes all.

    Returns
    -------
    Dataset
        In the order of the index.

    Raises
    ------
    DatasetError
        If the file is missing or not of this layout.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stored = frozenset(archive.namelist())
            text = archive.read("index.csv").decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        names = [row["id"] for row in rows if split in (None, row["split"])]
    except (OSError, zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"Expected a data set with index.csv at {path}, but it cannot be read "
            f"({error}). Check the file, or copy it again."
        ) from error
    pairs, broken = [], []
    for name in names:
        member = _member_of(name, stored)
        if member is None:
            broken.append(BrokenPair(name, f"Expected image and labels in {path}."))
        else:
            pairs.append(Pair(name, partial(_load, path, name, member)))
    return Dataset(path.stem, tuple(pairs), tuple(broken))


def _member_of(name: str, stored: frozenset[str]) -> str | None:
    """Return the file of an image, if its labels are there too."""
    if f"volumes/{name}.npz" in stored:
        return f"volumes/{name}.npz"
    pictures = (f"images/{name}.{ending}" for ending in PICTURE_ENDINGS)
    found = next((picture for picture in pictures if picture in stored), None)
    return found if f"masks/{name}.png" in stored else None


def _load(path: Path, name: str, member: str) -> Reference:
    with zipfile.ZipFile(path) as archive:
        if member.endswith(".npz"):
            return _read_volume(archive, name, member)
        image = np.asarray(Image.open(archive.open(member)))
        labels = np.asarray(Image.open(archive.open(f"masks/{name}.png")))
    return Reference(name, image[..., :3] if image.ndim == 3 else image, labels)


def _read_volume(archive: zipfile.ZipFile, name: str, member: str) -> Reference:
    with np.load(io.BytesIO(archive.read(member)), allow_pickle=False) as arrays:
        spacing = arrays.get("spacing_zyx", np.ones(3))
        sides = tuple(float(side) for side in np.ravel(spacing))
        return Reference(name, arrays["image"], arrays["labels"], sides)
