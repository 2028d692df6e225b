"""Random numbers of torch that leave those of the caller alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def own_randomness(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw from a seed; afterwards the caller's numbers go on as if nothing was drawn.

    Parameters
    ----------
    seed : int
        For torch, on all devices.
    device : torch.device or None
        On which numbers are drawn beside the CPU.

    Yields
    ------
    None
        Nothing else of the thread may run inside.
    """
    is_cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng([device] if is_cuda else []):
        torch.manual_seed(seed)
        yield
