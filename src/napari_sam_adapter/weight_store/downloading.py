"""Named weights to files of the cache folder, checked before they get their name."""

from __future__ import annotations

import contextlib
import os
import time
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.weight_store.entries import State
from napari_sam_adapter.weight_store.folder import (
    check_sum,
    file_sum,
    make_folder,
    pin_sum,
    writing,
)
from napari_sam_adapter.weight_store.transfer import DownloadProgress, transfer
from napari_sam_adapter.wording import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_adapter.weight_store.entries import Entry

WAIT_SECONDS = 0.2
"""Between two looks at a download of another process."""
_PIECE = 1 << 20
_MOST_UNPACKED = 4
"""How many times larger than its zip file weights may be; they hardly shrink."""


def download(entry: Entry) -> Iterator[DownloadProgress]:
    """Fetch a file into the cache folder; it appears whole and checked, or not at all.

    Stop by dropping the generator: what came stays beside the final name and the
    next call goes on from it, if the checksum is known. If another process fetches
    the same file, this one waits and reports its progress.

    Parameters
    ----------
    entry : Entry
        A model or adapter of the tables.

    Yields
    ------
    DownloadProgress
        Bytes on disk and bytes in all.

    Raises
    ------
    CheckpointError
        If it cannot be fetched; the message says where to put it by hand.
    OutputError
        If it cannot be written.
    """
    from filelock import FileLock

    make_folder(entry.path.parent)
    name = f".{entry.path.name}.lock"
    # not bound to a thread: a stopped download may be dropped by another one
    lock = FileLock(entry.path.with_name(name), thread_local=False)
    yield from _acquire(lock, entry)
    try:
        if not _is_complete(entry):
            yield from _fetch(entry)
    finally:
        lock.release()


def offer(entry: Entry) -> str:
    """Say what would be downloaded and under which licence.

    Parameters
    ----------
    entry : Entry
        A model or adapter.

    Returns
    -------
    str
        One sentence, to be shown before a download.
    """
    return (
        f"{entry.name} ({entry.variant.description}): {entry.size_text}, licence "
        f"{entry.variant.licence}, from {entry.variant.url or entry.variant.page}"
    )


def _acquire(lock: Any, entry: Entry) -> Iterator[DownloadProgress]:
    from filelock import Timeout

    while True:
        with writing(entry.path):
            try:
                lock.acquire(timeout=0)
                return
            except Timeout:
                part = entry.part
                done = part.stat().st_size if part.exists() else 0
        yield DownloadProgress(done, entry.variant.size)
        time.sleep(WAIT_SECONDS)


def _is_complete(entry: Entry) -> bool:
    if not os.path.isfile(entry.path):
        return False
    try:
        check_sum(entry.path, entry.variant.sha256)
    except CheckpointError:
        return False  # damaged: it is fetched again
    return True


def _fetch(entry: Entry) -> Iterator[DownloadProgress]:
    url = entry.variant.url
    if url is None or entry.state is State.SHIPPED:
        raise CheckpointError(_by_hand(entry))
    has_sum = entry.variant.sha256 is not None
    try:
        yield from transfer(url, entry.part, has_sum)
        if entry.variant.is_archive:
            _unpack(entry.part)
        _install(entry, url)
    except CheckpointError as error:
        raise CheckpointError(
            f"Cannot download {entry.name} from {url}: {error}. Without a network, put "
            f"the file at {entry.path}"
        ) from error


def _by_hand(entry: Entry) -> str:
    return (
        f"Expected a model that can be downloaded, but {entry.name} is only offered "
        f"to people, at {entry.variant.page}. Get it there and put it at {entry.path}"
    )


def _unpack(part: Path) -> None:
    """Replace a zip file by the one file in it."""
    unpacked = part.with_name(part.name + ".file")
    try:
        with writing(unpacked):
            with unpacked.open("wb") as target:
                target.writelines(_pieces(part))
            os.replace(unpacked, part)
    except CheckpointError:
        part.unlink(missing_ok=True)  # all of it came, and more will not help
        raise
    finally:
        unpacked.unlink(missing_ok=True)


def _pieces(part: Path) -> Iterator[bytes]:
    """Read the one file in a zip file."""
    try:
        with (
            zipfile.ZipFile(part) as archive,
            archive.open(_only_member(archive, part)) as source,
        ):
            while piece := source.read(_PIECE):
                yield piece
    except CheckpointError:
        raise
    except _damages() as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; those of the content have none
        raise CheckpointError(f"the zip file cannot be unpacked ({error})") from error


def _damages() -> tuple[type[Exception], ...]:
    """Return what unpacking raises where the content is not as it should be."""
    known = zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError
    with contextlib.suppress(ImportError):  # some Pythons lack it
        from lzma import LZMAError

        return *known, LZMAError
    return known


def _only_member(archive: zipfile.ZipFile, part: Path) -> zipfile.ZipInfo:
    inside = [member for member in archive.infolist() if not _is_extra(member)]
    if len(inside) != 1:
        raise CheckpointError(f"the zip file holds {len(inside)} files instead of one")
    most = _MOST_UNPACKED * part.stat().st_size
    if inside[0].file_size > most:
        size = readable_size(inside[0].file_size)
        raise CheckpointError(f"the zip file would grow to {size}")
    return inside[0]


def _is_extra(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or member.filename.startswith("__MACOSX/")


def _install(entry: Entry, url: str) -> None:
    """Give the file its final name if its sum is right, else remove it."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # progress is shown by others
    expected = entry.variant.sha256 or file_sum(entry.part)
    with writing(entry.path):
        try:
            pooch.retrieve(
                url,
                f"sha256:{expected}",
                fname=entry.path.name,
                path=entry.path.parent,
                downloader=partial(_hand_over, entry.part),
            )
        except ValueError as error:
            raise CheckpointError(
                f"the file that came does not have the sha256 {expected}, and was "
                "removed; start it again, or ask its authors"
            ) from error
    if entry.variant.sha256 is None:
        pin_sum(entry.path, expected)


def _hand_over(part: Path, url: str, temporary: str, pooch: object) -> None:
    """Give pooch the file as if it had just been downloaded."""
    os.replace(part, temporary)
