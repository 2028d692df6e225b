"""Downloads in a shell: the licence first, then a bar."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_adapter.weight_store.entries import Entry


def fetch_missing(model: str, adapter: str | None) -> None:
    """Download what a command needs and does not have, if the user agrees.

    Parameters
    ----------
    model : str
        Name or path.
    adapter : str or None
        Name or path.

    Raises
    ------
    CheckpointError
        If it cannot be fetched, nobody is there to agree, or the adapter belongs to
        another model.
    """
    from napari_sam_adapter.weight_store.entries import Kind, find_entry

    if adapter is not None:
        check_before_download(model, [adapter])
    for name, kind in ((model, Kind.MODEL), (adapter, Kind.ADAPTER)):
        entry = find_entry(name, kind) if name else None
        if entry is not None and not entry.is_here:
            fetch(entry, yes=False)


def check_before_download(model: str, adapters: Iterable[str]) -> None:
    """Refuse adapters of another model before a download of this one is offered.

    Parameters
    ----------
    model : str
        Name or path; nothing is checked if it is here.
    adapters : iterable of str
        Names or paths.

    Raises
    ------
    CheckpointError
        If one cannot be read, or belongs to another model.
    """
    from napari_sam_adapter.weight_store.entries import Kind, find_entry

    entry = find_entry(model, Kind.MODEL)
    if entry is None or entry.is_here:
        return
    from napari_sam_adapter.inference.predictor.weights import check_base

    for adapter in adapters:
        check_base(model, adapter)


def fetch(entry: Entry, yes: bool) -> None:
    """Show size and licence, ask, and download with a bar.

    Parameters
    ----------
    entry : Entry
        What to download; what is here is only checked.
    yes : bool
        Whether the user agreed beforehand.

    Raises
    ------
    CheckpointError
        If it cannot be fetched, or nobody is there to agree.
    Abort
        If the user says no.
    """
    from napari_sam_adapter.weight_store.downloading import offer
    from napari_sam_adapter.weight_store.importing import checked_path

    if entry.is_here and entry.variant.url is None:
        checked_path(entry)
        return
    if not entry.is_here and entry.variant.url is not None:
        typer.echo(offer(entry), err=True)
        if not yes:
            _ask(entry)
    _download(entry)


def _ask(entry: Entry) -> None:
    if not sys.stdin.isatty():
        raise CheckpointError(
            f"Expected your consent to download {entry.name} ({entry.size_text}, "
            f"licence {entry.variant.licence}), but nobody can be asked here. Run: "
            f"napari-sam-adapter models download {entry.name} --yes"
        )
    typer.confirm("Download it under this licence?", abort=True, err=True)


def _download(entry: Entry) -> None:
    from tqdm import tqdm

    from napari_sam_adapter.weight_store.downloading import download

    with tqdm(desc=entry.name, unit="B", unit_scale=True, disable=None) as bar:
        for progress in download(entry):
            bar.total = progress.total or None
            bar.update(progress.done - bar.n)
