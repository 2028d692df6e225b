"""Read and write weight files without ever running what they contain."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pooch
import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_sam_adapter.errors import CheckpointError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from napari_sam_adapter.model.variants import ModelVariant

CACHE_VARIABLE = "NAPARI_SAM_ADAPTER_CACHE"
"""Environment variable that moves the folder of downloaded weights."""

_ZIP, _PICKLE = b"PK", b"\x80"


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file, or a PyTorch file that holds nothing but tensors.

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
            head = file.read(2)
        if head[:2] == _ZIP or head[:1] == _PICKLE:
            content = _load_tensors(path)
            if not isinstance(content, dict):
                raise CheckpointError(
                    f"Expected a dictionary of tensors in {path}, got "
                    f"{type(content).__name__}. Choose a file of model weights."
                )
            return content, {}
        with safe_open(path, framework="pt") as opened:
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            return tensors, dict(opened.metadata() or {})


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
    except _UNREADABLE as error:
        raise CheckpointError(
            f"Expected a weight file at {path}, but it is truncated or of another "
            f"format ({_first_line(error)}). Download or copy it again."
        ) from error


_UNREADABLE = (
    SafetensorError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    UnicodeDecodeError,
    zipfile.BadZipFile,
)


def _load_tensors(path: Path) -> Any:
    with warnings.catch_warnings():
        # the reader warns of files it then refuses
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


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
    partial = path.with_name(path.name + ".part")
    try:
        plain = {
            key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()
        }
        save_file(plain, partial, metadata=dict(header))
        partial.chmod(0o644)
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise OutputError(f"Cannot write {path}: {_first_line(error)}.") from error


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


def download(variant: ModelVariant) -> Path:
    """Return the path of a named model's file, fetching it at first use.

    Parameters
    ----------
    variant : ModelVariant
        A model with a URL and a checksum.

    Returns
    -------
    Path
        The file in the cache folder, checked against the checksum.

    Raises
    ------
    CheckpointError
        If it cannot be fetched; the message says where to put it by hand.
    """
    folder = cache_folder()
    assert variant.url is not None  # a row of the table has a file or a URL
    name = variant.url.rsplit("/", 1)[-1]
    try:
        known = None if variant.sha256 is None else f"sha256:{variant.sha256}"
        return Path(pooch.retrieve(variant.url, known, fname=name, path=folder))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"Cannot download {variant.name} from {variant.url}: "
            f"{_first_line(error)}. Without a network, put the file at {folder / name}."
        ) from error


def cache_folder() -> Path:
    """Return the folder of downloaded weights.

    Returns
    -------
    Path
        From ``NAPARI_SAM_ADAPTER_CACHE`` if set, else the user's cache folder.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("napari-sam-adapter") / "weights"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
