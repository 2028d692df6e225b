"""What can be named: shipped, downloaded, to be downloaded, imported."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SettingError
from napari_sam_adapter.model.variants import ADAPTERS, MODELS, ModelVariant
from napari_sam_adapter.weight_store.folder import (
    IMAGES,
    PART,
    SHIPPED_FOLDER,
    SUM,
    cache_folder,
    seen,
)
from napari_sam_adapter.wording import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Kind(Enum):
    """What a set of weights is."""

    MODEL = "model"
    ADAPTER = "adapter"


class State(Enum):
    """Where a set of weights is."""

    SHIPPED = "shipped"
    DOWNLOADED = "downloaded"
    IMPORTED = "imported"
    TO_DOWNLOAD = "to download"
    BY_HAND = "get by hand"


_TABLES = {Kind.MODEL: MODELS, Kind.ADAPTER: ADAPTERS}
_HERE = (State.SHIPPED, State.DOWNLOADED, State.IMPORTED)


@dataclass(frozen=True)
class Entry:
    """A name and where its weights are.

    Parameters
    ----------
    variant : ModelVariant
        Name, licence, source and, for downloads, URL and sum.
    kind : Kind
        Whether it is a model or an adapter.
    state : State
        Where it is now.
    path : Path
        The file, there or yet to come.
    size : int
        Bytes; about, if it is not here; 0 if nobody knows.
    """

    variant: ModelVariant
    kind: Kind
    state: State
    path: Path
    size: int

    @property
    def name(self) -> str:
        """What users type."""
        return self.variant.name

    @property
    def is_here(self) -> bool:
        """Whether it can be loaded without a network."""
        return self.state in _HERE

    @property
    def can_be_removed(self) -> bool:
        """Whether there is a file, whole or partial, that is not the package's."""
        if self.state is State.SHIPPED:
            return False
        return self.is_here or os.path.exists(self.part)

    @property
    def part(self) -> Path:
        """The file of a download that is under way or was stopped."""
        return self.path.with_name(self.path.name + PART)

    @property
    def size_text(self) -> str:
        """The size for people."""
        return readable_size(self.size) if self.size else "size unknown"


def entries() -> list[Entry]:
    """Return all models, then all adapters, as they are now.

    Returns
    -------
    list of Entry
        The tables first, then what was imported, by name.
    """
    return [entry for kind in _TABLES for entry in _entries_of(kind)]


def entries_in_reach() -> list[Entry]:
    """Return all models and adapters, without an error.

    Returns
    -------
    list of Entry
        As `entries`; those that were shipped where nobody knows the cache folder.
    """
    try:
        return entries()
    except SettingError:
        tables = _TABLES.items()
        variants = [(v, kind) for kind, table in tables for v in table.values()]
        return [_named(v, kind) for v, kind in variants if v.file is not None]


def find_entry(name: str, kind: Kind) -> Entry | None:
    """Return what a name stands for.

    Parameters
    ----------
    name : str
        What the user typed.
    kind : Kind
        What it should be.

    Returns
    -------
    Entry or None
        None if it is no name; it may be a path then.
    """
    found = (entry for entry in _entries_of(kind) if entry.name == name)
    return next(found, None)


def import_folder(kind: Kind) -> Path:
    """Return where imported files of a kind are kept.

    Parameters
    ----------
    kind : Kind
        Models or adapters.

    Returns
    -------
    Path
        It need not exist.
    """
    return cache_folder() / f"{kind.value}s"


def _entries_of(kind: Kind) -> Iterator[Entry]:
    # What is shipped needs no cache folder, so it is not asked for before the others.
    for variant in _TABLES[kind].values():
        yield _named(variant, kind)
    yield from _imported(kind)


def _named(variant: ModelVariant, kind: Kind) -> Entry:
    if variant.file is not None:
        path = SHIPPED_FOLDER / variant.file
        return Entry(variant, kind, State.SHIPPED, path, _size(path))
    path = cache_folder() / variant.saved_as
    if os.path.isfile(path):  # of a closed folder nothing is here, and no error
        return Entry(variant, kind, State.DOWNLOADED, path, _size(path))
    state = State.TO_DOWNLOAD if variant.url else State.BY_HAND
    return Entry(variant, kind, state, path, variant.size)


def _imported(kind: Kind) -> list[Entry]:
    # One folder per name; the file keeps its own, which may tell its family.
    files = seen(import_folder(kind), "[!.]*/*")
    return [
        Entry(
            ModelVariant(
                path.parent.name,
                f"imported from {path.name}",
                "none stated",
                "this computer",
                preprocessing=_preprocessing(path),
            ),
            kind,
            State.IMPORTED,
            path,
            _size(path),
        )
        for path in files
        if os.path.isfile(path) and path.suffix not in (SUM, IMAGES)
    ]


def _preprocessing(path: Path) -> str | None:
    try:
        told = path.with_name(path.name + IMAGES).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return told.strip() or None


def _size(path: Path) -> int:
    return path.stat().st_size if os.path.isfile(path) else 0
