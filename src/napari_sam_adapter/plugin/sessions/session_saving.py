"""Write a session in the background, and give it its name when it did not change."""

from __future__ import annotations

import secrets
import shutil
import threading
from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.output.whole_files import (
    check_output,
    whole_output,
    writing,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.volume.saving.session_folder import SavableSession


class NewSession:
    """A session on its way to the disk, beside its place until it gets its name.

    Parameters
    ----------
    path : Path
        Where it will be.
    attempts : int
        How many times it may be written, this one included.
    """

    def __init__(self, path: Path, attempts: int) -> None:
        self.path, self.attempts = path, attempts
        self._folder = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
        self._lock = threading.Lock()
        self._is_written = self._is_discarded = False

    def write(self, session: SavableSession) -> NewSession:
        """Write it without a name; for any thread.

        Parameters
        ----------
        session : SavableSession
            What to write.

        Returns
        -------
        NewSession
            This one.

        Raises
        ------
        OutputError
            If it cannot be written; nothing is left behind.
        """
        try:
            with writing(self.path):
                session.write(self._folder)
        except BaseException:
            self._remove()
            raise
        with self._lock:
            self._is_written = True
            is_discarded = self._is_discarded
        if is_discarded:
            self._remove()
        return self

    def give_name(self, overwrite: bool) -> None:
        """Give it its name.

        Parameters
        ----------
        overwrite : bool
            Whether a saved session of that name may be replaced.

        Raises
        ------
        OutputError
            If the name is taken; nothing is left behind.
        """
        try:
            check_output(self.path, overwrite)
            with whole_output(self.path, overwrite) as temporary:
                self._folder.rename(temporary)
        finally:
            self._remove()

    def discard(self) -> None:
        """Remove it, or let the thread do so that is writing it."""
        with self._lock:
            self._is_discarded = True
            is_written = self._is_written
        if is_written:
            self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
