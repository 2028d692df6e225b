"""Ctrl-C waits where half of the work would be worse than none."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTS = signal.SIGINT, signal.SIGTERM


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait for the end of what is done inside.

    Ctrl-C, and SIGTERM where it does the same, as in the shell.

    Yields
    ------
    None
        Other threads than the main one are never interrupted.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        known = {number: signal.getsignal(number) for number in INTERRUPTS}
        handlers = {n: handler for n, handler in known.items() if callable(handler)}
    waiting: list[tuple[Any, ...]] = []
    for number in handlers:
        signal.signal(number, lambda *call: waiting.append(call))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            handlers[waiting[0][0]](*waiting[0])
