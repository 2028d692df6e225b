"""Following objects in the background: one propagation at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.background import Job, JobQueue, Priority
from napari_sam_adapter.plugin.propagation_run import PropagationRun, request_of
from napari_sam_adapter.plugin.state import Message, PluginState, Progress
from napari_sam_adapter.volume.following import follow
from napari_sam_adapter.wording import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.stroke_pause import StrokePause
    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.results import PlaneResult

REPAINT_INTERVAL = 100
"""Milliseconds between two repaints, of bar and masks, while a propagation runs."""


class Propagating:
    """Starts a propagation, takes its masks over, and ends it.

    Parameters
    ----------
    state : PluginState
        Receives progress and messages.
    queue : JobQueue
        Where it runs.
    pause : StrokePause
        Puts off what would write under a stroke.
    on_commit : callable
        Told about a workspace whose masks changed.
    report : callable
        Told about an error of this package.
    """

    def __init__(
        self,
        state: PluginState,
        queue: JobQueue,
        pause: StrokePause,
        on_commit: Callable[[Workspace], None],
        report: Callable[[SamAdapterError], None],
    ) -> None:
        self._state = state
        self._queue = queue
        self._pause = pause
        self._on_commit = on_commit
        self._report = report
        self._run: PropagationRun | None = None
        self._unpainted: Workspace | None = None
        self._repaint_timer = QTimer()
        self._repaint_timer.setSingleShot(True)
        self._repaint_timer.setInterval(REPAINT_INTERVAL)
        self._repaint_timer.timeout.connect(self._repaint)

    @property
    def workspace(self) -> Workspace | None:
        """Whose objects are followed now."""
        return None if self._run is None else self._run.workspace

    def start(self, workspace: Workspace) -> None:
        """Follow what the user chose.

        Parameters
        ----------
        workspace : Workspace
            Whose objects; the network is there.

        Raises
        ------
        SessionError
            If there is nothing to begin with.
        PlaneError
            If axis and range do not fit the plane in view.
        """
        request = request_of(workspace, self._state.follow)
        self._run = run = PropagationRun(workspace, request)
        self._state.progress = run.progress
        objects = numbered("object", request.object_ids)
        self._state.message = Message(f"Following {objects} ...")
        self._queue.submit(
            Job(
                owner=workspace,
                key="propagation",
                priority=Priority.PROPAGATION,
                steps=follow(request),
                on_result=partial(self._on_followed, run),
                on_error=self._report,
                on_end=partial(self._on_end, run),
            )
        )

    def stop(self) -> None:
        """Stop it; what it has done so far stays and is one undo step."""
        if self._run is not None:
            self._run.is_stopped = self._queue.has(Priority.PROPAGATION)
        self._queue.cancel(lambda job: job.priority is Priority.PROPAGATION)
        self.finish()

    def finish(self) -> None:
        """Declare that nothing more comes of it, and say what came."""
        if self._run is None:
            return
        run, self._run = self._run, None
        run.workspace.session.finish_propagation(run.request)
        self._state.progress = Progress()
        if run.is_stopped or not self._state.message.is_error:
            self._state.message = Message(run.summary)
        run.workspace.repaint()
        self._on_commit(run.workspace)

    def close(self) -> None:
        """Finish for good; the queue is closed."""
        self.finish()
        self._unpainted = None

    def _on_end(self, run: PropagationRun) -> None:
        self._pause.when_still(run.workspace, partial(self._finish, run))

    def _finish(self, run: PropagationRun) -> None:
        if run is self._run:  # else it was stopped, and another one may have begun
            self.finish()

    def _on_followed(self, run: PropagationRun, result: PlaneResult | None) -> None:
        if result is not None:
            commit = partial(self._commit, run, result)
            self._pause.when_still(run.workspace, commit)

    def _commit(self, run: PropagationRun, result: PlaneResult) -> None:
        changes = run.workspace.session.commit(result)
        run.count(result, changes)
        if run.workspace.is_seen(changes):
            self._unpainted = run.workspace
        if not self._repaint_timer.isActive():
            self._repaint_timer.start()

    def _repaint(self) -> None:
        if self._run is not None:
            self._state.progress = self._run.progress
        if self._unpainted is not None:
            self._unpainted.repaint()
            self._unpainted = None
