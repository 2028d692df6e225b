"""From the name of a model or adapter to its file, and from a file to a name."""

from __future__ import annotations

import logging
from pathlib import Path

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.weight_files import read_weights
from napari_sam_adapter.weight_store.downloading import download, offer
from napari_sam_adapter.weight_store.entries import Entry, Kind, entries, find_entry
from napari_sam_adapter.weight_store.importing import add_file, checked_path

_log = logging.getLogger(__name__)


def import_weights(file: str | Path, name: str) -> Entry:
    """Give a weight file a name, after a look at whether it can be read.

    Parameters
    ----------
    file : str or Path
        A model or one of our adapters; it is copied into the cache folder.
    name : str
        To be used as the model or adapter from then on.

    Returns
    -------
    Entry
        What the name stands for.

    Raises
    ------
    CheckpointError
        If the file is broken or unsafe, or the name cannot be used.
    OutputError
        If it cannot be copied.
    """
    path = Path(file)
    _, header = read_weights(path)
    kind = Kind.ADAPTER if header.get("kind") == "adapter" else Kind.MODEL
    return add_file(path, name, kind)


def find_weights(name: str, kind: Kind) -> Path:
    """Return the file of a named or given set of weights; fetch it if need be.

    Parameters
    ----------
    name : str
        A name that ``napari-sam-adapter models`` lists, or a path.
    kind : Kind
        Whether it should be a model or an adapter.

    Returns
    -------
    Path
        Shipped, downloaded, imported, or the given one.

    Raises
    ------
    CheckpointError
        If there is no such name or file, or it cannot be fetched, or is damaged.
    OutputError
        If a download cannot be written.
    """
    entry = find_entry(name, kind)
    if entry is not None:
        return _fetched(entry)
    path = Path(name)
    if path.is_file():
        return path
    names = ", ".join(e.name for e in entries() if e.kind is kind) or "none yet"
    raise CheckpointError(
        f"Expected a known {kind.value} ({names}) or a file, got {name!r}. "
        "Check the spelling or the path."
    )


def _fetched(entry: Entry) -> Path:
    if entry.is_here:
        return checked_path(entry)
    _log.warning("Downloading %s", offer(entry))
    for _ in download(entry):
        pass
    return entry.path
