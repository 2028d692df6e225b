"""Long work on the labels on the main thread, a moment at a time."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.stroke_pause import LOOK_INTERVAL
from napari_sam_adapter.plugin.timers import stop_for_good

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.plugin.workspace import Workspace

PASS = 0.015
"""Seconds after which the window gets its turn."""


class _Work(NamedTuple):
    """Steps for a workspace until there are no more, and what is done then."""

    workspace: Workspace
    step: Callable[[], bool]
    on_end: Callable[[], None]


class Passes:
    """Does work step by step, lets the window answer in between, and spares strokes."""

    def __init__(self) -> None:
        self._works: deque[_Work] = deque()
        self._timer = QTimer()
        self._timer.timeout.connect(self._do_some)

    def run(
        self,
        workspace: Workspace,
        step: Callable[[], bool],
        on_end: Callable[[], None],
        later: bool = False,
    ) -> None:
        """Do a piece of work after those that are not done yet.

        Parameters
        ----------
        workspace : Workspace
            Whose labels it writes; nothing is done while the user draws in them.
        step : callable
            Does a little; returns whether there is more.
        on_end : callable
            Called after the last step.
        later : bool
            Whether the window gets its turn before the first pass.
        """
        self._works.append(_Work(workspace, step, on_end))
        self._timer.start(0)
        if not later:
            self._do_some()

    def close(self) -> None:
        """Forget what is not done yet."""
        self._works.clear()
        stop_for_good(self._timer)

    def _do_some(self) -> None:
        until = time.monotonic() + PASS
        while self._works and time.monotonic() < until:
            work = self._works[0]
            if work.workspace.layers.is_painting:
                self._timer.setInterval(LOOK_INTERVAL)
                return
            if not work.step():
                self._works.popleft()
                work.on_end()
        self._timer.setInterval(0)
        if not self._works:
            self._timer.stop()
