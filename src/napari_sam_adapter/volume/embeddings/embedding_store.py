"""Embeddings on disk, shared between sessions and processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from platformdirs import user_cache_path

from napari_sam_adapter.own_folders import chosen_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    Arrays = Mapping[str, npt.NDArray[np.float16]]

VERSION = 2
"""Part of every key: what another version kept is not found."""
FOLDER_VARIABLE = "NAPARI_SAM_ADAPTER_EMBEDDINGS"
"""Environment variable that moves the folder that the window uses."""
GIGABYTE = 10**9
BUDGET = 20 * GIGABYTE
"""Bytes on disk by default."""
KEPT_SHARE = 0.9
"""Part of the budget that is left full when old entries are dropped."""
SAVES_BETWEEN_LOOKS = 64
"""After so many entries the folder is measured again: other processes write too."""
ABANDONED = 3600.0
"""Seconds after which an unfinished entry is taken for one of a killed process."""
ENTRY, UNFINISHED, DROPPED = ".zarr", ".unfinished", ".dropped"
NOT_IN_KEY = {"device"}
DAMAGED = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError)
"""What zarr and its codecs raise on files that were cut or changed."""

logger = logging.getLogger(__name__)


def embeddings_folder() -> Path:
    """Return the folder of embeddings that the window uses.

    Returns
    -------
    Path
        From ``NAPARI_SAM_ADAPTER_EMBEDDINGS`` if set, else in the user's cache folder.
        It need not exist.

    Raises
    ------
    SettingError
        If the variable names the home of a user whom this computer does not have.
    """
    usual = user_cache_path("napari-sam-adapter") / "embeddings"
    return chosen_folder(FOLDER_VARIABLE, usual)


class EmbeddingStore:
    """A folder of embeddings in half precision, least recently used out.

    Safe in any thread and with several processes: an entry appears whole or not at
    all, a damaged one is dropped, and a disk that is full or read-only only means that
    nothing more is kept.

    Parameters
    ----------
    folder : str, Path or None
        Made when the first entry is written. None keeps nothing: embeddings are only
        rounded as if they came from a store.
    budget : int
        Bytes that all entries together may take; 0 keeps nothing and loads nothing.

    Attributes
    ----------
    folder : Path or None
        As given.
    budget : int
        As given.
    problem : str
        Why nothing more is kept; empty as long as all is well.
    """

    def __init__(self, folder: str | Path | None, budget: int = BUDGET) -> None:
        self.folder = None if folder is None else Path(folder)
        self.budget = budget
        self.problem = ""
        self._nbytes = 0
        self._until_look = 0

    def __repr__(self) -> str:
        return f"<EmbeddingStore {self.folder or 'without a folder'}>"

    def __contains__(self, key: str) -> bool:
        return self.keeps and self._entry(key).is_dir()

    @property
    def keeps(self) -> bool:
        """Whether there are a folder and room for embeddings."""
        return self.folder is not None and self.budget > 0

    def load(self, key: str) -> dict[str, npt.NDArray[np.float16]] | None:
        """Return the arrays of an embedding, and mark it as used.

        Parameters
        ----------
        key : str
            From `embedding_key`.

        Returns
        -------
        dict of str to float16 array, or None
            None if it is not here or damaged; a damaged entry is dropped.
        """
        if key not in self:
            return None
        entry = self._entry(key)
        try:
            arrays = _read(entry)
        except DAMAGED as error:
            if entry.is_dir():
                logger.warning("Dropping the damaged embedding %s: %s", entry, error)
                self._drop(entry)
            return None
        self.mark_used(key)
        return arrays

    def mark_used(self, key: str) -> None:
        """Count an entry as used just now, as far as the disk can be written.

        Parameters
        ----------
        key : str
            Of an entry.
        """
        with contextlib.suppress(OSError):  # read-only, or gone
            os.utime(self._entry(key))

    def size_of(self, key: str) -> int:
        """Return how much an entry takes on the disk.

        Parameters
        ----------
        key : str
            From `embedding_key`.

        Returns
        -------
        int
            Bytes; 0 if it is not here.
        """
        with contextlib.suppress(OSError):  # another process may drop it
            return _size(self._entry(key)) if key in self else 0
        return 0

    def spare_present(self) -> None:
        """Let the budget be for what comes, beside what is there."""
        if self.folder is not None and self.folder.is_dir():
            self.budget += sum(size for _, size, _ in self._entries())

    def try_again(self) -> None:
        """Keep embeddings again after a `problem`."""
        self.problem = ""

    def save(self, key: str, arrays: Arrays) -> None:
        """Keep the arrays of an embedding, and drop old entries over the budget.

        Parameters
        ----------
        key : str
            From `embedding_key`.
        arrays : mapping of str to float16 array
            What to keep; nothing is kept if a value is not finite.
        """
        if self.folder is None or not self.keeps or self.problem or key in self:
            return
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        unfinished = self._entry(f"{key}-{uuid.uuid4().hex}", UNFINISHED)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(unfinished, arrays)
            self._nbytes += _size(unfinished)
            unfinished.rename(self._entry(key))
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            if key not in self:  # or another process was faster
                self._give_up(error)
            return
        try:
            self._keep_to_budget()
        except OSError as error:  # the folder is gone, or cannot be listed
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.problem = f"Embeddings are not kept any more in {self.folder}: {error}."
        logger.warning(self.problem)

    def _entry(self, name: str, suffix: str = ENTRY) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}{suffix}"

    def _keep_to_budget(self) -> None:
        self._until_look -= 1
        if self._nbytes <= self.budget and self._until_look > 0:
            return
        entries = sorted(self._entries())
        self._nbytes = sum(size for _, size, _ in entries)
        self._until_look = SAVES_BETWEEN_LOOKS
        if self._nbytes <= self.budget:
            return
        for _, size, entry in entries[:-1]:
            if self._nbytes <= KEPT_SHARE * self.budget:
                return
            self._drop(entry)
            self._nbytes -= size

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Yield last use, size and folder of every entry; clean up on the way."""
        assert self.folder is not None
        for path in self.folder.iterdir():
            try:
                used, size = path.stat().st_mtime, _size(path)
            except OSError:  # gone in the meantime
                continue
            if path.suffix == ENTRY:
                yield used, size, path
            elif (
                path.suffix in {UNFINISHED, DROPPED} and time.time() - used > ABANDONED
            ):
                shutil.rmtree(path, ignore_errors=True)

    def _drop(self, entry: Path) -> None:
        """Remove an entry in one stroke: no reader may find half of it."""
        away = entry.with_name(f"{entry.stem}-{uuid.uuid4().hex}{DROPPED}")
        try:
            entry.rename(away)
        except OSError:  # read-only, or another process was faster
            return
        shutil.rmtree(away, ignore_errors=True)


