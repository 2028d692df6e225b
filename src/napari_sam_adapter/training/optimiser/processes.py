"""One training on several processes: started by torchrun, joined by gradients."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_sam_adapter.inference.network.fastest import choose_way


@dataclass(frozen=True)
class Processes:
    """Where a process stands among those of a training.

    Parameters
    ----------
    rank, world : int
        Number of the process, and of all.
    device : torch.device
        Where it computes.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether it validates and writes."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are averaged over all processes."""
        if self.world == 1:
            return module
        # steps with and without prompts use different parts of the decoder
        return DistributedDataParallel(module, find_unused_parameters=True)

    def without_sync(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Return a context in which gradients stay here."""
        if isinstance(module, DistributedDataParallel):
            context: AbstractContextManager[Any] = module.no_sync()
            return context
        return nullcontext()

    def agree(self, value: int) -> int:
        """Return what the first process says.

        Parameters
        ----------
        value : int
            Only that of the first process counts.

        Returns
        -------
        int
            The same everywhere.
        """
        if self.world == 1:
            return value
        told = torch.tensor(value, device=self.device)
        distributed.broadcast(told, 0)
        return int(told)

    def leave(self) -> None:
        """End the connection to the others."""
        if self.world > 1:
            distributed.barrier()  # one that is gone first takes the others down
            distributed.destroy_process_group()


def join_processes(device: str) -> Processes:
    """Join the other processes if torchrun started this one, else be alone.

    Parameters
    ----------
    device : str
        ``"auto"`` or a device; with several GPUs each process takes its own.

    Returns
    -------
    Processes
        This one.

    Raises
    ------
    DeviceError
        If the device is not there.
    """
    chosen = choose_way(device, "float32").device
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes(0, 1, torch.device(chosen))
    if chosen == "cuda":
        chosen = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(chosen)
    backend = "nccl" if chosen.startswith("cuda") else "gloo"
    if not distributed.is_initialized():
        distributed.init_process_group(backend)
    return Processes(distributed.get_rank(), world, torch.device(chosen))
