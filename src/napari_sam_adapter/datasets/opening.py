"""One function that opens any data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_adapter.datasets.files import (
    LABEL_FOLDERS,
    open_folders,
    open_list,
    pair_of,
    stem_of,
)
from napari_sam_adapter.datasets.reference import Dataset
from napari_sam_adapter.datasets.zipped import open_zipped
from napari_sam_adapter.errors import DatasetError

if TYPE_CHECKING:
    from os import PathLike


def open_dataset(
    path: str | PathLike[str],
    labels: str | PathLike[str] | None = None,
    split: str | None = None,
) -> Dataset:
    """Open images with reference labels; they are read one at a time, later.

    Parameters
    ----------
    path : str or path
        A zip file with ``index.csv``; a folder with ``images`` and ``masks`` (or
        ``labels``) in it, or with both kinds of files side by side
        (``NAME.tif``, ``NAME_mask.tif``); a CSV list of pairs; or, with `labels`, a
        folder of images or one image.
    labels : str, path or None
        Folder of labels with the same stems, or the labels of the one image.
    split : str or None
        Part of a zip file to take, ``"train"`` or ``"val"``; None takes all.

    Returns
    -------
    Dataset
        With at least one pair.

    Raises
    ------
    DatasetError
        If nothing of that kind is there, or no pair is found.
    """
    dataset = _open(Path(path), None if labels is None else Path(labels), split)
    if not dataset.pairs:
        part = f" in the split {split!r}" if split else ""
        names = "; ".join(f"{b.name}: {b.reason}" for b in dataset.broken[:5])
        raise DatasetError(
            f"Expected at least one image with labels at {path}{part}, found none. "
            f"{names or 'Check path and split.'}"
        )
    return dataset


def _open(path: Path, labels: Path | None, split: str | None) -> Dataset:
    if not path.exists():
        raise DatasetError(f"Expected a data set, but {path} does not exist.")
    if path.suffix.lower() == ".zip":
        return open_zipped(path, split)
    if labels is None:
        return _open_alone(path)
    if path.is_dir() and labels.is_dir() and path.suffix != ".zarr":
        return open_folders(path, labels)
    return Dataset(path.name, (pair_of(stem_of(path), path, labels),))


def _open_alone(path: Path) -> Dataset:
    if path.suffix.lower() == ".csv":
        return open_list(path)
    if not path.is_dir():
        raise DatasetError(
            f"Expected a zip file, a folder or a CSV list as data set, got {path}. "
            "For a single image, give its labels too."
        )
    if not (path / "images").is_dir():
        return open_folders(path, path)
    for name in LABEL_FOLDERS:
        if (path / name).is_dir():
            return replace(open_folders(path / "images", path / name), name=path.name)
    raise DatasetError(
        f"Expected a folder {' or '.join(LABEL_FOLDERS)} beside {path / 'images'}, "
        "found none."
    )
