"""Which number format is fast on this machine, found out by measuring."""

from __future__ import annotations

import time
from functools import cache

import torch

WORTH_IT = 1.5
"""Half precision is used when it is this many times faster."""
_SIDE, _ROUNDS = 768, 5


@cache
def bfloat16_pays() -> bool:
    """Measure once whether matrices multiply faster in bfloat16 on this CPU.

    Returns
    -------
    bool
        True if at least 1.5 times faster than float32. Takes some 30 ms where it is;
        processors may support the format and be slower with it.
    """
    fast = _seconds(torch.float32)
    return fast > WORTH_IT * _seconds(torch.bfloat16, give_up=fast)


def _seconds(dtype: torch.dtype, give_up: float = 1.0) -> float:
    """Return the shortest time of a few products; stop early past `give_up`."""
    left = torch.ones(_SIDE, _SIDE, dtype=dtype)
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        left @ left
        times.append(time.perf_counter() - started)
        if sum(times) > 2 * _ROUNDS * give_up:
            break
    return min(times)