def embedding_key(image: npt.NDArray[np.uint8], description: Mapping[str, str]) -> str:
    """Return the name under which an embedding is kept.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8 array
        The plane as the predictor sees it, after the intensity mapping.
    description : mapping of str to str
        `Predictor.description`: model, adapter, their hashes, number format. The
        device does not count.

    Returns
    -------
    str
        Hexadecimal digits.
    """
    meaning = sorted(item for item in description.items() if item[0] not in NOT_IN_KEY)
    digest = hashlib.sha256(repr((VERSION, image.shape, meaning)).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()[:40]


def _write(path: Path, arrays: Arrays) -> None:
    """Write all arrays one behind the other: one chunk for the whole plane."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    flat = np.concatenate([np.ravel(array) for array in arrays.values()])
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    stored = zarr.create_array(
        store=str(path),
        shape=flat.shape,
        chunks=flat.shape,
        dtype=np.float16,
        compressors=[BloscCodec(cname="lz4", shuffle="bitshuffle"), Crc32cCodec()],
        fill_value=np.nan,
        attributes={"shapes": shapes, "sum": _sum(shapes)},
    )
    stored[:] = flat


def _read(path: Path) -> dict[str, npt.NDArray[np.float16]]:
    """Read what `_write` wrote; a missing chunk is full of NaN and refused."""
    import zarr

    stored: Any = zarr.open_array(store=str(path), mode="r")
    flat = np.asarray(stored[:], dtype=np.float16)
    if not np.isfinite(flat).all():
        raise ValueError("the values are not there")
    arrays, start, shapes = {}, 0, stored.attrs["shapes"]
    if stored.attrs.get("sum", _sum(shapes)) != _sum(shapes):  # older ones have none
        raise ValueError("names or shapes are others than were written")
    for name, shape in shapes.items():
        stop = start + int(np.prod(shape))
        arrays[name] = flat[start:stop].reshape(shape)
        start = stop
    if start != flat.size:
        raise ValueError("the shapes do not fit the values")
    return arrays


def _sum(shapes: Mapping[str, list[int]]) -> int:
    return zlib.crc32(json.dumps(shapes).encode())


def _size(path: str | Path) -> int:
    # A folder has thousands of entries: this takes a third of what `rglob` does.
    with os.scandir(path) as found:
        return sum(_size(e.path) if e.is_dir() else e.stat().st_size for e in found)
