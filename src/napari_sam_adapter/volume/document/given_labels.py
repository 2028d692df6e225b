"""Labels that a session is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SessionError

if TYPE_CHECKING:
    import numpy.typing as npt


def check_labels(labels: npt.NDArray[np.integer[Any]], shape: tuple[int, ...]) -> None:
    """Raise unless masks can be written into an array.

    Parameters
    ----------
    labels : array
        The labels.
    shape : tuple of int
        Spatial shape of the volume.

    Raises
    ------
    SessionError
        If the array has another shape, is not of whole numbers, or is read-only.
    """
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        raise SessionError(
            "Expected labels as a NumPy array of whole numbers, got "
            f"{getattr(labels, 'dtype', type(labels).__name__)}."
        )
    if labels.shape != tuple(shape):
        raise SessionError(
            f"Expected labels of the image's shape {tuple(shape)}, got {labels.shape}."
        )
    if not labels.flags.writeable:
        raise SessionError(
            "Expected labels that can be written, got a read-only array."
        )
