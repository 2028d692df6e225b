"""Write a session in the background, and give it its name when it did not change."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.output import check_output, whole_output, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_adapter.volume.session_folder import SavableSession


@dataclass(frozen=True)
class WrittenSession:
    """A session on disk that has no name yet.

    Parameters
    ----------
    folder : Path
        Beside where it will be.
    """

    folder: Path


def writing_steps(session: SavableSession, path: Path) -> Iterator[WrittenSession]:
    """Write a session beside its place; for any thread.

    Parameters
    ----------
    session : SavableSession
        What to write.
    path : Path
        Where it will be.

    Yields
    ------
    WrittenSession
        Once.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind.
    """
    written = WrittenSession(path.with_name(f".{secrets.token_hex(4)}-{path.name}"))
    try:
        with writing(path):
            session.write(written.folder)
    except BaseException:
        discard_written(written)
        raise
    yield written


def name_written(written: WrittenSession, path: Path, overwrite: bool) -> None:
    """Give a session its name.

    Parameters
    ----------
    written : WrittenSession
        From `writing_steps`.
    path : Path
        The name.
    overwrite : bool
        Whether a saved session of that name may be replaced.

    Raises
    ------
    OutputError
        If the name is taken; nothing is left behind.
    """
    try:
        check_output(path, overwrite)
        with whole_output(path, overwrite) as temporary:
            written.folder.rename(temporary)
    finally:
        discard_written(written)


def discard_written(written: WrittenSession) -> None:
    """Remove a session that gets no name.

    Parameters
    ----------
    written : WrittenSession
        From `writing_steps`.
    """
    shutil.rmtree(written.folder, ignore_errors=True)
