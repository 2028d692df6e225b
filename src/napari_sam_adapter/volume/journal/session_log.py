"""What a session writes down as it goes: entries, and numbers that never repeat."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.volume.document.journal_entries import UsePredictor
from napari_sam_adapter.volume.journal.journal_lines import entry_line, entry_text
from napari_sam_adapter.volume.journal.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.volume.document.journal_entries import Entry
    from napari_sam_adapter.volume.journal.journal_lines import Recordable


class Recorder(Protocol):
    """Where entries go: a `Journal`, an autosave that begins one, or memory."""

    @property
    def recorded(self) -> Recorded:
        """All that was recorded so far."""

    def append(self, entry: Recordable) -> None:
        """Write one entry."""

    def close(self) -> None:
        """Let go of the file."""


class JournalInMemory:
    """A journal that goes on without a file, for `save_session`.

    Parameters
    ----------
    content : bytes
        What it begins with; a half-written last line is cut off.
    """

    def __init__(self, content: bytes) -> None:
        self._lines = [content[: content.rfind(b"\n") + 1]]

    @property
    def recorded(self) -> Recorded:
        """All that was recorded so far."""
        return Recorded(None, 0, tuple(self._lines))

    def append(self, entry: Recordable) -> None:
        """Remember one entry."""
        self._lines.append(entry_line(entry))

    def close(self) -> None:
        """Do nothing: there is no file."""


class SessionLog:
    """Hands entries to a recorder, if there is one; counts them, and edits alone.

    Parameters
    ----------
    number : int
        First number to give out.
    descriptions : list of dict
        Of the predictors that were used before.
    """

    def __init__(
        self, number: int = 1, descriptions: tuple[dict[str, str], ...] = ()
    ) -> None:
        self.count = self.edit_count = 0
        self.number = number
        self.descriptions = list(descriptions)
        self._recorder: Recorder | None = None

    @property
    def recorded(self) -> Recorded:
        """All that was recorded so far.

        Raises
        ------
        SessionError
            If nothing is.
        """
        if self._recorder is None:
            raise SessionError(
                "Expected a session with a journal, got one without. Begin it with "
                "Session(..., journal=PATH), or go on with a journal by "
                "open_session(PATH, ...) or replay(PATH, ..., resume=True)."
            )
        return self._recorder.recorded

    def record_with(self, recorder: Recorder) -> None:
        """Write further entries there.

        Parameters
        ----------
        recorder : Recorder
            One that holds all entries before.
        """
        self.close()
        self._recorder = recorder

    def next_number(self) -> int:
        """Return a number that was never given out in this session.

        Returns
        -------
        int
            Tells predictors and propagations apart.
        """
        self.number += 1
        return self.number - 1

    def pass_over(self, number: int) -> None:
        """Give out larger numbers only.

        Parameters
        ----------
        number : int
            One that is in use, here or in the journal that is done again.
        """
        self.number = max(self.number, number + 1)

    def write(self, entry: Recordable) -> None:
        """Write an entry.

        Parameters
        ----------
        entry : Entry or WrittenGroup
            An edit or what else the labels depend on; of a group all is saved or
            nothing.

        Raises
        ------
        OutputError
            If it cannot be written; see `Journal.append`.
        """
        self.count += 1
        self.edit_count += not isinstance(entry, UsePredictor)
        if (
            isinstance(entry, UsePredictor)
            and entry.description not in self.descriptions[-1:]
        ):
            self.descriptions.append(entry.description)
        if self._recorder is not None:
            self._recorder.append(entry)

    @contextmanager
    def noting(self, entry: Entry) -> Iterator[None]:
        """Do in a block what an entry says; write it at the end.

        Parameters
        ----------
        entry : Entry
            An edit or what else the labels depend on.

        Yields
        ------
        None
            Do it here.

        Raises
        ------
        SessionError
            Before the block, if a journal cannot hold the entry.
        OutputError
            As `write`.
        """
        try:
            entry_text(entry)
        except (TypeError, ValueError) as error:
            raise SessionError(
                f"Expected what a journal can hold, texts and numbers, got {entry}: "
                f"{error}. Convert it first."
            ) from error
        yield
        self.write(entry)

    def try_to_write(self, entry: Recordable) -> OutputError | None:
        """Write an entry about what is to be done in any case.

        Parameters
        ----------
        entry : Entry or WrittenGroup
            As of `write`.

        Returns
        -------
        OutputError or None
            To be raised when it is done, if the entry has to wait in memory.
        """
        try:
            self.write(entry)
        except OutputError as problem:
            return problem
        return None

    def close(self) -> None:
        """Let go of the file; further entries are not written."""
        if self._recorder is not None:
            self._recorder.close()
        self._recorder = None
