"""Files that appear whole under their name, or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from napari_sam_adapter.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER_MARKS = {
    ".zarr": ("zarr.json", ".zgroup", ".zarray"),
    ".session": ("journal.jsonl",),
}
"""Folders that are written as one: suffix, and files of which one must be inside."""
OLD = "old-"


def check_output(path: Path, overwrite: bool = False) -> None:
    """Raise unless a file could be written here.

    Parameters
    ----------
    path : Path
        The file, zarr store or session to be written.
    overwrite : bool
        Whether one of that name may be replaced. A folder is only replaced if it is
        a zarr store of one image or a saved session, and the name asks for one.

    Raises
    ------
    OutputError
        If it exists, or its folder is missing or cannot be written.
    """
    try:
        is_folder = path.is_dir() and not _is_replaceable_folder(path)
        inner = next(_inner_groups(path), None)
        exists = path.exists()
    except OSError as error:
        _refuse(path, error)
    if is_folder:
        raise OutputError(f"Expected a file name, but {path} is a folder.")
    if exists and not overwrite:
        raise OutputError(
            f"Expected a new file, but {path} exists. Choose another name; in the "
            "shell --overwrite and in Python overwrite=True replace it."
        )
    if inner is not None:
        raise OutputError(
            f"Expected a zarr store of one image to replace, but {path} holds more: "
            f"{inner.name}. Choose another name, or remove it yourself."
        )
    try:
        # As long as the longest name of `whole_output`.
        suffix = f"-{OLD}{path.name}"
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=suffix):
            pass
    except OSError as error:
        _refuse(path, error)


@contextmanager
def writing(path: Path, tip: str = "choose another folder") -> Iterator[None]:
    """Turn what the system says about a full or closed disk into our error.

    Parameters
    ----------
    path : Path
        What is written.
    tip : str
        What to do if there is no space to free.

    Yields
    ------
    None
        Write inside.

    Raises
    ------
    OutputError
        If writing failed.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"Expected to write {path}, got: {_reason(error)}. Free some space, or "
            f"{tip}."
        ) from error


@contextmanager
def whole_output(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name, and rename it to `path` if all went well.

    Parameters
    ----------
    path : Path
        Final name.
    overwrite : bool
        Whether a file of that name may be replaced.

    Yields
    ------
    Path
        Where to write: in the same folder, with the same suffix.

    Raises
    ------
    OutputError
        If writing or renaming failed; nothing is left behind and what was there
        before is untouched.
    """
    # a link stays one; of links in a circle the first is replaced
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    check_output(path, overwrite)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        with writing(path):
            yield temporary
            _replace(temporary, path)
    finally:
        _remove(temporary)


def _replace(temporary: Path, path: Path) -> None:
    # A folder with something in it cannot be renamed over: it steps aside first.
    if not path.is_dir():
        os.replace(temporary, path)
        return
    old = path.with_name(f".{secrets.token_hex(4)}-{OLD}{path.name}")
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.replace(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_replaceable_folder(path: Path) -> bool:
    marks = FOLDER_MARKS.get(path.suffix.lower(), ())
    return any((path / mark).exists() for mark in marks)


def _inner_groups(path: Path) -> Iterator[Path]:
    """Give groups in a zarr store: labels, wells of a plate, further images."""
    if path.suffix.lower() == ".zarr" and path.is_dir():
        yield from (folder for folder in path.iterdir() if _is_group(folder))


def _is_group(folder: Path) -> bool:
    if (folder / ".zgroup").exists():
        return True
    try:
        described = json.loads((folder / "zarr.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(described, dict) and described.get("node_type") == "group"


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise OutputError(
        f"Expected a folder to write into and a name it can hold, got {path}: "
        f"{_reason(error)}. Choose another folder or name."
    ) from error


def _reason(error: OSError) -> str:
    return error.strerror or " ".join(str(error).split()) or type(error).__name__
