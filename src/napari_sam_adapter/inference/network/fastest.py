"""Device and number format of the encoder: asked for, or the fastest by measure."""

from __future__ import annotations

import logging
import math
import time
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.inference.network.full_precision import full_precision
from napari_sam_adapter.model.encoder.image_encoder import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
EXACT = ("float32",)
WORTH_IT = 1.5
"""Half precision is chosen when it encodes this many times faster."""
_WIDTH, _WINDOW, _FEW = 768, 14, 64
"""A block of vit_b and its windows; tokens of a first, short look."""
_HOPELESS = 3
"""Times slower in the first look that nothing more is measured."""
_ROW = 5
"""Windows in a row of an image; a processor looks at one row, and a GPU, which would
wait for orders most of the time, at the whole image."""
_log = logging.getLogger(__name__)


class Way(NamedTuple):
    """A device and the number format of the image encoder on it.

    Parameters
    ----------
    device : str
        Name of a PyTorch device.
    dtype : str
        Key of `FORMATS`.
    """

    device: str
    dtype: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.device} in {self.dtype}"


def choose_way(device: str, dtype: str, formats: Sequence[str] = tuple(FORMATS)) -> Way:
    """Return where and in which number format to compute.

    Parameters
    ----------
    device : str
        ``"auto"``, or the name of a PyTorch device.
    dtype : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``.
    formats : sequence of str
        What ``"auto"`` may take; networks that gain nothing by half precision leave it
        out.

    Returns
    -------
    Way
        For ``"auto"`` the fastest by a measurement, which is made once per process and
        takes some tenths of a second; the log tells the times.

    Raises
    ------
    DeviceError
        If this machine does not have the device or the format.
    """
    devices = present_devices() if device == "auto" else (checked_device(device),)
    if dtype != "auto":
        formats = (_checked_format(dtype),)
    ways = [Way(d, f) for d in devices for f in formats if _has(d, f)]
    if not ways:
        raise DeviceError(
            f"Expected a device that has {dtype}, but {device!r} has not. "
            'Use the number format "float32" or "auto".'
        )
    if len(ways) == 1:
        return ways[0]
    times = {way: block_seconds(way) for way in ways}
    chosen = fastest(times)
    told = ", ".join(f"{1000 * t:.1f} ms on {way}" for way, t in times.items())
    _log.info("Computing on %s. A block of vit_b took %s.", chosen, told)
    return chosen


def fastest(seconds: Mapping[Way, float]) -> Way:
    """Choose by measured times.

    Parameters
    ----------
    seconds : mapping of Way to float
        Infinite for what failed; at least one.

    Returns
    -------
    Way
        The device that is fastest, the first of equal ones; in half precision only
        where that is at least 1.5 times faster than float32 on the same device.
    """

    def worth(way: Way) -> float:
        taken = seconds[way]
        if way.dtype in EXACT:
            return taken
        exact = (seconds[w] for w in seconds if w.device == way.device and w != way)
        pays = taken * WORTH_IT < min(exact, default=math.inf)
        return taken if pays else math.inf

    return min(seconds, key=worth)


def present_devices() -> tuple[str, ...]:
    """Return the kinds of devices that this machine has, the CPU last.

    Returns
    -------
    tuple of str
        From ``"cuda"``, ``"mps"`` and ``"cpu"``.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    return tuple(name for name, is_there in there.items() if is_there)


def checked_device(device: str) -> str:
    """Return a device if this machine has it.

    Parameters
    ----------
    device : str
        Name of a PyTorch device.

    Returns
    -------
    str
        The same.

    Raises
    ------
    DeviceError
        If it cannot compute.
    """
    try:
        torch.zeros(1, device=device).item()  # "meta" has no numbers
    except (RuntimeError, AssertionError, ImportError) as error:  # of a kind's module
        raise DeviceError(
            f"Expected a device of this machine, got {device!r}. "
            'Use "auto", or "cpu", which always works.'
        ) from error
    return device


@cache
def block_seconds(way: Way) -> float:
    """Measure once how long a transformer block takes.

    Parameters
    ----------
    way : Way
        Of this machine.

    Returns
    -------
    float
        Seconds; infinite if the device cannot do it. That a processor knows a format
        says nothing: some are slower with it.
    """
    try:
        return _measure(way)
    except (RuntimeError, NotImplementedError) as error:
        _log.warning("Not computing on %s: %s", way, str(error).splitlines()[0])
        return math.inf


@torch.inference_mode()
def _measure(way: Way) -> float:
    is_gpu = torch.device(way.device).type == "cuda"
    # emulated, half precision is many times slower: a block would take seconds
    if way.dtype not in EXACT and not is_gpu:
        few = torch.zeros(_FEW, _WIDTH, device=way.device)
        product = partial(F.linear, few, few.new_zeros(_WIDTH, _WIDTH))
        exact = Way(way.device, EXACT[0])
        if _seconds(product, way) > _HOPELESS * _seconds(product, exact):
            return math.inf
    block = Block(_WIDTH, _WIDTH // 64, 4 * _WIDTH, _WINDOW, _WINDOW)
    side = _WINDOW * _ROW
    tokens = torch.zeros(1, side if is_gpu else _WINDOW, side, _WIDTH)
    tokens = tokens.to(way.device)
    with full_precision(tokens.device):
        return _seconds(partial(block.to(way.device).eval(), tokens), way)


def _seconds(compute: Callable[[], torch.Tensor], way: Way) -> float:
    """Return the shorter time of two runs after a first one."""
    kind, dtype = torch.device(way.device).type, FORMATS[way.dtype]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        with torch.autocast(kind, dtype, enabled=dtype != torch.float32):
            compute().sum().item()  # waits for the device
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _checked_format(dtype: str) -> str:
    if dtype not in FORMATS:
        names = ", ".join(("auto", *FORMATS))
        raise DeviceError(
            f"Expected a number format among {names}, got {dtype!r}. Choose bfloat16 "
            "for half precision, float32 for full, or auto for the faster of both."
        )
    return dtype


def _has(device: str, dtype: str) -> bool:
    if dtype in EXACT:
        return True
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16):
            one = torch.ones(1, 1, device=device)
            return (one @ one).dtype == torch.bfloat16
    except RuntimeError:
        return False
