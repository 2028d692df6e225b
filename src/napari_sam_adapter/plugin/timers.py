"""Timers and the end of the application."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtpy.QtCore import QTimer


def stop_for_good(*timers: QTimer) -> None:
    """Stop timers that may be gone: at exit Qt deletes them before the widget.

    Parameters
    ----------
    *timers : QTimer
        Not used any more.
    """
    for timer in timers:
        with contextlib.suppress(RuntimeError):
            timer.stop()
