"""Weights as the window shows them, and what is being fetched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from psygnal import SignalGroupDescriptor, evented

from napari_sam_adapter.errors import CheckpointError, SettingError
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority, ignore
from napari_sam_adapter.plugin.reporting import reporting
from napari_sam_adapter.plugin.state import Message, ModelChoice
from napari_sam_adapter.plugin.torch_import import torch_on_its_way
from napari_sam_adapter.weight_store.downloading import download
from napari_sam_adapter.weight_store.entries import (
    Entry,
    Kind,
    entries_in_reach,
    find_entry,
)
from napari_sam_adapter.weight_store.folder import cache_folder, used_bytes
from napari_sam_adapter.weight_store.importing import remove, remove_downloads
from napari_sam_adapter.weight_store.transfer import DownloadProgress
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam_adapter.errors import SamAdapterError

NOT_BEGUN, NO_MESSAGE = DownloadProgress(0, 0), Message()


@evented
@dataclass
class WeightsState:
    """Everything that the window about weights shows.

    Parameters
    ----------
    entries : tuple of Entry
        All models and adapters, as they are now.
    folder : Path
        The cache folder.
    used : int
        Bytes in it.
    busy : str
        What is being fetched or imported; empty if nothing is.
    progress : DownloadProgress
        How far that is; a total of 0 if nobody knows.
    message : Message
        The status line.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    entries: tuple[Entry, ...] = ()
    folder: Path = Path()
    used: int = 0
    busy: str = ""
    progress: DownloadProgress = NOT_BEGUN
    message: Message = NO_MESSAGE

    def find(self, name: str, kind: Kind) -> Entry | None:
        """Return what a name stands for.

        Parameters
        ----------
        name : str
            What was chosen.
        kind : Kind
            Model or adapter.

        Returns
        -------
        Entry or None
            None for a path.
        """
        found = (e for e in self.entries if e.name == name and e.kind is kind)
        return next(found, None)


def check_here(choice: ModelChoice) -> None:
    """Raise if named weights are not here: a download waits for the user's consent.

    Parameters
    ----------
    choice : ModelChoice
        What is to be loaded.

    Raises
    ------
    CheckpointError
        If something has to be fetched first.
    """
    for name, kind in ((choice.model, Kind.MODEL), (choice.adapter, Kind.ADAPTER)):
        entry = find_entry(name, kind) if name else None
        if entry is not None and not entry.is_here:
            raise CheckpointError(
                f"Expected the weights of {name} on this computer, found none. Press "
                "'Get it ...' in the Network panel, or choose another model."
            )


def import_from_disk(
    path: Path, name: str, preprocessing: str | None, base: str | None
) -> Entry:
    """Give a file a name; runs on the worker thread.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name from now on.
    preprocessing : str or None
        How the network wants its images; None as its file says.
    base : str or None
        Model of a published SAM-Adapter whose adapter alone is to be kept.

    Returns
    -------
    Entry
        What the name stands for.
    """
    with torch_on_its_way():
        from napari_sam_adapter.inference.predictor.weights import import_weights

    return import_weights(path, name, base, preprocessing)


def export_to_disk(entry: Entry, path: Path, layout: str) -> None:
    """Write weights for other programs; runs on the worker thread.

    Parameters
    ----------
    entry : Entry
        A model, or an adapter, which is written with the model it was trained for.
    path : Path
        The file; replaced if it exists.
    layout : str
        See `export_weights`.

    Raises
    ------
    CheckpointError
        If the layout has no place for it, or the model is not here.
    OutputError
        If the file cannot be written.
    """
    with torch_on_its_way():
        from napari_sam_adapter.inference.predictor.weights import export_weights
        from napari_sam_adapter.model.files.adapter_header import read_adapter_header

    model, adapter = entry.name, None
    if entry.kind is Kind.ADAPTER:
        model, adapter = read_adapter_header(entry.path).base, entry.name
        check_here(ModelChoice(model))
    export_weights(model, adapter, path, layout, overwrite=True)


