"""The folder of autosaved sessions: what is in it, and what has to go."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from napari_sam_adapter.image_io.output.whole_files import writing
from napari_sam_adapter.own_folders import chosen_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

AUTOSAVE_VARIABLE = "NAPARI_SAM_ADAPTER_AUTOSAVE"
"""Environment variable that moves the folder of autosaved sessions."""
MOST_DAYS = 30
"""Autosaves that nobody went on with for longer are removed."""
MOST_FILES = 100
"""If there are more autosaves, the oldest are removed."""
SUFFIX, LOCK = ".jsonl", ".lock"


def autosave_folder() -> Path:
    """Return the folder of autosaved sessions.

    Returns
    -------
    Path
        From ``NAPARI_SAM_ADAPTER_AUTOSAVE`` if set, else in the user's data folder.
        It need not exist.

    Raises
    ------
    SettingError
        If the variable names the home of a user whom this computer does not have.
    """
    return chosen_folder(AUTOSAVE_VARIABLE, usual_autosave_folder())


def usual_autosave_folder() -> Path:
    """Return the folder of autosaved sessions where none was chosen.

    Returns
    -------
    Path
        In the user's data folder. It need not exist.
    """
    return user_data_path("napari-sam-adapter") / "autosave"


def unfinished_in(folder: Path, image: Mapping[str, Any]) -> list[Path]:
    """Return the sessions of an image that were left without being saved.

    Parameters
    ----------
    folder : Path
        Of autosaves.
    image : mapping
        Identity of the image, as in `JournalHeader.image`.

    Returns
    -------
    list of Path
        Journals, the newest first; none that somebody works on, or that breaks off in
        its first line.
    """
    found = folder.glob(f"{_key(image)}-*{SUFFIX}")
    usable = [path for path in found if _is_free(path) and _is_begun(path)]
    return sorted(usable, key=_age)


def clean(folder: Path) -> None:
    """Remove autosaves that are too old or too many, but none that is in use.

    Parameters
    ----------
    folder : Path
        Of autosaves; need not exist.
    """
    newest_first = sorted(folder.glob(f"*{SUFFIX}"), key=_age)
    for number, path in enumerate(newest_first):
        is_old = number >= MOST_FILES or _age(path) > MOST_DAYS * 24 * 3600
        if is_old and _is_free(path):
            remove(path)


def last_edit(path: Path) -> str:
    """Return when a session was worked on last.

    Parameters
    ----------
    path : Path
        One of `unfinished_in`.

    Returns
    -------
    str
        Day and minute, local time.
    """
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() - _age(path)))


def remove(path: Path) -> None:
    """Remove an autosave, if that can be done.

    Parameters
    ----------
    path : Path
        The journal; its lock goes too.
    """
    for name in (path, path.with_suffix(LOCK)):
        with contextlib.suppress(OSError):  # in use or gone
            name.unlink()


def new_path(folder: Path, image: Mapping[str, Any]) -> Path:
    """Return a name for a new autosave.

    Parameters
    ----------
    folder : Path
        Of autosaves.
    image : mapping
        Identity of the image, as in `JournalHeader.image`.

    Returns
    -------
    Path
        Does not exist.
    """
    return folder / f"{_key(image)}-{secrets.token_hex(6)}{SUFFIX}"


def _key(image: Mapping[str, Any]) -> str:
    text = json.dumps(image, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # removed while we look
        return 0.0


def _is_begun(path: Path) -> bool:
    """Return whether the first line is whole: without it no edit counts."""
    try:
        with path.open("rb") as file:
            return file.readline().endswith(b"\n")
    except OSError:
        return False


def _is_free(path: Path) -> bool:
    try:
        with FileLock(path.with_suffix(LOCK)).acquire(timeout=0):
            return True
    except (Timeout, OSError):
        return False


def autosaving(path: Path) -> AbstractContextManager[None]:
    """Turn what the system says while it writes an autosave into our error.

    Parameters
    ----------
    path : Path
        What is written.

    Returns
    -------
    context manager
        As `writing`.
    """
    return writing(path, f"choose another folder with {AUTOSAVE_VARIABLE}")
