"""Steps of a network while another program keeps a processor busy.

Threads that share a sum wait for the last of them without sleeping, and so keep the
last of them from its processor: with one of two taken a step takes five to ten times as
long. GNU's OpenMP, which PyTorch uses on Linux, lets waiting threads sleep early where
a process has more of its threads than processors. `ExtraThreads` sees to that.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor

_SHORTEST = 0.002
"""Seconds: shorter steps tell nothing."""
_FEWEST, _MOST = 16, 256
"""Steps before it is tried without extra threads: at first, and after many times."""
_PER_THREAD = 2**16
"""Numbers that PyTorch certainly gives a thread of its own."""


class Clocks(NamedTuple):
    """Seconds since whenever.

    Attributes
    ----------
    wall : float
        That passed.
    own : float
        In which this thread had a processor.
    process : float
        In which threads of this process had one, all added.
    """

    wall: float
    own: float
    process: float


def read_clocks() -> Clocks:
    """Read them."""
    return Clocks(time.perf_counter(), time.thread_time(), time.process_time())


class ExtraThreads:
    """Sleeping threads, each with threads of OpenMP, until they are stopped."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Make more of OpenMP's threads than there are processors."""
        team, processors = torch.get_num_threads(), len(os.sched_getaffinity(0))
        for _ in range((processors - team) // (team - 1) + 1):
            ready = threading.Event()
            thread = threading.Thread(
                target=self._sleep, args=(ready,), name="extra", daemon=True
            )
            thread.start()
            ready.wait()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let them end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _sleep(self, ready: threading.Event) -> None:
        torch.zeros(torch.get_num_threads(), _PER_THREAD).add_(1)  # by all of them
        ready.set()
        self._stop.wait()


class Watch:
    """Has extra threads in calls whose steps are disturbed without.

    Parameters
    ----------
    clocks : callable
        See `read_clocks`.
    """

    def __init__(self, clocks: Callable[[], Clocks] = read_clocks) -> None:
        self._clocks = clocks
        self._lock = threading.Lock()
        self._extra: ExtraThreads | None = None
        self._calls = 0
        self._left, self._length = 0, _FEWEST

    @contextmanager
    def call(self) -> Iterator[None]:
        """Keep extra threads from step to step within; after it there are none."""
        with self._lock:
            self._calls += 1
            self._have_extra(self._left > 0)
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                self._have_extra(self._calls > 0 and self._left > 0)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Watch what is done within, a call of its own where there is none."""
        with self.call():
            had_extra, before = self._extra is not None, self._clocks()
            yield
            after = self._clocks()
            spent = Clocks(*(a - b for a, b in zip(after, before, strict=True)))
            with self._lock:
                self._judge(spent, had_extra)

    def _judge(self, spent: Clocks, had_extra: bool) -> None:
        if spent.wall < _SHORTEST or had_extra != (self._extra is not None):
            return
        if had_extra:
            self._left -= 1
        elif is_disturbed(spent, torch.get_num_threads()):
            self._left, self._length = self._length, min(4 * self._length, _MOST)
        else:
            self._length = _FEWEST
        self._have_extra(self._left > 0)

    def _have_extra(self, wanted: bool) -> None:
        if wanted and self._extra is None:
            self._extra = ExtraThreads()
            self._extra.start()
        elif self._extra and not wanted:
            self._extra.stop()
            self._extra = None


def is_disturbed(spent: Clocks, threads: int) -> bool:
    """Tell whether a step waited for processors that another program had.

    Parameters
    ----------
    spent : Clocks
        On the step.
    threads : int
        That shared it.

    Returns
    -------
    bool
        False also where it waited for other work of this process, such as a window
        that is being painted.
    """
    waited = spent.wall - spent.own
    others = spent.process - threads * spent.own
    return waited > spent.wall / 4 and others < waited / 2


_watch = Watch()


def steady_step(x: Tensor) -> AbstractContextManager[None]:
    """Watch a step of a network, and help the next ones where it was disturbed.

    Parameters
    ----------
    x : tensor
        Its input; only on the CPU of a Linux machine something is done.

    Returns
    -------
    context manager
        Around the step. What it computes stays the same to the last bit.
    """
    return _watch.step() if _can_help(x.device) else nullcontext()


def steady_call(device: torch.device) -> AbstractContextManager[None]:
    """Help all that is done within, where steps were disturbed lately.

    Parameters
    ----------
    device : torch.device
        Where it is done; as in `steady_step`.

    Returns
    -------
    context manager
        Around several steps and what is between them.
    """
    return _watch.call() if _can_help(device) else nullcontext()


def _can_help(device: torch.device) -> bool:
    is_there = sys.platform == "linux" and device.type == "cpu"
    return is_there and torch.get_num_threads() > 1