class WeightsController:
    """What the buttons of the window about weights do.

    It has a queue of its own: a slow server must not hold up a click.
    """

    def __init__(self) -> None:
        self.state = WeightsState()
        self._queue = JobQueue(self._on_queue_changed, mostly_waits=True)
        self.refresh()

    def refresh(self) -> None:
        """Look again at what is in the cache folder."""
        self.state.entries = tuple(entries_in_reach())
        try:
            self.state.folder = cache_folder()
            self.state.used = used_bytes()
        except SettingError as error:
            self.state.message = Message(str(error), is_error=True)

    def download(self, entry: Entry) -> None:
        """Fetch a model or adapter.

        Parameters
        ----------
        entry : Entry
            Of the tables.
        """
        self.state.progress = DownloadProgress(0, entry.size)
        self._start(f"Downloading {entry.name}", download(entry), self._on_progress)

    def import_file(
        self,
        path: Path,
        name: str,
        preprocessing: str | None = None,
        base: str | None = None,
    ) -> None:
        """Copy a file into the cache folder under a name.

        Parameters
        ----------
        path : Path
            A model or an adapter.
        name : str
            Its name from now on.
        preprocessing : str or None
            How the network wants its images; None as its file says.
        base : str or None
            Model of a published SAM-Adapter whose adapter alone is to be kept.
        """
        job = partial(import_from_disk, path, name, preprocessing, base)
        self._do(f"Importing {name}", job)

    def export(self, entry: Entry, path: Path, layout: str) -> None:
        """Write a model or adapter in a layout that other programs read.

        Parameters
        ----------
        entry : Entry
            What to write.
        path : Path
            The file; replaced if it exists.
        layout : str
            See `export_weights`.
        """
        job = partial(export_to_disk, entry, path, layout)
        self._do(f"Exporting {entry.name}", job)

    def stop(self) -> None:
        """Stop a download; what came is kept for the next try."""
        self._queue.cancel(lambda job: True)
        self.state.message = Message("Stopped.")
        self.refresh()

    @reporting
    def remove(self, entry: Entry) -> None:
        """Delete the file of a downloaded or imported name.

        Parameters
        ----------
        entry : Entry
            What to delete.
        """
        remove(entry)
        self.state.message = Message(f"{entry.name} is removed.")
        self.refresh()

    @reporting
    def remove_downloads(self) -> None:
        """Delete all downloads; imported files stay."""
        gone = remove_downloads()
        self.state.message = Message(f"Removed {counted(len(gone), 'download')}.")
        self.refresh()

    def report(self, error: SamAdapterError) -> None:
        """Show an error in the status line.

        Parameters
        ----------
        error : SamAdapterError
            What cannot be done.
        """
        self.state.message = Message(str(error), is_error=True)
        self.refresh()

    def close(self) -> None:
        """Stop everything for good."""
        self.state.events.disconnect()
        self._queue.close()

    def _do(self, what: str, job: Callable[[], object]) -> None:
        self.state.progress = NOT_BEGUN
        self._start(what, (job() for _ in range(1)), ignore)

    def _start(
        self, what: str, steps: Iterable[Any], on_result: Callable[[Any], None]
    ) -> None:
        self.state.message = Message(f"{what} ...")
        self._queue.submit(
            Job(
                owner=self,
                key=what,
                priority=Priority.LOAD,
                steps=iter(steps),
                on_result=on_result,
                on_error=self.report,
                on_end=self._on_end,
            )
        )

    def _on_progress(self, progress: DownloadProgress) -> None:
        self.state.progress = progress

    def _on_end(self) -> None:
        if not self.state.message.is_error:
            self.state.message = Message("Done.")
        self.refresh()

    def _on_queue_changed(self) -> None:
        self.state.busy = str(self._queue.jobs[0].key) if self._queue.jobs else ""
