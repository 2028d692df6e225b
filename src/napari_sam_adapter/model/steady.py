"""Steps of a network while another program keeps a processor busy.

Threads that share a sum wait for the last of them without sleeping, and so keep the
last of them from its processor. GNU's OpenMP, which PyTorch brings along on Linux, lets
waiting threads sleep early where a process has more of its threads than there are
processors. `ExtraThreads` sees to that: disturbed steps take a fraction of the time,
undisturbed ones half as long again, and no bit changes.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_SHORTEST = 0.002
"""Seconds: shorter steps tell nothing."""
_FEWEST, _MOST = 16, 64
"""Steps with extra threads before one is tried without: at first, and at most."""
_CALM = 3
"""Undisturbed steps with extra threads in a row after which one is tried without."""
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

    def start(self, team: int, processors: int) -> None:
        """Make more of OpenMP's threads than there are processors.

        Parameters
        ----------
        team : int
            Those that this thread has.
        processors : int
            That this process may use.

        Raises
        ------
        RuntimeError
            If the system has no more threads. None is left then.
        """
        count, added = team, 1
        try:
            while count <= processors and added:
                added = self._add()
                count += added
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Let them end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _add(self) -> int:
        """Start one; return how many of OpenMP's it brought along."""
        ready, found = threading.Event(), []

        def sleep() -> None:
            try:
                team = torch.get_num_threads()  # may be another number than elsewhere
                torch.zeros(team, _PER_THREAD).add_(1)  # by all of them
                found.append(team - 1)
            finally:
                ready.set()
            self._stop.wait()

        thread = threading.Thread(target=sleep, name="openmp-extra", daemon=True)
        thread.start()
        self._threads.append(thread)
        ready.wait()
        return sum(found)


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
        self._left = 0  # steps that will have extra threads
        self._length = _FEWEST  # how many there will be next time
        self._calm = 0  # steps that were not disturbed with them, in a row
        self._is_suspicious = False  # the last step without them was disturbed

    @contextmanager
    def call(self) -> Iterator[None]:
        """Keep extra threads from step to step within; after it there are none."""
        with self._lock:
            self._calls += 1
        try:
            with self._lock:
                self._begin()
            yield
        finally:
            with self._lock:
                self._calls -= 1
                if not self._calls:
                    self._end()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Watch what is done within, a call of its own where there is none."""
        with self.call():
            had_extra, before = self._extra is not None, self._clocks()
            yield
            after = self._clocks()
            spent = Clocks(*(a - b for a, b in zip(after, before, strict=True)))
            with self._lock:
                if had_extra:
                    self._count_down(spent)
                elif spent.wall > _SHORTEST:
                    self._judge(spent)

    def _judge(self, spent: Clocks) -> None:
        """Begin where two steps were disturbed, or the one that was tried."""
        if not is_disturbed(spent, torch.get_num_threads()):
            self._is_suspicious, self._length = False, _FEWEST
        elif not self._is_suspicious:
            self._is_suspicious = True
        else:
            self._left, self._length = self._length, min(4 * self._length, _MOST)
            self._calm = 0
            self._begin()

    def _count_down(self, spent: Clocks) -> None:
        self._left = max(0, self._left - 1)
        if spent.wall > _SHORTEST:
            is_calm = not is_disturbed(spent, torch.get_num_threads())
            self._calm = self._calm + 1 if is_calm else 0
        if self._calm == _CALM:
            self._left = 0
        if not self._left:
            self._end()

    def _begin(self) -> None:
        if self._left and self._extra is None:
            extra = ExtraThreads()
            try:
                extra.start(torch.get_num_threads(), len(os.sched_getaffinity(0)))
            except RuntimeError:  # the step is as slow as it would have been
                self._left = 0
            else:
                self._extra = extra

    def _end(self) -> None:
        extra, self._extra = self._extra, None
        if extra:
            extra.stop()


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


def _watch_anew() -> None:
    global _watch
    _watch = Watch()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_watch_anew)


def steady_step(device: torch.device) -> AbstractContextManager[None]:
    """Watch a step of a network, and help the next ones where it was disturbed.

    Parameters
    ----------
    device : torch.device
        Where it is done; only on the CPU of a Linux machine something is done.

    Returns
    -------
    context manager
        Around the step. What it computes stays the same to the last bit.
    """
    return _watch.step() if _can_help(device) else nullcontext()


def steady_call(device: torch.device) -> AbstractContextManager[None]:
    """Help all that is done within, where steps were disturbed lately.

    Parameters
    ----------
    device : torch.device
        As in `steady_step`.

    Returns
    -------
    context manager
        Around several steps and what is between them.
    """
    return _watch.call() if _can_help(device) else nullcontext()


def _can_help(device: torch.device) -> bool:
    return device.type == "cpu" and torch.get_num_threads() > 1 and _has_gnu_openmp()


@cache
def _has_gnu_openmp() -> bool:
    """Tell which OpenMP this process has; others have other ways of waiting."""
    try:
        return "/libgomp" in Path("/proc/self/maps").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # not Linux
        return False
