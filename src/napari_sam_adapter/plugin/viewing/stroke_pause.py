"""Nothing is written into the labels while the user or long work writes there.

napari writes a stroke into the array bit by bit and tells of it at its end. A mask
that came in between would be mixed with half a stroke, and the journal could not
repeat it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.timers import stop_for_good

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.plugin.layers.workspace import Workspace

LOOK_INTERVAL = 20
"""Milliseconds between two looks at whether the stroke is over."""


class StrokePause:
    """Puts off, in order, what would write into labels under a stroke.

    So it does while work on them is under way, which would have to be finished in one
    go first.

    Parameters
    ----------
    is_busy : callable or None
        Says of a workspace whether to wait; by default as above.
    """

    def __init__(self, is_busy: Callable[[Workspace], bool] | None = None) -> None:
        self._is_busy = is_busy or _is_busy
        self._waiting: deque[tuple[Workspace, Callable[[], None]]] = deque()
        self._timer = QTimer()
        self._timer.setInterval(LOOK_INTERVAL)
        self._timer.timeout.connect(self._look)

    @property
    def is_waiting(self) -> bool:
        """Whether something was put off."""
        return bool(self._waiting)

    def when_still(self, workspace: Workspace, action: Callable[[], None]) -> None:
        """Do something now, or when no stroke and no work is under way any more.

        Parameters
        ----------
        workspace : Workspace
            Whose labels it writes.
        action : callable
            What to do.
        """
        if self._waiting or self._is_busy(workspace):
            self._waiting.append((workspace, action))
            self._timer.start()
        else:
            action()

    def forget(self, workspace: Workspace | None = None) -> None:
        """Drop what was put off.

        Parameters
        ----------
        workspace : Workspace or None
            Whose labels it would have written; by default any.
        """
        kept = () if workspace is None else self._waiting
        others = [waiting for waiting in kept if waiting[0] is not workspace]
        self._waiting = deque(others)
        if not others:
            stop_for_good(self._timer)

    def close(self) -> None:
        """Drop what was put off, for good."""
        self._waiting.clear()
        stop_for_good(self._timer)

    def _look(self) -> None:
        while self._waiting and not self._is_busy(self._waiting[0][0]):
            _, action = self._waiting.popleft()
            action()
        if not self._waiting:
            self._timer.stop()


def _is_busy(workspace: Workspace) -> bool:
    return workspace.layers.is_painting or workspace.session.under_way.is_busy
