"""Journals of sessions that nobody has saved yet, in a folder of the user.

A file is there from the first edit on. Whoever works on it holds a lock, which the
system takes back when the process ends, however it ends; an unlocked file is one
that somebody may want to go on with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.volume.document.journal_entries import UsePredictor
from napari_sam_adapter.volume.journal.journal_file import Journal
from napari_sam_adapter.volume.journal.journal_header import JournalHeader, header_line
from napari_sam_adapter.volume.journal.journal_lines import Recordable, entry_line
from napari_sam_adapter.volume.journal.recorded import Recorded
from napari_sam_adapter.volume.saving.autosave_files import (
    LOCK,
    autosaving,
    new_path,
    remove,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Autosave:
    """Records a session in a file that appears with its first edit.

    Until the header is known, and while the disk is full, entries wait in memory.

    Parameters
    ----------
    folder : Path
        Where the file will be.
    tell : callable or None
        Told that it cannot be written, instead of an error from `append`: the edit is
        done nevertheless, and whoever made it goes on.
    """

    def __init__(
        self, folder: Path, tell: Callable[[OutputError], None] | None = None
    ) -> None:
        self._folder = folder
        self._tell = tell
        self._header: JournalHeader | None = None
        self._waiting: list[Recordable] = []
        self._journal: Journal | None = None
        self._lock: FileLock | None = None
        self._has_failed = False

    @classmethod
    def going_on(
        cls, path: Path, tell: Callable[[OutputError], None] | None = None
    ) -> Autosave:
        """Take over the autosave of a session that was left.

        Parameters
        ----------
        path : Path
            One of `unfinished_in`.
        tell : callable or None
            As for the class.

        Returns
        -------
        Autosave
            Appends to the same file.

        Raises
        ------
        SessionError
            If somebody else works on it.
        OutputError
            If it cannot be changed.
        """
        autosave = cls(path.parent, tell)
        autosave._open(path)
        return autosave

    @classmethod
    def of_copy(
        cls,
        content: bytes,
        header: JournalHeader,
        folder: Path,
        tell: Callable[[OutputError], None] | None = None,
    ) -> Autosave:
        """Begin with the journal of a saved session.

        Parameters
        ----------
        content : bytes
            The journal.
        header : JournalHeader
            Its first line.
        folder : Path
            Where the file will be.
        tell : callable or None
            As for the class.

        Returns
        -------
        Autosave
            Appends to the copy.

        Raises
        ------
        OutputError
            If the copy cannot be written.
        """
        autosave = cls(folder, tell)
        path = new_path(folder, header.image)
        with autosaving(path):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        autosave._open(path)
        return autosave

    @property
    def path(self) -> Path | None:
        """The file, if there is one already."""
        return None if self._journal is None else self._journal.path

    @property
    def recorded(self) -> Recorded:
        """All that was recorded so far, whether it is in the file or not.

        Raises
        ------
        SessionError
            If the image was not looked at yet.
        """
        if self._journal is not None:
            return self._journal.recorded
        if self._header is None:
            raise SessionError(
                "Expected an image that was looked at, got one that is still being "
                "read. Wait a moment, and save again."
            )
        lines = header_line(self._header), *map(entry_line, self._waiting)
        return Recorded(None, 0, lines)

    @property
    def is_on_disk(self) -> bool:
        """Whether a session that is dropped now can be gone on with later."""
        if self._journal is not None:
            return not self._journal.recorded.lines
        return not self._is_edited

    @property
    def _is_edited(self) -> bool:
        """Whether an edit waits that is worth a file."""
        return any(not isinstance(entry, UsePredictor) for entry in self._waiting)

    def begin(self, header: JournalHeader) -> None:
        """Learn what the edits are made on.

        Parameters
        ----------
        header : JournalHeader
            First line of the file.

        Raises
        ------
        OutputError
            If the file cannot be written; entries go on to wait.
        """
        self._header = header
        self._write_waiting()

    def append(self, entry: Recordable) -> None:
        """Record one entry; see `Journal.append`.

        Parameters
        ----------
        entry : Entry or WrittenGroup
            An edit or what else the labels depend on.

        Raises
        ------
        OutputError
            Once, if it cannot be written and there is nobody to tell.
        """
        try:
            self._append(entry)
        except OutputError as error:
            if self._tell is None:
                raise
            self._tell(error)

    def close(self) -> None:
        """Leave the file for somebody to go on with."""
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            self._lock.release()

    def discard(self) -> None:
        """Remove the file: the session is saved elsewhere, or not wanted."""
        path = self.path
        self.close()
        if path is not None:
            remove(path)

    def _append(self, entry: Recordable) -> None:
        if self._journal is not None:
            self._journal.append(entry)
        else:
            self._waiting.append(entry)
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Begin the file if there is something for it; each edit tries again."""
        if self._header is None or not self._is_edited:
            return
        try:
            journal = self._create(self._header)
        except OutputError:
            if self._has_failed:  # told already
                return
            self._has_failed = True
            raise
        waiting, self._waiting = self._waiting, []
        _append_all(journal, waiting)

    def _create(self, header: JournalHeader) -> Journal:
        path = new_path(self._folder, header.image)
        try:
            with autosaving(path):
                self._folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(header_line(header))
            return self._open(path)
        except OutputError:
            remove(path)  # half of it, perhaps
            raise

    def _open(self, path: Path) -> Journal:
        lock = FileLock(path.with_suffix(LOCK))
        with autosaving(path):
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                raise SessionError(
                    f"Expected a session that nobody works on, got {path.name}, which "
                    "is open in another window. Close it there."
                ) from error
        try:
            self._journal = Journal(path)
        except OutputError:
            lock.release()
            raise
        self._lock = lock
        return self._journal


def _append_all(journal: Journal, entries: list[Recordable]) -> None:
    """Hand all over, whatever happens: what the disk does not take waits there."""
    failed: OutputError | None = None
    for entry in entries:
        try:
            journal.append(entry)
        except OutputError as error:
            failed = error
    if failed is not None:
        raise failed
