"""Objects side by side: small sums in several threads, each with its own processors.

One small product divided among all processors leaves them waiting for each other most
of the time. Whole objects do not.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kit = TypeVar("Kit")
Found = TypeVar("Found")

MOST = 4
"""Threads at most: they take turns where Python itself has to work."""


def lanes_for(count: int) -> int:
    """Return how many objects to work on at a time.

    Parameters
    ----------
    count : int
        Number of objects.

    Returns
    -------
    int
        1 if PyTorch may use one processor only, or cannot share them out.
    """
    can_share = torch.backends.openmp.is_available()  # type: ignore[no-untyped-call]
    return min(count, torch.get_num_threads(), MOST) if can_share else 1


def side_by_side(
    work: Callable[[Kit, int], Found], count: int, kits: Sequence[Kit]
) -> list[Found]:
    """Do something for several objects, in as many threads as there are kits.

    Parameters
    ----------
    work : callable
        Takes a kit and the number of an object. In inference mode.
    count : int
        Number of objects.
    kits : sequence
        What a thread has for itself; one kit does all of it in this thread. So does the
        first kit with an object that would be the only one of the last round.

    Returns
    -------
    list
        For each object what `work` returned.
    """
    if len(kits) == 1:
        return [work(kits[0], number) for number in range(count)]

    is_odd = count % len(kits) == 1
    even = count - is_odd

    @torch.inference_mode()
    def go(lane: int) -> list[Found]:
        return [work(kits[lane], i) for i in range(lane, even, len(kits))]

    pool = _pool(torch.get_num_threads())
    lanes = [pool.submit(go, lane) for lane in range(len(kits))]
    try:
        wait(lanes)
    finally:  # nobody may still be at work when one of them fails, or on Ctrl+C
        wait(lanes)
    found = [lane.result() for lane in lanes]
    answers = [found[i % len(kits)][i // len(kits)] for i in range(even)]
    return [*answers, work(kits[0], even)] if is_odd else answers


@cache
def _pool(processors: int) -> ThreadPoolExecutor:
    """Return threads that share the processors which PyTorch may use."""
    count = min(processors, MOST)
    started = Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # what a thread asks first would set its number anew
        torch.set_num_threads(processors // count)
        started.wait()

    pool = ThreadPoolExecutor(count, "decoding", begin)
    try:
        for _ in range(count):
            pool.submit(int)  # begins a thread
        started.wait()
    except RuntimeError:  # the system has no more threads: those that began do not wait
        started.abort()
        raise
    finally:
        torch.set_num_threads(processors)  # else all threads to come would have as few
    return pool


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_pool.cache_clear)
