"""One function that opens any data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_adapter.datasets.files import (
    LABEL_FOLDERS,
    open_folders,
    open_list,
    pair_of,
    stem_of,
)
from napari_sam_adapter.datasets.indexed import has_index, open_indexed, read_arrays
from napari_sam_adapter.datasets.reference import (
    PARTS,
    TRAINING,
    VALIDATION,
    BrokenPair,
    Dataset,
    Pair,
    role_of,
)
from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.image_io.files.kinds import ZARR, kind_of
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

SHOWN_PAIRS = 5


def open_dataset(
    path: str | PathLike[str],
    labels: str | PathLike[str] | None = None,
    split: str | None = None,
) -> Dataset:
    """Open images with reference labels; they are read one at a time, later.

    Parameters
    ----------
    path : str or path
        A zip file or folder with ``index.csv``; a folder with ``images`` and ``masks``
        (or ``labels``) in it, or with ``train`` and ``val`` of that kind, or with both
        kinds of files side by side (``NAME.tif``, ``NAME_mask.tif``); a CSV list of
        pairs; ``NAME.npz`` with the arrays ``image`` and ``labels``; or, with
        `labels`, a folder of images or one image.
    labels : str, path or None
        Folder of labels with the same stems, or the labels of the one image.
    split : str or None
        Part of a set that has parts, ``"train"`` or ``"val"``, as anybody spells it;
        None takes all, and so do these two where there are no parts.

    Returns
    -------
    Dataset
        With at least one pair, and no two of one name.

    Raises
    ------
    DatasetError
        If nothing of that kind is there, or no pair is found, or a part of another
        name is asked for and there are no parts.
    """
    path, labels = Path(path), None if labels is None else Path(labels)
    split = None if split is None else role_of(split)
    dataset = _open(path, labels, split)
    is_empty = not dataset.pairs
    if split is not None:
        if not (is_empty or dataset.has_parts) and split not in (TRAINING, VALIDATION):
            raise DatasetError(
                f"Expected the split {TRAINING} or {VALIDATION}, or none, for {path}, "
                f"which has no parts, got {split!r}. Without one, all images are used."
            )
        dataset = dataset.part(split)
    if not dataset.pairs:
        part = f" in the split {split!r}" if split else ""
        raise DatasetError(
            f"Expected at least one image with labels at {path}{part}, found none. "
            f"{_reasons(dataset.broken)}{_others_told(_open(path, labels, None))}"
            f"{_where_images_lie(path, labels, is_empty)}"
        )
    return dataset


def _reasons(broken: Sequence[BrokenPair]) -> str:
    """Say what is wrong with some pairs, of those with the same fault at once."""
    names: dict[str, list[str]] = {}
    for entry in broken[:SHOWN_PAIRS]:
        names.setdefault(entry.reason, []).append(entry.name)
    return "".join(f"{', '.join(own)}: {reason} " for reason, own in names.items())


def _others_told(dataset: Dataset) -> str:
    """Say which parts a set has, if the one that was asked for is empty."""
    parts = Counter(pair.split or "no part" for pair in dataset.pairs)
    told = (f"{counted(count, 'pair')} of {part}" for part, count in parts.items())
    return f"It has {', '.join(told)}. " if parts else ""


def _where_images_lie(path: Path, labels: Path | None, is_empty: bool) -> str:
    if labels is not None and path.is_dir() and path.resolve() == labels.resolve():
        return (
            f"{path} is the folder of the images and of the labels: there a name has "
            "to say which file is labels, as cell_mask.tif of cell.tif. Give the "
            "folder of the labels (--labels)."
        )
    if is_empty and path.is_dir() and not has_index(path):
        masks = " or ".join(LABEL_FOLDERS)
        return (
            "Put images into a folder images, and their labels beside it in "
            f"{masks}, or give their folder (--labels)."
        )
    return "Check path and split."


def _open(path: Path, labels: Path | None, split: str | None) -> Dataset:
    if not path.exists():
        raise DatasetError(f"Expected a data set, but {path} does not exist.")
    if labels is None:
        return open_indexed(path, split) if has_index(path) else _open_alone(path)
    are_one = kind_of(path).is_image and kind_of(labels).format is ZARR
    if path.is_dir() and labels.is_dir() and not are_one:
        return open_folders(path, labels)
    return Dataset(path.name, (pair_of(stem_of(path), path, labels),))


def _open_alone(path: Path) -> Dataset:
    if path.suffix.lower() in (".csv", ".txt"):
        return open_list(path)
    if path.suffix.lower() == ".npz":
        return Dataset(
            path.stem, (Pair(path.stem, partial(read_arrays, path, path.stem)),)
        )
    if not path.is_dir():
        raise DatasetError(
            f"Expected a zip file, a folder or a CSV list as data set, got {path}. "
            "For a single image, give its labels, too (--labels)."
        )
    folders = _parts_in(path)
    if not folders:
        return _open_folder(path)
    if (path / "images").is_dir():
        folders = [path, *folders]
    return _joined(path, folders)


def _parts_in(path: Path) -> list[Path]:
    try:
        named = [folder for folder in path.iterdir() if folder.name.lower() in PARTS]
    except OSError:  # is told when its images are looked for
        return []
    return sorted(filter(Path.is_dir, named), key=lambda folder: folder.name.lower())


def _joined(path: Path, folders: Sequence[Path]) -> Dataset:
    """Return the set of some folders, each with the part of the set that it is."""
    opened = {folder: _open_folder(folder) for folder in folders}
    taken = Counter(pair.name for found in opened.values() for pair in found.pairs)
    pairs = []
    for folder, found in opened.items():
        split = TRAINING if folder == path else role_of(folder.name)
        for pair in found.pairs:
            longer = (folder.relative_to(path) / pair.name).as_posix()
            name = pair.name if taken[pair.name] == 1 else longer
            pairs.append(replace(pair, name=name, split=split))
    broken = (entry for found in opened.values() for entry in found.broken)
    return Dataset(path.name, tuple(pairs), tuple(broken))


def _open_folder(path: Path) -> Dataset:
    if not (path / "images").is_dir():
        return open_folders(path, path)
    for name in LABEL_FOLDERS:
        if (path / name).is_dir():
            return replace(open_folders(path / "images", path / name), name=path.name)
    raise DatasetError(
        f"Expected a folder {' or '.join(LABEL_FOLDERS)} beside {path / 'images'}, "
        "found none."
    )
