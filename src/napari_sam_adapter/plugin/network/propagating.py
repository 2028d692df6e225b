"""Following objects in the background: one propagation, or search, at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.background import WAIT, Job, JobQueue, Priority
from napari_sam_adapter.plugin.network.propagation_run import PropagationRun, request_of
from napari_sam_adapter.plugin.state import Message, PluginState, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause
    from napari_sam_adapter.volume.document.changes import Change

REPAINT_INTERVAL = 100
"""Milliseconds between two repaints, of bar and masks, while a propagation runs."""
FINISHING = "Finishing what was seen so far ... Press Stop again to leave it out."


class LongRun(Protocol):
    """What writes masks of many slices, a step of the history as a whole.

    Attributes
    ----------
    workspace : Workspace
        Whose labels.
    is_stopped : bool
        Set when it ends before its end.
    """

    workspace: Workspace
    is_stopped: bool

    @property
    def title(self) -> str:
        """What is said when it begins."""

    @property
    def progress(self) -> Progress:
        """How far it is."""

    @property
    def summary(self) -> str:
        """What came of it, in a sentence or two."""

    def steps(self) -> Iterator[Any]:
        """Do the work, on the worker thread."""

    def take(self, step: Any) -> Sequence[Change]:
        """Take over what came of a step, `WAIT` too, and return what changed."""

    def ends_soon(self) -> bool:
        """End with what it has begun, and return True; or return False."""

    def close(self) -> None:
        """Declare that nothing more comes of it."""


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
        self._run: LongRun | None = None
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
        self.begin(PropagationRun(workspace, request))

    def begin(self, run: LongRun) -> None:
        """Begin a run; one before it was stopped.

        Parameters
        ----------
        run : LongRun
            What to do.
        """
        self._run = run
        self._state.progress = run.progress
        self._state.message = Message(run.title)
        job = Job(
            owner=run.workspace,
            key="propagation",
            priority=Priority.PROPAGATION,
            steps=run.steps(),
            on_result=lambda step: self._on_step(run, job, step),
            on_error=self._report,
            on_end=partial(self._on_end, run),
        )
        self._queue.submit(job)

    def stop(self, at_once: bool = True) -> None:
        """Stop it; what it has done so far stays and is one undo step.

        Parameters
        ----------
        at_once : bool
            Whether it may not finish first what it has begun.
        """
        if not at_once and self._run is not None and self._run.ends_soon():
            self._state.message = Message(FINISHING)
            return
        if self._run is not None:
            self._run.is_stopped = self._queue.has(Priority.PROPAGATION)
        self._queue.cancel(lambda job: job.priority is Priority.PROPAGATION)
        self.finish()

    def finish(self) -> None:
        """Declare that nothing more comes of it, and say what came."""
        run = self._end()
        if run is not None:
            self._state.progress = Progress()
            if run.is_stopped or not self._state.message.is_error:
                self._state.message = Message(run.summary)
            self._on_commit(run.workspace)

    def close(self) -> None:
        """Finish for good; the queue is closed, and nobody is left to be told."""
        self._end()
        self._unpainted = None

    def _end(self) -> LongRun | None:
        run, self._run = self._run, None
        if run is not None:
            run.close()
            run.workspace.repaint()
        return run

    def _on_end(self, run: LongRun) -> None:
        self._pause.when_still(run.workspace, partial(self._finish, run))

    def _finish(self, run: LongRun) -> None:
        if run is self._run:  # else it was stopped, and another one may have begun
            self.finish()

    def _on_step(self, run: LongRun, job: Job, step: Any) -> None:
        if step is not None:
            self._pause.when_still(run.workspace, partial(self._take, run, job, step))

    def _take(self, run: LongRun, job: Job, step: Any) -> None:
        if run is not self._run:  # stopped while a stroke was drawn
            return
        if run.workspace.is_seen(run.take(step)):
            self._unpainted = run.workspace
        if not self._repaint_timer.isActive():
            self._repaint_timer.start()
        if step is WAIT:
            self._queue.wake(job)

    def _repaint(self) -> None:
        if self._run is not None:
            self._state.progress = self._run.progress
        if self._unpainted is not None:
            self._unpainted.repaint()
            self._unpainted = None
