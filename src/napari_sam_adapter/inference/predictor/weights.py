"""From the name of a model or adapter to its file, and from a file to a name."""

from __future__ import annotations

import logging
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.image_io.output.whole_files import check_output
from napari_sam_adapter.model.adapters.adapter import TOKENS
from napari_sam_adapter.model.adapters.task_information import FILTERS
from napari_sam_adapter.model.files.adapter_files import check_adapter, load_adapter
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.files.exports import (
    export_plain_sam,
    export_published,
    import_published,
)
from napari_sam_adapter.model.files.weight_files import read_weights
from napari_sam_adapter.weight_store.downloading import download, offer
from napari_sam_adapter.weight_store.entries import Entry, Kind, entries, find_entry
from napari_sam_adapter.weight_store.folder import file_sum, pinned_sum
from napari_sam_adapter.weight_store.importing import (
    add_file,
    check_name,
    check_source,
    checked_path,
)
from napari_sam_adapter.wording import did_you_mean

if TYPE_CHECKING:
    from napari_sam_adapter.model.files.adapter_header import AdapterHeader
    from napari_sam_adapter.model.files.checkpoints import Checkpoint

EXPORTS = {"sam": export_plain_sam, "sam-adapter": export_published}
"""Layouts of other programs: segment-anything's, and that of the SAM-Adapter paper."""
_log = logging.getLogger(__name__)


def load_model(name: str, preprocessing: str | None = None) -> Checkpoint:
    """Load a named or given model.

    Parameters
    ----------
    name : str
        A name that ``napari-sam-adapter models`` lists, or a path.
    preprocessing : str or None
        How the network wants its images; None for what was said when it was imported,
        or what its file tells.

    Returns
    -------
    Checkpoint
        On the CPU.

    Raises
    ------
    CheckpointError
        If the file cannot be had or used, or does not tell how it wants its images.
    OutputError
        If a download cannot be written.
    """
    path = find_weights(name, Kind.MODEL)
    entry = find_entry(name, Kind.MODEL)
    remembered = None if entry is None else entry.variant.preprocessing
    return load_checkpoint(path, preprocessing or remembered)


def import_weights(
    file: str | Path,
    name: str,
    base: str | None = None,
    preprocessing: str | None = None,
) -> Entry:
    """Give a weight file a name, after a look at whether it can be read.

    Parameters
    ----------
    file : str or Path
        A model or one of our adapters; it is copied into the cache folder. An adapter
        is tried on its base, if that is here.
    name : str
        To be used as the model or adapter from then on.
    base : str, optional
        Name or path of the SAM that a published SAM-Adapter checkpoint was trained on.
        Only the adapter of the checkpoint is kept then.
    preprocessing : str, optional
        How the model, or the base, wants its images, where its file does not tell. It
        is remembered with the name.

    Returns
    -------
    Entry
        What the name stands for.

    Raises
    ------
    CheckpointError
        If the file is broken, unsafe, or of another network, does not tell how it
        wants its images, or the name cannot be used.
    OutputError
        If it cannot be copied.
    """
    path = Path(file)
    check_source(path)
    if base is not None:
        return _import_adapter(path, name, base, preprocessing)
    content, header = read_weights(path)
    if header.get("kind") == "adapter":
        _try_on_base(check_adapter(content, header, path), path)
        return add_file(path, name, Kind.ADAPTER)
    del content
    check_name(name, Kind.MODEL)
    family = load_checkpoint(path, preprocessing).family
    return add_file(path, name, Kind.MODEL, family.name)


