"""Labels to begin with: in memory, or in a file where they are large."""

from __future__ import annotations

import math
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.wording import readable_size

if TYPE_CHECKING:
    import numpy.typing as npt

DEFAULT_LABELS = np.int32
LARGEST_IN_MEMORY = 1024**3
"""Bytes of labels from which on they are kept in a file."""
LEAST_ROOM = 256 * 1024**2
"""Free bytes with which such a file is begun: a disk that is full ends the process."""


def new_labels(shape: tuple[int, ...]) -> npt.NDArray[np.integer[Any]]:
    """Return labels that are 0 everywhere.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the volume.

    Returns
    -------
    int32 array
        Above `LARGEST_IN_MEMORY` a memory map of an unnamed temporary file, which
        takes room on the disk as far as it is written, and goes with the array.

    Raises
    ------
    ImageError
        If the file cannot be made, or its disk is nearly full.
    """
    size = math.prod(shape) * np.dtype(DEFAULT_LABELS).itemsize
    if size <= LARGEST_IN_MEMORY:
        return np.zeros(shape, DEFAULT_LABELS)
    try:
        _check_room(tempfile.gettempdir())
        with tempfile.TemporaryFile(prefix="labels-") as file:
            return np.memmap(file, DEFAULT_LABELS, "w+", shape=shape)
    except (OSError, ValueError, OverflowError) as error:
        raise ImageError(
            f"Expected room for labels of an image of shape {shape}, "
            f"{readable_size(size)}, in {tempfile.gettempdir()}, got: {error}. "
            "Set TMPDIR to a folder on a larger disk, or pass labels of your own."
        ) from error


def _check_room(folder: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_ROOM:
        raise OSError(f"a disk with {readable_size(free)} left")
