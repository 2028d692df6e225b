"""The cache folder, the sums beside its files, and sizes to read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.image_io.output.whole_files import writing as writing_whole
from napari_sam_adapter.own_folders import chosen_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

CACHE_VARIABLE = "NAPARI_SAM_ADAPTER_CACHE"
"""Environment variable that moves the folder of downloaded weights."""
SHIPPED_FOLDER = Path(__file__).parents[1] / "weights"
"""Inside the package."""
PART, SUM, IMAGES = ".part", ".sha256", ".images"
"""What is added to the name of a file for a download under way, for its sum, and for
how an imported network wants its images."""
_AS_BYTES = "surrogateescape"
"""Names of files need not be text; the bytes that are none are kept as they are."""


def cache_folder() -> Path:
    """Return the folder of downloaded and imported weights.

    Returns
    -------
    Path
        From ``NAPARI_SAM_ADAPTER_CACHE`` if set, else the user's cache folder.
        Absolute; it need not exist.

    Raises
    ------
    SettingError
        If the variable names the home of a user whom this computer does not have.
    """
    usual = user_cache_path("napari-sam-adapter") / "weights"
    return chosen_folder(CACHE_VARIABLE, usual)


def used_bytes() -> int:
    """Return how much the cache folder holds, downloads under way included.

    Returns
    -------
    int
        Bytes; 0 if there is no folder, or it is closed to us.
    """
    total = 0
    for path in seen(cache_folder(), "**/*"):
        with contextlib.suppress(OSError):  # removed while we look
            total += path.stat().st_size if path.is_file() else 0
    return total


def seen(folder: Path, pattern: str) -> list[Path]:
    """Return what a folder shows, in order.

    Parameters
    ----------
    folder : Path
        It need not exist.
    pattern : str
        As for `Path.glob`.

    Returns
    -------
    list of Path
        Empty where we may not look, or the name cannot be.
    """
    found: list[Path] = []
    with contextlib.suppress(OSError):  # also what goes away while we look
        found.extend(folder.glob(pattern))
    return sorted(found)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Parameters
    ----------
    folder : Path
        May exist.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def writing(path: Path) -> AbstractContextManager[None]:
    """Turn what the system says while it writes weights into our error.

    Parameters
    ----------
    path : Path
        What is written.

    Returns
    -------
    context manager
        As `image_io.output.whole_files.writing`.
    """
    return writing_whole(path, f"choose another folder with {CACHE_VARIABLE}")


def file_sum(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal text.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        64 characters.
    """
    import pooch

    return str(pooch.file_hash(path))


def check_sum(path: Path, known: str | None) -> None:
    """Compare a file with its sum; without one, the first use decides it.

    Parameters
    ----------
    path : Path
        A file of the cache folder.
    known : str or None
        The published sum. If there is none, the one that stands beside the file
        counts, and is written if it is not there yet.

    Raises
    ------
    CheckpointError
        If the file is not what it was.
    """
    expected = known or pinned_sum(path)
    found = file_sum(path)
    if expected is None:
        with contextlib.suppress(OutputError):  # what is read-only does not change
            pin_sum(path, found)
    elif found != expected:
        raise CheckpointError(
            f"Expected {path} to have the sha256 {expected}, got {found}: it is "
            "damaged or was replaced. Remove it and get it again."
        )


def pinned_sum(path: Path) -> str | None:
    """Return the sum that was written beside a file.

    Parameters
    ----------
    path : Path
        A file of the cache folder.

    Returns
    -------
    str or None
        None if none was written.
    """
    beside = path.with_name(path.name + SUM)
    try:
        words = beside.read_text(encoding="utf-8", errors=_AS_BYTES).split()
    except OSError:
        return None
    return words[0] if words else None


def pin_sum(path: Path, found: str) -> None:
    """Write a sum beside a file, in the form that ``sha256sum -c`` reads.

    Parameters
    ----------
    path : Path
        A file of the cache folder.
    found : str
        Its sha256.
    """
    beside = path.with_name(path.name + SUM)
    partial = path.with_name(f".{secrets.token_hex(4)}{SUM}")
    with writing(beside):
        line = f"{found}  {path.name}\n"
        partial.write_text(line, encoding="utf-8", errors=_AS_BYTES)
        os.replace(partial, beside)