def export_weights(
    model: str,
    adapter: str | None,
    path: Path,
    layout: str,
    overwrite: bool = False,
    preprocessing: str | None = None,
) -> None:
    """Write a model, with an adapter or without, in a layout that others read.

    Parameters
    ----------
    model : str
        Name or path.
    adapter : str or None
        Name or path.
    path : Path
        Ends in ``.pth``, ``.pt`` or ``.safetensors``.
    layout : str
        Key of `EXPORTS`.
    overwrite : bool
        Whether a file of that name may be replaced.
    preprocessing : str, optional
        How the model wants its images, where its file does not tell. A safetensors file
        keeps it.

    Raises
    ------
    CheckpointError
        If there is no such layout, or it has no place for this model.
    OutputError
        If the file cannot be written.
    """
    if layout not in EXPORTS:
        raise CheckpointError(
            f"Expected a layout among {', '.join(EXPORTS)}, got {layout!r}. Choose the "
            "one of the program that is to read the file."
        )
    check_output(path, overwrite)
    checkpoint = load_model(model, preprocessing)
    if adapter is not None:
        file = find_weights(adapter, Kind.ADAPTER)
        checkpoint = load_adapter(file, checkpoint, model)
    EXPORTS[layout](checkpoint, path, overwrite)


def _import_adapter(
    path: Path, name: str, base: str, preprocessing: str | None
) -> Entry:
    check_name(name, Kind.ADAPTER)
    checkpoint = load_model(base, preprocessing)
    with TemporaryDirectory() as folder:
        adapter = Path(folder) / f"{name}.safetensors"
        import_published(path, checkpoint, base, adapter)
        return add_file(adapter, name, Kind.ADAPTER)


def _try_on_base(header: AdapterHeader, path: Path) -> None:
    """Load an adapter if its base is here, and it needs no function of the user's."""
    entry = find_entry(header.base, Kind.MODEL)
    needs_function = not set(header.sources) <= {TOKENS, *FILTERS}
    if entry is None or not entry.is_here or needs_function:
        return
    known = entry.variant.sha256 or pinned_sum(entry.path) or file_sum(entry.path)
    if known == header.base_sha256:
        load_adapter(path, load_model(header.base), header.base)


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
    if _is_file(path):
        return path
    names = [entry.name for entry in entries() if entry.kind is kind]
    meant = did_you_mean(name, names)
    known = "" if meant else f" ({', '.join(names) or 'none yet'})"
    for other in Kind:
        if find_entry(name, other) is not None:
            raise CheckpointError(
                f"Expected a known {kind.value}{known} or a file, got the "
                f"{other.value} {name!r}. Give it as the {other.value}."
            )
    raise CheckpointError(
        f"Expected a known {kind.value}{known} or a file, got {name!r}."
        f"{meant or ' Check the spelling or the path.'}"
    )


def lasting_name(name: str, kind: Kind) -> str:
    """Return what weights are called in any folder.

    Parameters
    ----------
    name : str
        As for `find_weights`.
    kind : Kind
        Whether it is a model or an adapter.

    Returns
    -------
    str
        The name, or the whole path.
    """
    return name if find_entry(name, kind) else str(Path(name).absolute())


def _is_file(path: Path) -> bool:
    try:
        return S_ISREG(path.stat().st_mode)
    except PermissionError as error:
        raise CheckpointError(
            f"Expected a file that may be read, got {path}: {error.strerror}. Allow "
            "to read its folder, or copy the file to another one."
        ) from error
    except (OSError, ValueError):
        return False  # also what cannot be a name


def check_base(model: str, adapter: str) -> None:
    """Refuse an adapter of another model before that model is downloaded.

    Parameters
    ----------
    model : str
        Name or path.
    adapter : str
        Name or path.

    Raises
    ------
    CheckpointError
        If the adapter cannot be found or read, or its header names another base than a
        model that is not here yet. Of models that are here `load_adapter` compares
        the files.
    """
    header = read_adapter_header(find_weights(adapter, Kind.ADAPTER))
    entry = find_entry(model, Kind.MODEL)
    if entry is None or entry.is_here or header.base == model:
        return
    known = entry.variant.sha256
    # without a known sum, the path of a file may well be that of this model
    has_other_name = find_entry(header.base, Kind.MODEL) is not None
    if has_other_name if known is None else known != header.base_sha256:
        raise CheckpointError(
            f"Expected an adapter for the model {model!r}, but {adapter} was trained "
            f"for {header.base!r}. Choose that model, or another adapter."
        )


def _fetched(entry: Entry) -> Path:
    if entry.is_here:
        return checked_path(entry)
    _log.warning("Downloading %s", offer(entry))
    for _ in download(entry):
        pass
    return entry.path
