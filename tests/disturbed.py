"""A machine where another program disturbs every step; Linux only."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.model import steady

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def disturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have two processors, and clocks by which every step waits for one of them."""
    now = [0.0]

    def clocks() -> steady.Clocks:
        now[0] += 1
        return steady.Clocks(now[0], now[0] / 2, now[0])

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(steady, "_watch", steady.Watch(clocks))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_helped() -> bool:
    """Whether there are extra threads now."""
    return any(thread.name == "openmp-extra" for thread in threading.enumerate())
