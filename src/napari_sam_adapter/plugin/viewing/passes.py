"""Long work on the labels on the main thread, a moment at a time."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import ignore
from napari_sam_adapter.plugin.reporting import Feature
from napari_sam_adapter.plugin.session_view import show_session
from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.plugin.viewing.stroke_pause import LOOK_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.session.session import Session

PASS = 0.01
"""Seconds after which the window gets its turn."""

TURN = 1
"""Milliseconds until the next pass: with 0, Qt may do several of them in one turn."""


class _Work(NamedTuple):
    """What is under way in a session, and what is done after it."""

    workspace: Workspace
    session: Session
    on_end: Callable[[], None]


class Passes(Feature):
    """Does work on sessions part by part, and lets the window answer in between.

    Nothing is written under a stroke. Whatever edit comes finishes the work first.

    Parameters
    ----------
    controller : Controller
        Whose images are worked on.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._works: deque[_Work] = deque()
        self._begun: list[Workspace] = []
        self._timer = QTimer()
        self._timer.timeout.connect(self._on_turn)
        controller.closed.connect(self._close)

    def do(
        self,
        workspace: Workspace,
        work: Iterator[object],
        on_begun: Callable[[], None] = ignore,
        on_end: Callable[[], None] = ignore,
        shows_at_once: bool = True,
    ) -> None:
        """Do a piece of work on the session of a workspace, and show it.

        Parameters
        ----------
        workspace : Workspace
            Whose labels it writes.
        work : iterator
            Does one part with each step, the first one at once.
        on_begun : callable
            Called after the first part: objects and prompts are as they will be.
        on_end : callable
            Called after the last one, unless the image is gone or has another session.
        shows_at_once : bool
            Whether what the first part did is shown with it, or in a turn of its own,
            as it is in any case if other work had to be finished before.

        Raises
        ------
        SamAdapterError
            As the first part.
        """
        session = workspace.session
        has_taken_time = self._end_early(session)
        try:
            session.under_way.begin(work)
        except SamAdapterError:
            self._show(workspace)  # what ended early
            raise
        on_begun()
        self._works.append(_Work(workspace, session, on_end))
        if session.under_way.is_busy:
            if shows_at_once and not has_taken_time:
                self._show(workspace)
            else:
                self._show_what_can_be_pressed(workspace)
                self._begun.append(workspace)
            self._timer.start(TURN)
        else:
            self._end(self._works.pop())

    def go_on(self) -> None:
        """Do as much as fits into one pass, and show it if that was all."""
        self._do_a_pass()
        if self._has_ended:
            self._end(self._works.popleft())

    def _on_turn(self) -> None:
        """Show what was begun or has ended, or go on: each is enough for one turn."""
        if self._begun:
            self._show(self._begun.pop())
        elif self._has_ended:
            self._end(self._works.popleft())
        else:
            self._do_a_pass()

    @property
    def _has_ended(self) -> bool:
        if not self._works or self._works[0].workspace.layers.is_painting:
            return False
        return not self._works[0].session.under_way.is_busy

    def _do_a_pass(self) -> None:
        until = time.monotonic() + PASS
        while self._works:
            work = self._works[0]
            if work.workspace.layers.is_painting:
                self._timer.setInterval(LOOK_INTERVAL)
                return
            if not self._is_more(work.session) or time.monotonic() >= until:
                break
        self._timer.setInterval(TURN)
        if not self._works:
            self._timer.stop()

    def _is_more(self, session: Session) -> bool:
        try:
            return session.under_way.go_on()
        except SamAdapterError as error:
            self.report(error)
            return False

    def _end_early(self, session: Session) -> bool:
        """Finish what is under way, if anything is; what comes shows it, too."""
        session.under_way.finish()
        ended = [work for work in self._works if work.session is session]
        for work in ended:
            self._works.remove(work)
            if self._is_wanted(work):
                work.on_end()
        return bool(ended)

    def _end(self, work: _Work) -> None:
        if self._is_wanted(work):
            self._show(work.workspace)
            work.on_end()

    def _is_wanted(self, work: _Work) -> bool:
        is_there = work.workspace in self._controller.workspaces
        return is_there and work.workspace.session is work.session

    def _show(self, workspace: Workspace) -> None:
        workspace.repaint()
        if workspace is self._controller.workspace:
            self._controller.update()

    def _show_what_can_be_pressed(self, workspace: Workspace) -> None:
        if workspace is self._controller.workspace:
            show_session(self._controller.state, workspace)

    def _close(self) -> None:
        self._works.clear()
        self._begun.clear()
        stop_for_good(self._timer)
