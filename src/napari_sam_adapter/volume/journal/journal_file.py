"""The file that a session is saved in while it goes on: one JSON object a line."""

from __future__ import annotations

import errno
import json
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.volume.journal.journal_header import (
    BEGINNING,
    JOURNAL_VERSION,
    JournalHeader,
    header_from_json,
    header_line,
    present_header,
)
from napari_sam_adapter.volume.journal.journal_lines import (
    Recordable,
    edit_from_json,
    entry_line,
)
from napari_sam_adapter.volume.journal.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from napari_sam_adapter.volume.document.journal_entries import Entry

JOURNAL_NAME = "journal.jsonl"
"""In the folder of a saved session."""
LOOK_BACK = 1 << 16
"""Bytes looked at in one go for the end of the last whole line."""


class Journal:
    """Appends entries to a file that stays open.

    When `append` returns, the entry has left the process: it survives the end of the
    process, however sudden, though not a power failure in the seconds after.

    Parameters
    ----------
    path : Path
        File that exists; a half-written last line is cut off.

    Raises
    ------
    OutputError
        If the file cannot be changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsaved: list[bytes] = []
        try:
            self._file = path.open("r+b", buffering=0)
            self._size = _length_of_whole_lines(self._file)
            self._file.seek(self._size)
            self._file.truncate()
        except OSError as error:
            raise OutputError(f"Expected to write {path}, got: {error}.") from error
        self._closing = weakref.finalize(self, self._file.close)

    @classmethod
    def create(cls, path: Path, header: JournalHeader) -> Journal:
        """Begin a new file.

        Parameters
        ----------
        path : Path
            Must not exist.
        header : JournalHeader
            First line.

        Returns
        -------
        Journal
            Ready for entries.

        Raises
        ------
        OutputError
            If the file exists or cannot be written; then nothing is left of a new one.
        """
        line = header_line(header)
        try:
            path.open("xb").close()
            _write_or_remove(path, line)
        except FileExistsError as error:
            raise OutputError(
                f"Expected a new journal, but {path} exists. Choose another name, or "
                "go on with it by replay(..., resume=True)."
            ) from error
        except OSError as error:
            raise OutputError(f"Expected to write {path}, got: {error}.") from error
        return cls(path)

    @property
    def recorded(self) -> Recorded:
        """All that was recorded so far, whether it is in the file or not."""
        return Recorded(self.path, self._size, tuple(self._unsaved))

    def append(self, entry: Recordable) -> None:
        """Write one entry.

        Parameters
        ----------
        entry : Entry or WrittenGroup
            An edit or what else the labels depend on.

        Raises
        ------
        OutputError
            Once, when the file cannot be written any more. Entries then wait in
            memory, in order, until one of them finds room again; for ever if
            another session has written into the file.
        """
        was_failing = bool(self._unsaved)
        self._unsaved.append(entry_line(entry))
        try:
            self._write()
        except OSError as error:
            if not was_failing:
                raise OutputError(
                    f"Expected to write {self.path}, got: {error}. What you do from "
                    f"here on is not autosaved{_what_helps(error)}"
                ) from error

    def close(self) -> None:
        """Let go of the file; nothing can be appended any more."""
        self._closing()

    def _write(self) -> None:
        if os.fstat(self._file.fileno()).st_size != self._size:
            raise _OvertakenError("another session has written into it since")
        while self._unsaved:
            line = self._unsaved[0]
            if self._file.write(line) != len(line):
                self._file.seek(self._size)
                self._file.truncate()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += len(line)
            del self._unsaved[0]


class _OvertakenError(OSError):
    """Two sessions write one file."""


def _what_helps(error: OSError) -> str:
    if isinstance(error, _OvertakenError):  # there will never be room
        return ". Save this session under another name."
    return " until there is room: save the labels."


def _write_or_remove(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError:
        path.unlink()
        raise


def _length_of_whole_lines(file: FileIO) -> int:
    """Return where the last whole line ends, looking at little more than that line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(end - LOOK_BACK, 0)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def find_journal(path: str | Path) -> Path:
    """Return the journal of a saved session.

    Parameters
    ----------
    path : str or Path
        A journal, or the folder ``NAME.session`` with one in it.

    Returns
    -------
    Path
        The file; it need not exist.

    Raises
    ------
    SessionError
        If the path is a folder without a journal.
    """
    path = Path(path)
    if not os.path.isdir(path):  # no error for names that cannot be
        return path
    journal = path / JOURNAL_NAME
    if not journal.is_file():
        raise SessionError(
            f"Expected a saved session, a folder with {JOURNAL_NAME} in it, got "
            f"{path} without. Choose the folder NAME.session itself."
        )
    return journal


def read_journal(path: Path) -> tuple[JournalHeader, list[Entry]]:
    """Read a journal; a half-written last line is dropped.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    header : JournalHeader
        What the edits were made on.
    entries : list of Entry
        In order.

    Raises
    ------
    SessionError
        If the file is missing, no journal, of another version, or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise SessionError(f"Expected a journal at {path}, got: {reason}.") from error
    header, lines = parse_journal(content, path)
    return header, [edit_from_json(line) for line in lines]


def parse_journal(
    content: bytes, path: Path
) -> tuple[JournalHeader, list[dict[str, Any]]]:
    """Return the lines of a journal; a half-written last one is dropped.

    Parameters
    ----------
    content : bytes
        Of the file.
    path : Path
        How messages call it.

    Returns
    -------
    header : JournalHeader
        What the edits were made on.
    lines : list of dict
        For `edit_from_json`, in order.

    Raises
    ------
    SessionError
        If it is no journal, of another version, or damaged.
    """
    whole, end, _ = content.rpartition(b"\n")
    if not end:
        raise SessionError(_without_line(path, content))
    lines = list(_parse(path, whole))
    header = present_header(lines[0]) if lines else {}
    version = header.get("version")
    if version != JOURNAL_VERSION:
        raise SessionError(
            f"Expected a journal of version {JOURNAL_VERSION} at {path}, got "
            f"{version}. Replay it with the version that wrote it."
        )
    try:
        return header_from_json(header), lines[1:]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SessionError(
            f"Expected a journal header in the first line of {path}, got one that is "
            f"damaged: {error}. Take the file from a copy."
        ) from error


def _without_line(path: Path, content: bytes) -> str:
    length = min(len(content), len(BEGINNING))
    if content[:length] != BEGINNING[:length]:
        return _no_journal(path)
    return (
        f"Expected a journal, got {path}, which breaks off in its first line: no "
        "edit was saved in it. Begin the session anew, under another name."
    )


def _no_journal(path: Path) -> str:
    return (
        f"Expected a journal, got {path}, which is none. Choose a saved session, "
        f"NAME.session, or the {JOURNAL_NAME} in it."
    )


def _parse(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == 1:
                raise SessionError(_no_journal(path)) from error
            raise SessionError(
                f"Expected JSON in line {number} of {path}: {error}. The file is "
                "damaged; cut it off before this line to save the rest."
            ) from error
        if not isinstance(values, dict):
            raise SessionError(f"Expected a JSON object in line {number} of {path}.")
        yield values
