"""Memory that is used again: fresh pages can cost more than the sums in them."""

from __future__ import annotations

import torch
from torch import Tensor


class Spare:
    """Tensors for what is not needed for long; for one thread at a time.

    Notes
    -----
    The C library gives freed memory back to the system as soon as there is much of it,
    and every page has to be cleared when it is asked for again.
    """

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}

    def tensor(self, name: str, like: Tensor) -> Tensor:
        """Return a tensor that holds anything, until the name is asked for again.

        Parameters
        ----------
        name : str
            What it is for.
        like : tensor
            Tells shape, number format and device.

        Returns
        -------
        tensor
            The same one each time, as long as `like` stays alike.
        """
        found = self._tensors.get(name)
        asked = like.shape, like.dtype, like.device
        if found is None or (found.shape, found.dtype, found.device) != asked:
            found = self._tensors[name] = _empty(like, *like.shape)
        return found

    def rows(self, name: str, like: Tensor, count: int, width: int) -> Tensor:
        """Return rows that hold anything, until the name is asked for again.

        Parameters
        ----------
        name : str
            What they are for.
        like : tensor
            Tells number format and device.
        count, width : int
            How many rows, and their length.

        Returns
        -------
        (count, width) tensor
            Of the same memory, as long as no more are asked for.
        """
        found = self._tensors.get(name)
        asked = width, like.dtype, like.device
        if (
            found is None
            or len(found) < count
            or (found.shape[1], found.dtype, found.device) != asked
        ):
            found = self._tensors[name] = _empty(like, count, width)
        return found[:count]


def _empty(like: Tensor, *shape: int) -> Tensor:
    with torch.inference_mode(False):  # may be written to in any mode
        return torch.empty(shape, dtype=like.dtype, device=like.device)
