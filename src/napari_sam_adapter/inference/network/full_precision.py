"""Float32 that is float32: NVIDIA GPUs may multiply it with 10 bits of precision."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep the GPU from TF32, a shortened float32, for a while.

    Parameters
    ----------
    device : torch.device
        Where it is computed; nothing changes unless this is a CUDA device.

    Notes
    -----
    PyTorch allows TF32 in convolutions unless it is told otherwise, and a program may
    allow it in products. These are settings of the whole process, so they are put back
    once no thread needs them any more. Where a program has set them by both of
    PyTorch's ways, which contradict each other, they are left alone.
    """
    if device.type != "cuda":
        yield
        return
    _tf32.forbid()
    try:
        yield
    finally:
        _tf32.allow_again()


class _Tf32:
    """What was allowed before the first of several threads forbade it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._allowed: list[Any] = []

    def forbid(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._allowed = _allowed()
            for settings in self._allowed:
                settings.allow_tf32 = False

    def allow_again(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                for settings in self._allowed:
                    settings.allow_tf32 = True


def _allowed() -> list[Any]:
    places: tuple[Any, ...] = torch.backends.cudnn, torch.backends.cuda.matmul
    try:
        return [settings for settings in places if settings.allow_tf32]
    except RuntimeError:  # set by both ways
        return []


_tf32 = _Tf32()
