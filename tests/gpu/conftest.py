"""The small model on the CPU and on a CUDA device, and less memory than there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_sam_adapter import SamPredictor, load_predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNKS = 2**24, 2**21, 2**20, 2**16, 2**9
"""Bytes that memory is filled with, the largest first."""


class Memory:
    """What PyTorch may take of the device."""

    def __init__(self) -> None:
        self._fillings: list[torch.Tensor] = []

    def needed(self, work: Callable[[], object]) -> int:
        """Return the bytes that some work takes beside what is there already."""
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - before

    def limit(self, room: int) -> None:
        """Allow so many bytes more than now."""
        torch.cuda.empty_cache()
        total = torch.cuda.mem_get_info()[1]
        share = (torch.cuda.memory_reserved() + room) / total
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))

    def fill(self) -> None:
        """Leave nothing."""
        self.limit(0)
        for size in CHUNKS:
            while self._took(size):
                pass

    def free(self) -> None:
        """Take it all back."""
        self._fillings.clear()
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()

    def _took(self, size: int) -> bool:
        try:
            self._fillings.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            return False
        return True


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory()
    yield memory
    memory.free()


@pytest.fixture(scope="session")
def cpu() -> SamPredictor:
    return load_predictor("tiny", device="cpu", dtype="float32")


@pytest.fixture
def cuda() -> SamPredictor:
    return load_predictor("tiny", device="cuda", dtype="float32")
