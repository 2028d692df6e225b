"""Which number format the image encoder uses: asked for, or the faster one."""

from __future__ import annotations

import logging
import time
from functools import cache, partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.model.families import SMALL
from napari_sam_adapter.model.image_encoder import Block

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.model.checkpoints import Checkpoint

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
WORTH_IT = 1.5
"""Half precision is chosen when it encodes this many times faster."""
_WIDTH, _WINDOW, _FEW = 768, 14, 64
"""A block of vit_b on one window; tokens of a first, short look."""
_log = logging.getLogger(__name__)


def choose_format(asked: str, device: str, checkpoint: Checkpoint) -> torch.dtype:
    """Return the number format of the image encoder.

    Parameters
    ----------
    asked : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``.
    device : str
        A device of this machine.
    checkpoint : Checkpoint
        The network; the small model of this project gains nothing by half precision.

    Returns
    -------
    torch.dtype
        For ``"auto"`` what is faster by measurement; sums and norms stay in float32.

    Raises
    ------
    DeviceError
        If the format is unknown, or the device does not have it.
    """
    if asked == "auto":
        is_fast = checkpoint.family != SMALL and half_precision_pays(device)
        chosen = torch.bfloat16 if is_fast else torch.float32
        _log.info("Encoding in %s on %s, chosen by measurement.", chosen, device)
        return chosen
    if asked not in FORMATS:
        names = ", ".join(("auto", *FORMATS))
        raise DeviceError(f"Expected a number format among {names}, got {asked!r}.")
    if asked == "bfloat16" and not _has_bfloat16(device):
        raise DeviceError(
            f"Expected a device that has bfloat16, got {device!r}, which has not. "
            'Use the number format "float32" or "auto".'
        )
    return FORMATS[asked]


@cache
def half_precision_pays(device: str) -> bool:
    """Measure once whether a transformer block is worth running in bfloat16.

    Parameters
    ----------
    device : str
        A device of this machine.

    Returns
    -------
    bool
        True if it is at least 1.5 times faster than in float32. That a processor knows
        the format says nothing: some are slower with it. Takes some 0.2 seconds.
    """
    if not _has_bfloat16(device):
        return False
    # emulated, it can be a thousand times slower: a whole block would take minutes
    tokens = torch.zeros(_FEW, _WIDTH, device=device)
    product = partial(F.linear, tokens, tokens.new_zeros(_WIDTH, _WIDTH))
    if not _is_faster(product, device, 1.0):
        return False
    block = Block(_WIDTH, _WIDTH // 64, 4 * _WIDTH, _WINDOW, _WINDOW).to(device).eval()
    window = torch.zeros(1, _WINDOW, _WINDOW, _WIDTH, device=device)
    return _is_faster(partial(block, window), device, WORTH_IT)


@torch.inference_mode()
def _is_faster(compute: Callable[[], torch.Tensor], device: str, factor: float) -> bool:
    """Tell whether bfloat16 is so many times faster."""
    return _seconds(compute, device, torch.float32) > factor * _seconds(
        compute, device, torch.bfloat16
    )


def _has_bfloat16(device: str) -> bool:
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16):
            one = torch.ones(1, 1, device=device)
            return (one @ one).dtype == torch.bfloat16
    except RuntimeError:
        return False


def _seconds(
    compute: Callable[[], torch.Tensor], device: str, dtype: torch.dtype
) -> float:
    """Return the shorter time of two runs after a first one."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        with torch.autocast(
            torch.device(device).type, dtype, enabled=dtype != torch.float32
        ):
            compute().sum().item()  # waits for the device
        times.append(time.perf_counter() - started)
    return min(times[1:])
