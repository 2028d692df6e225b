"""Read and write weight files without ever running what they contain."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import secrets
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.model.files.tensor_archive import read_archive
from napari_sam_adapter.model.memory import tells_of_memory
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_LENGTH_BYTES = 8
"""At the start of a safetensors file: the length of its header."""
_IN_ITS_PLACE = {
    b"<": (
        "a web page",
        "Open the address in a browser, confirm what is asked, and save the file.",
    ),
    b"version": (
        "a pointer of Git LFS",
        "Fetch the file itself: git lfs pull, or the site's own download.",
    ),
}
"""What a download by hand may leave, by its first bytes, and what to do."""


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file, or the tensors of a PyTorch file.

    Parameters
    ----------
    path : Path
        The file. Its content, not its name, tells the format.

    Returns
    -------
    content : dict
        Tensors by key; a PyTorch file may wrap them in further dictionaries.
    header : dict of str to str
        The safetensors header; empty for PyTorch files.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, or would run code when unpickled.
    """
    with _reading(path):
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(_ZIP):
            return read_archive(path), {}
        # the length of a safetensors header may begin with the same byte
        if head.startswith(_PICKLE) and not _tells_length(head, path):
            return _load_old_file(path), {}
        _check_header(head, path)
        with safe_open(path, framework="pt") as opened:
            keys = opened.keys()
            tensors = {key: _in_memory(opened.get_tensor(key)) for key in keys}
            return tensors, dict(opened.metadata() or {})


def _in_memory(tensor: Tensor) -> Tensor:
    """Copy what would stay a part of the file, which others may overwrite."""
    # other formats are converted, and so copied, before a network has them
    is_converted = tensor.is_floating_point() and tensor.dtype != torch.float32
    return tensor if is_converted else tensor.clone()


def read_header(path: Path) -> dict[str, str]:
    """Read the header of a safetensors file, without its tensors.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to str
        What the file says of itself.

    Raises
    ------
    CheckpointError
        If the file is missing or no safetensors file.
    """
    with _reading(path), safe_open(path, framework="pt") as opened:
        return dict(opened.metadata() or {})


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn everything that can go wrong with a file into one error."""
    try:
        _check_kind(path)
        yield
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"Expected only tensors in {path}, but it holds Python objects or is "
            "broken. It was not opened, because such files can run code. Ask for a "
            "safetensors file, or for a state dict saved on its own."
        ) from error
    except FileNotFoundError as error:
        raise CheckpointError(
            f"Expected a weight file at {path}, found none. Check the path."
        ) from error
    except PermissionError as error:
        raise CheckpointError(
            f"Expected to read {path}, but this user has no permission to. Change the "
            "permissions of the file, or of the folders above it."
        ) from error
    except (*_WORDLESS, *_UNREADABLE) as error:
        raise _problem(path, error) from error


def _check_kind(path: Path) -> None:
    """Refuse what cannot be read to its end; a named pipe would be waited for."""
    if path.is_dir():
        raise CheckpointError(
            f"Expected a weight file, but {path} is a folder. Give the file in it."
        )
    if path.exists() and not path.is_file():
        raise CheckpointError(
            f"Expected a weight file, but {path} is a pipe or a device. Write its "
            "content to a file, and give that."
        )
    path.open("rb").close()  # safetensors calls all that it cannot open missing


def too_large(path: Path) -> str:
    """Say that there is too little memory.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        For the user.
    """
    return (
        f"Expected enough memory for the weights in {path}, but there is too little. "
        "Close other programs, or choose a smaller model."
    )


def _problem(path: Path, error: Exception) -> CheckpointError:
    if tells_of_memory(error):
        return CheckpointError(too_large(path))
    reason = "" if isinstance(error, _WORDLESS) else f" ({_first_line(error)})"
    return CheckpointError(
        f"Expected a weight file at {path}, but it is truncated or of another "
        f"format{reason}. Download or copy it again."
    )


_WORDLESS = (
    EOFError,
    TypeError,
    AttributeError,
    LookupError,
    UnicodeDecodeError,
    MemoryError,
    OverflowError,
    struct.error,
)
"""What says nothing to those who do not program."""
_UNREADABLE = (
    SafetensorError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
)


def _load_old_file(path: Path) -> dict[str, Any]:
    """Read a file of PyTorch before 1.6, which was no archive yet."""
    with without_warnings():  # about files that are refused then
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"Expected a dictionary of tensors in {path}, got "
            f"{type(content).__name__}. Choose a file of model weights."
        )
    return content


def _check_header(head: bytes, path: Path) -> None:
    """Refuse a safetensors header that is longer than the file."""
    if _tells_length(head, path):
        return
    for beginning, (what, advice) in _IN_ITS_PLACE.items():
        if head.lstrip().startswith(beginning):
            raise CheckpointError(
                f"Expected a weight file at {path}, got {what}. {advice}"
            )
    raise ValueError("no header of a safetensors file")


def _tells_length(head: bytes, path: Path) -> bool:
    """Whether a file begins with the length of a header that it can hold."""
    length = int.from_bytes(head, "little")
    return len(head) == _LENGTH_BYTES and length <= path.stat().st_size


def write_weights(
    path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]
) -> None:
    """Write a safetensors file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; replaced if it exists.
    tensors : mapping of str to Tensor
        What to write, in the dtype to be stored.
    header : mapping of str to str
        What the file says of itself.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    plain = _each_of_its_own(tensors)
    with whole_file(path) as partial:
        save_file(plain, partial, metadata=dict(header))
        partial.chmod(0o644)


def _each_of_its_own(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors that share their numbers, for which the format has no word."""
    plain: dict[str, Tensor] = {}
    places = set()
    for key, value in tensors.items():
        numbers = value.detach().cpu().contiguous()
        place = numbers.untyped_storage().data_ptr()
        plain[key] = numbers.clone() if place in places else numbers
        places.add(place)
    return plain


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a hidden name to write tensors to, and rename the file if all went well.

    Parameters
    ----------
    path : Path
        The file; replaced if it exists.

    Yields
    ------
    Path
        Where to write by PyTorch or safetensors: in the same folder.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is untouched.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException as error:  # Ctrl+C, too
        with contextlib.suppress(OSError):
            partial.unlink()
        if not isinstance(error, OSError | RuntimeError | SafetensorError):
            raise
        raise OutputError(
            f"Expected to write {path}, got: {_first_line(error)}. What was there "
            "before is kept. Free some space, or choose another folder."
        ) from error


def file_hash(path: Path) -> str:
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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
