"""What a session has written down so far, to be read while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Recorded:
    """A journal up to some moment, while it goes on.

    Parameters
    ----------
    path : Path or None
        File that begins with it; None if there is none.
    size : int
        How many bytes of the file belong to it.
    lines : tuple of bytes
        What comes after them.
    """

    path: Path | None
    size: int
    lines: tuple[bytes, ...] = ()

    def content(self) -> bytes:
        """Read it; for any thread.

        Returns
        -------
        bytes
            Whole lines.

        Raises
        ------
        SessionError
            If the file is gone.
        """
        saved = b""
        if self.path is not None:
            try:
                with self.path.open("rb") as file:
                    saved = file.read(self.size)
            except OSError as error:
                raise SessionError(
                    f"Expected the journal {self.path}, got: {error}. Save the labels."
                ) from error
        return saved + b"".join(self.lines)
