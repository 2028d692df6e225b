"""Tensors out of a PyTorch file, each checked against the bytes that are there.

A PyTorch file is an uncompressed zip archive: `data.pkl` describes the tensors, one
record holds the numbers of each. Declared sizes are believed only where the archive
really has as many bytes, so that reading needs no more memory than the file has.
"""

from __future__ import annotations

import math
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.files.pickled_tensors import (
    PickleError,
    Skipped,
    StorageReference,
    TensorReference,
    read_pickle,
)

if TYPE_CHECKING:
    from pathlib import Path

MOST_PICKLED_BYTES = 1 << 24
MOST_DIMENSIONS = 8
_MOST_NESTED = 16
_UNREAD = ("optimizer", "scheduler", "scaler")
"""Beginnings of keys that only matter to whoever goes on training."""
_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_archive(path: Path) -> dict[Any, Any]:
    """Read the dictionaries of tensors in a PyTorch file.

    Parameters
    ----------
    path : Path
        A zip archive.

    Returns
    -------
    dict
        Tensors and dictionaries of tensors by key; `Skipped` for objects, and for
        tensors in a format that is not read; None for anything else, such as the state
        of an optimiser.

    Raises
    ------
    CheckpointError
        If the archive is compressed, damaged, or declares more than it has, or if
        its pickle holds anything that could run code.
    """
    with zipfile.ZipFile(path) as archive:
        _check_sizes(archive, path)
        pickled = _find_pickle(archive, path)
        folder = pickled.filename.removesuffix("data.pkl")
        try:
            content = read_pickle(archive.read(pickled))
        except PickleError as error:
            raise CheckpointError(
                f"Expected only tensors in {path}, but its pickle {error}. It was not "
                "opened, because such files can run code. Ask for a safetensors file, "
                "or for a state dict saved on its own."
            ) from error
        if isinstance(content, Skipped):
            raise CheckpointError(whole_object(content, path))
        if not isinstance(content, dict):
            raise CheckpointError(
                f"Expected a dictionary of tensors in {path}, got something else. "
                "Choose a file of model weights."
            )
        return _Records(archive, folder, path).read(content)


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse archives that grow when they are read."""
    entries = archive.infolist()
    stored = all(e.compress_type == zipfile.ZIP_STORED for e in entries)
    honest = all(e.file_size == e.compress_size for e in entries)
    total = sum(entry.file_size for entry in entries)
    if not (stored and honest) or total > path.stat().st_size:
        raise CheckpointError(
            f"Expected an archive as PyTorch writes it at {path}, but it is compressed "
            "or declares more than it holds. Unpack it, or download it again."
        )


def _find_pickle(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    for entry in archive.infolist():
        if entry.filename.endswith("/data.pkl"):
            if entry.file_size <= MOST_PICKLED_BYTES:
                return entry
            raise CheckpointError(
                f"Expected weights in {path}, but its pickle has {entry.file_size:,} "
                "bytes. Choose a file of model weights."
            )
    raise CheckpointError(
        f"Expected a PyTorch file at {path}, got another zip archive. If it holds a "
        "weight file, unpack it first."
    )


class _Records:
    """The numbers in an archive."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, path: Path) -> None:
        self._archive, self._folder, self._path = archive, folder, path
        self._left = sum(entry.file_size for entry in archive.infolist())
        self._storages: dict[str, Tensor] = {}
        self._known: dict[int, dict[Any, Any] | None] = {}
        if f"{folder}byteorder" in archive.namelist():
            order = archive.read(f"{folder}byteorder").decode("ascii", "replace")
            if order != sys.byteorder:
                raise ValueError(f"numbers of {order} byte order")

    def read(self, content: dict[Any, Any], depth: int = 1) -> dict[Any, Any]:
        """Replace descriptions by tensors, and what is no tensor by None."""
        check_depth(depth, self._path)
        result = self._known[id(content)] = {}
        for key, value in content.items():
            is_unread = isinstance(key, str) and key.startswith(_UNREAD)
            result[key] = None if is_unread else self._value(value, depth)
        return result

    def _value(self, value: object, depth: int) -> Any:
        if isinstance(value, TensorReference):
            return self._tensor(value)
        if isinstance(value, dict):
            return self._once(value, depth)
        return value if isinstance(value, Skipped) else None

    def _once(self, value: dict[Any, Any], depth: int) -> dict[Any, Any] | None:
        """Read a dictionary where it first stands: a few may stand in many places."""
        if id(value) not in self._known:
            is_worth_it = any(map(_may_hold_tensors, value.values()))
            self._known[id(value)] = (
                self.read(value, depth + 1) if is_worth_it else None
            )
        return self._known[id(value)]

    def _tensor(self, found: TensorReference) -> Tensor | Skipped:
        if found.storage.kind not in _DTYPES:
            return Skipped(found.storage.kind.removesuffix("Storage"), is_tensor=True)
        storage = self._storage(found.storage)
        _check_sizes_of(found)
        steps = zip(found.shape, found.strides, strict=True)
        last = found.offset + sum((n - 1) * step for n, step in steps)
        count = math.prod(found.shape)
        if count > len(storage) or (count and last >= len(storage)):
            raise ValueError("a tensor larger than its numbers")
        self._left -= count * storage.itemsize
        if self._left < 0:
            raise ValueError("tensors larger than the file")
        return storage.as_strided(found.shape, found.strides, found.offset)

    def _storage(self, found: StorageReference) -> Tensor:
        dtype = _DTYPES[found.kind]
        if found.key not in self._storages:
            entry = self._record(found.key)
            if entry.file_size != found.count * dtype.itemsize:
                raise ValueError(f"{entry.file_size} bytes for {found.count} numbers")
            self._storages[found.key] = self._numbers(entry, dtype)
        storage = self._storages[found.key]
        if storage.dtype != dtype:
            raise ValueError("the same numbers in two formats")
        return storage

    def _record(self, key: str) -> zipfile.ZipInfo:
        try:
            return self._archive.getinfo(f"{self._folder}data/{key}")
        except KeyError as error:
            raise ValueError("the numbers of a tensor are missing") from error

    def _numbers(self, entry: zipfile.ZipInfo, dtype: torch.dtype) -> Tensor:
        if not entry.file_size:
            return torch.empty(0, dtype=dtype)
        buffer = bytearray(self._archive.read(entry))
        # where Python puts a buffer differs from run to run; on AVX2 the last bits of
        # what a network makes of it do, too, but for PyTorch's own places
        return torch.frombuffer(buffer, dtype=dtype).clone()


