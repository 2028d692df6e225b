"""Files of the user's own get a name; and what is not needed goes."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.weight_store.entries import (
    Entry,
    Kind,
    State,
    entries,
    find_entry,
    import_folder,
)
from napari_sam_adapter.weight_store.folder import (
    IMAGES,
    SUM,
    check_sum,
    file_sum,
    make_folder,
    pin_sum,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def add_file(
    source: Path, name: str, kind: Kind, preprocessing: str | None = None
) -> Entry:
    """Copy a weight file into the cache folder under a name.

    Parameters
    ----------
    source : Path
        The file; its content is not looked at.
    name : str
        Letters, digits, ``_``, ``.`` and ``-``; not taken yet.
    kind : Kind
        What it is.
    preprocessing : str, optional
        How a model wants its images; kept beside the file.

    Returns
    -------
    Entry
        What the name stands for now.

    Raises
    ------
    CheckpointError
        If the name cannot be used, or the file is not there or none of weights.
    OutputError
        If it cannot be copied; nothing is left behind.
    """
    check_name(name, kind)
    check_source(source)
    if not os.path.isfile(source):
        raise CheckpointError(f"Expected a weight file at {source}, found none.")
    make_folder(import_folder(kind))
    _copy(source, import_folder(kind) / name, preprocessing)
    entry = find_entry(name, kind)
    assert entry is not None  # it was just put there
    return entry


def check_source(source: Path) -> None:
    """Raise if a file could not be told from what stands beside one.

    Parameters
    ----------
    source : Path
        What is to be imported; may be missing.

    Raises
    ------
    CheckpointError
        If it has an ending that the cache folder uses.
    """
    if source.suffix in (SUM, IMAGES):
        raise CheckpointError(
            f"Expected a weight file, got {source}: in the cache folder the ending "
            f"{source.suffix} is for what is told of one. Give it another ending."
        )


def check_name(name: str, kind: Kind) -> None:
    """Raise unless a name can be given to a new file.

    Parameters
    ----------
    name : str
        What the user chose.
    kind : Kind
        What it would name.

    Raises
    ------
    CheckpointError
        If it has other signs, is reserved, or taken.
    """
    if not _NAME.fullmatch(name) or name.lower() in ("none", "auto"):
        raise CheckpointError(
            f"Expected a name of letters, digits, '_', '.' and '-', at most 64 of "
            f"them, got {name!r}. Choose another name."
        )
    for entry in entries():
        # own models and adapters may share a name, but not with known ones
        is_apart = entry.kind is not kind and entry.state is State.IMPORTED
        if name.lower() == entry.name.lower() and not is_apart:
            raise CheckpointError(
                f"Expected a new name, but the {entry.kind.value} {entry.name!r} is "
                "there already. Choose another name, or remove the old one first."
            )


def remove(entry: Entry) -> None:
    """Delete the file of a name, its sum, and what came of a stopped download.

    Parameters
    ----------
    entry : Entry
        Downloaded, imported, or partly downloaded.

    Raises
    ------
    CheckpointError
        If there is nothing to delete, or it belongs to the package.
    OutputError
        If it cannot be deleted.
    """
    if not entry.can_be_removed:
        where = "comes with the package" if entry.is_here else "is not here"
        raise CheckpointError(
            f"Expected a file that was downloaded or imported, but {entry.name} "
            f"{where}. There is nothing to remove."
        )
    beside = [entry.path.with_name(entry.path.name + end) for end in (SUM, IMAGES)]
    for path in (entry.path, entry.part, *beside):
        with _removing(path):
            path.unlink(missing_ok=True)
    if entry.state is State.IMPORTED:
        with _removing(entry.path.parent):
            entry.path.parent.rmdir()


def remove_downloads() -> list[Entry]:
    """Delete all downloads, whole and partial; imported files stay.

    Returns
    -------
    list of Entry
        What was deleted.

    Raises
    ------
    OutputError
        If a file cannot be deleted.
    """
    gone = [e for e in entries() if e.can_be_removed and e.state is not State.IMPORTED]
    for entry in gone:
        remove(entry)
    return gone


def checked_path(entry: Entry) -> Path:
    """Return the file of an entry that is here, after a look at its sum.

    Parameters
    ----------
    entry : Entry
        Shipped, downloaded or imported.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CheckpointError
        If it is damaged or was replaced.
    """
    if entry.state is not State.SHIPPED:
        check_sum(entry.path, entry.variant.sha256)
    return entry.path


def _copy(source: Path, folder: Path, preprocessing: str | None) -> None:
    """Copy a file into a new folder, which appears whole or not at all."""
    temporary = folder.with_name(f".{secrets.token_hex(4)}")
    path = temporary / (source.name.lstrip(".") or "weights")
    try:
        with writing(folder):
            temporary.mkdir()
            shutil.copyfile(source, path)
            if preprocessing is not None:
                told = path.with_name(path.name + IMAGES)
                told.write_text(f"{preprocessing}\n", encoding="utf-8")
        pin_sum(path, file_sum(path))
        with writing(folder):
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _removing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"Expected to remove {path}, got: {error.strerror or error}. Close what "
            "uses it, or remove it by hand."
        ) from error
