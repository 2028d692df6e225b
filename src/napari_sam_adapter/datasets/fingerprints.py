"""Labels told apart by a few digits, so that an adapter knows what it learned from."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

DIGITS = 12


def fingerprint(labels: npt.NDArray[Any]) -> str:
    """Return what tells the labels of a plane from those of others.

    Parameters
    ----------
    labels : (H, W) array
        0 for background. How objects are numbered, and how the image was brought to 8
        bits, makes no difference.

    Returns
    -------
    str
        Hexadecimal digits.
    """
    found = sha256(repr(labels.shape).encode())
    across, along = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    for flags in (labels > 0, across, along):
        found.update(np.packbits(flags).tobytes())
    return found.hexdigest()[:DIGITS]


def fingerprints(labels: npt.NDArray[Any]) -> Iterator[str]:
    """Yield that of a picture, or those of all planes of volumes along each axis.

    Parameters
    ----------
    labels : (H, W) or (..., Z, H, W) array
        0 for background.

    Yields
    ------
    str
        Of planes with a border in them.
    """
    for plane in _planes(labels):
        if plane.size and plane.min() != plane.max():
            yield fingerprint(plane)


def _planes(labels: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    if labels.ndim == 2:
        yield labels
        return
    for first in np.ndindex(labels.shape[:-3]):
        for axis in range(3):
            yield from np.moveaxis(labels[first], axis, 0)