def _may_hold_tensors(value: object) -> bool:
    is_unread = isinstance(value, Skipped) and value.is_tensor
    return is_unread or isinstance(value, TensorReference | dict)


def _check_sizes_of(found: TensorReference) -> None:
    """Refuse what PyTorch cannot make, before anything is multiplied."""
    sizes = [*found.shape, *found.strides, found.offset]
    is_alike = len(found.shape) == len(found.strides) <= MOST_DIMENSIONS
    if not is_alike or any(type(n) is not int or not 0 <= n < 1 << 63 for n in sizes):
        raise ValueError("a tensor of impossible shape")


def whole_object(found: Skipped, path: Path) -> str:
    """Say that a file holds an object of a program, not its weights.

    Parameters
    ----------
    found : Skipped
        The object.
    path : Path
        The file.

    Returns
    -------
    str
        For the user.
    """
    return (
        f"Expected the weights of a SAM network, but {path} holds an object of the "
        f"class {found.what!r}, which only the program that wrote it can open. Ask "
        "for its state dict, saved on its own."
    )


def check_depth(depth: int, path: Path) -> None:
    """Raise if tensors lie too deep in dictionaries.

    Parameters
    ----------
    depth : int
        Dictionaries, one in the other.
    path : Path
        The file they are in.

    Raises
    ------
    CheckpointError
        If there are more than files of networks have.
    """
    if depth > _MOST_NESTED:
        raise CheckpointError(
            f"Expected the weights of a network in {path}, but its dictionaries lie "
            f"more than {_MOST_NESTED} deep in each other. Choose another file."
        )
