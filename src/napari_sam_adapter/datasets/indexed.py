"""Data sets with an index, in a folder or in one zip file of the same content.

``NAME.zip`` or the folder ``NAME`` holds ``index.csv`` (columns ``id`` and ``split``)
and either ``images/ID.png|jpg|tif`` with ``masks/ID.png``, or ``volumes/ID.npz`` with
the arrays ``image`` and ``labels`` (axes z, y, x) and perhaps ``spacing_zyx``.
"""

from __future__ import annotations

import csv
import io
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.datasets.listed import read_rows
from napari_sam_adapter.datasets.planes import AXES
from napari_sam_adapter.datasets.reference import (
    COLOURS,
    BrokenPair,
    Dataset,
    Pair,
    Reference,
    numbers_of_colours,
    role_of,
)
from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.image_io.formats.picture import read_numbers, read_pixels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

INDEX = "index.csv"
COLUMNS = ("id", "split")
PICTURE_ENDINGS = ("png", "jpg", "tif")


def has_index(path: Path) -> bool:
    """Return whether a path is a data set with an index.

    Parameters
    ----------
    path : Path
        Of a file or folder.

    Returns
    -------
    bool
        True for every zip file.
    """
    return path.suffix.lower() == ".zip" or (path / INDEX).is_file()


def open_indexed(path: Path, split: str | None = None) -> Dataset:
    """Open a data set with an index; its images are read later.

    Parameters
    ----------
    path : Path
        The zip file or folder.
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
        root = _root(path)
        rows = read_rows(root / INDEX)
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"Expected a data set with {INDEX} at {path}, but it cannot be read "
            f"({error}). Check the file, or copy it again."
        ) from error
    pairs, broken = [], []
    for name, role in _named(rows, path).items():
        if split not in (None, role):
            continue
        member = _member_of(name, root)
        if member is None:
            broken.append(BrokenPair(name, f"Expected image and labels in {path}."))
        else:
            pairs.append(Pair(name, partial(_load, path, name, member), role))
    return Dataset(path.stem, tuple(pairs), tuple(broken))


def read_arrays(path: Path, name: str) -> Reference:
    """Read image and labels of one file.

    Parameters
    ----------
    path : Path
        ``NAME.npz`` with the arrays ``image`` and ``labels``.
    name : str
        Of the image.

    Returns
    -------
    Reference
        A picture or a volume.
    """
    with np.load(path, allow_pickle=False) as arrays:
        return _of_arrays(arrays, name)


def _root(path: Path) -> Path | zipfile.Path:
    return path if path.is_dir() else zipfile.Path(path)


def _named(rows: Sequence[Sequence[str]], path: Path) -> dict[str, str]:
    """Return the part of each image that an index names."""
    head = rows[0] if rows else ()
    if not {*COLUMNS} <= {*head}:
        raise DatasetError(
            f"Expected the columns {' and '.join(COLUMNS)} in {INDEX} of {path}, got "
            f"{', '.join(head) or 'none'}."
        )
    name, split = map(head.index, COLUMNS)
    for row in rows[1:]:
        if len(row) <= max(name, split):
            raise DatasetError(
                f"Expected {' and '.join(COLUMNS)} on every line of {INDEX} of {path}, "
                f"got {','.join(row)!r}."
            )
    return {row[name]: role_of(row[split]) for row in rows[1:]}


def _member_of(name: str, root: Path | zipfile.Path) -> str | None:
    """Return the file of an image, if its labels are there too."""
    volume = f"volumes/{name}.npz"
    if (root / volume).exists():
        return volume
    pictures = (f"images/{name}.{ending}" for ending in PICTURE_ENDINGS)
    found = next((picture for picture in pictures if (root / picture).exists()), None)
    return found if (root / f"masks/{name}.png").exists() else None


def _load(path: Path, name: str, member: str) -> Reference:
    root = _root(path)
    content = io.BytesIO((root / member).read_bytes())
    if member.endswith(".npz"):
        with np.load(content, allow_pickle=False) as arrays:
            return _of_arrays(arrays, name)
    image = read_pixels(content, member)
    mask = f"masks/{name}.png"
    labels = read_numbers(io.BytesIO((root / mask).read_bytes()), mask)
    return Reference(
        name,
        image[..., :COLOURS] if image.ndim == 3 else image,
        numbers_of_colours(labels, mask) if labels.ndim == 3 else labels,
    )


def _of_arrays(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Reference:
    image, labels = arrays["image"], arrays["labels"]
    is_colour = (
        image.ndim == 3 and image.dtype == np.uint8 and image.shape[-1] in (3, 4)
    )
    if is_colour and labels.shape == image.shape:
        raise DatasetError(
            f"Expected labels of the shape {image.shape[:2]} for the colour picture "
            f"{name}, got {labels.shape}. Save the numbers, not their colours."
        )
    sides = [float(side) for side in np.ravel(arrays.get("spacing_zyx", ()))]
    if len(sides) == len(AXES):  # of a picture, or of each volume of a time series
        sides = [*[1.0] * labels.ndim, *sides][-labels.ndim :]
    return Reference(name, image, labels, tuple(sides))
