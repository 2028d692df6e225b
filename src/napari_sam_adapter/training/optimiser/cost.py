"""What a step costs, found by taking one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import saved_tensors_hooks

from napari_sam_adapter.training.progress.progress import TrainingEstimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from napari_sam_adapter.training.recipes.config import TrainingConfig

OPTIMISER_COPIES = 3
"""Gradient and two averages of each trained number."""
QUICK = 3.0
"""Seconds below which a step is measured again."""
USABLE = 0.85
"""Share of the free GPU memory that a step may take."""


class StepCost:
    """Time and memory of one image, measured.

    Parameters
    ----------
    module : nn.Module
        The network under training.
    step : callable
        Takes forward and backward pass of one image; it is called once.
    """

    def __init__(self, module: nn.Module, step: Callable[[], None]) -> None:
        self._module, self._step = module, step
        weights = {t.untyped_storage().data_ptr() for t in module.parameters()}
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        started = time.monotonic()
        with saved_tensors_hooks(note, lambda tensor: tensor):
            step()
        self.seconds = time.monotonic() - started
        self.image_bytes = sum(kept.values())
        trained = [p for p in module.parameters() if p.requires_grad]
        self.trained = sum(p.numel() for p in trained)
        self.fixed_bytes = sum(p.nbytes for p in module.parameters())
        self.fixed_bytes += OPTIMISER_COPIES * sum(p.nbytes for p in trained)
        module.zero_grad()

    @property
    def is_doubtful(self) -> bool:
        """Whether to measure again: the first time is not typical."""
        return self.seconds < QUICK

    def measure_again(self) -> None:
        """Take the time of another step."""
        started = time.monotonic()
        self._step()
        self.seconds = time.monotonic() - started
        self._module.zero_grad()

    def fitting(self, wanted: int, device: torch.device) -> int:
        """Return how many images fit into a GPU's memory, at most those wanted."""
        if device.type != "cuda":
            return wanted
        torch.cuda.empty_cache()
        free = USABLE * torch.cuda.mem_get_info(device)[0]
        room = free - OPTIMISER_COPIES * 4 * self.trained
        return max(1, min(wanted, int(room // max(1, self.image_bytes))))

    def estimate(
        self, config: TrainingConfig, micro_batch: int, world: int
    ) -> TrainingEstimate:
        """Return what all steps will cost.

        Parameters
        ----------
        config : TrainingConfig
            Steps and batch.
        micro_batch : int
            Images in memory at once.
        world : int
            Processes that share a batch.

        Returns
        -------
        TrainingEstimate
            For one process.
        """
        seconds = self.seconds * config.steps * config.batch / world
        memory = self.fixed_bytes + micro_batch * self.image_bytes
        return TrainingEstimate(self.trained, memory, seconds)
