"""Work on a document that is done part by part while the window answers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnderWay:
    """One piece of work at a time; whatever edit comes finishes it first.

    So nobody edits, or takes back, half of it.
    """

    def __init__(self) -> None:
        self._work: Iterator[object] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether there is something left to do."""
        return self._work is not None

    def begin(self, work: Iterator[object]) -> None:
        """Do the first part of some work; `go_on` does the others.

        Parameters
        ----------
        work : iterator
            Does one part with each step.
        """
        self.finish()
        if next(work, self) is not self:
            self._work = work

    def go_on(self) -> bool:
        """Do the next part of what was begun.

        Returns
        -------
        bool
            Whether there may be more.

        Raises
        ------
        OutputError
            After the last part, if the journal could not be written.
        """
        work, self._work = self._work, None
        if work is None or next(work, self) is self:
            return False
        self._work = work
        return True

    def finish(self) -> None:
        """Do all that is left of what was begun.

        Notes
        -----
        That a journal cannot be written is no reason to refuse the edit that comes: its
        entries wait in memory, and an autosave tells of it by itself.
        """
        with contextlib.suppress(OutputError):
            while self.go_on():
                pass
