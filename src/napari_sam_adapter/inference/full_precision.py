"""Float32 that is float32: NVIDIA GPUs may multiply it with 10 bits of precision."""

from __future__ import annotations

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
    allow it in products. These are settings of the whole process, so they are put back.
    Where a program has set them by both of PyTorch's ways, which contradict each other,
    they are left alone.
    """
    settings: tuple[Any, ...] = torch.backends.cudnn, torch.backends.cuda.matmul
    try:
        on_gpu = device.type == "cuda"
        changed = [s for s in settings if on_gpu and s.allow_tf32]
    except RuntimeError:
        changed = []
    for setting in changed:
        setting.allow_tf32 = False
    try:
        yield
    finally:
        for setting in changed:
            setting.allow_tf32 = True
