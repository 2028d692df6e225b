"""Warnings of other libraries about what does not matter here, not shown."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Silence:
    """Filters of warnings, which belong to all threads, changed by the first inside.

    A thread that puts them back while another has changed them would leave them
    changed for good; so the last one does, and none waits for the work of others.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._before = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.__exit__(None, None, None)

    def forget(self) -> None:
        """Begin anew in a process that was forked off, which has no other thread."""
        if self._inside:
            self._before.__exit__(None, None, None)
        self._lock, self._inside = Lock(), 0


_SILENCE = _Silence()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_SILENCE.forget)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Do not show warnings, in any thread, until all that asked for it are done.

    Yields
    ------
    None
    """
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()
