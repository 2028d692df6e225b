"""Predictions in the background: load, encode, decode, and take over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority, ignore
from napari_sam_adapter.plugin.network.announcing import ready
from napari_sam_adapter.plugin.network.outcome import told
from napari_sam_adapter.plugin.network.propagating import Propagating
from napari_sam_adapter.plugin.network.waiting_clicks import (
    Click,
    WaitingClicks,
    is_wanted,
)
from napari_sam_adapter.plugin.phases import PHASES, phase_of
from napari_sam_adapter.plugin.state import (
    Message,
    ModelChoice,
    Phase,
    PluginState,
    Progress,
)
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause
from napari_sam_adapter.plugin.viewing.travel import Travel, encode_planes
from napari_sam_adapter.volume.asking.first_look import FirstLook, compute_in_looks
from napari_sam_adapter.volume.asking.results import MaskRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.network.network_loading import Loader
    from napari_sam_adapter.plugin.network.propagating import LongRun
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.volume.asking.results import JointResult, PlaneResult
    from napari_sam_adapter.volume.planes.planes import Plane


class Segmenter:
    """Everything that needs the network, as jobs of one queue.

    Requests are made and results are taken over on the main thread. The network is
    loaded by the first job that needs it.

    Parameters
    ----------
    state : PluginState
        Receives phase, progress and messages.
    load : callable
        Makes a predictor of a `ModelChoice`; called on the worker thread.
    on_commit : callable
        Told about a workspace whose masks changed.
    report : callable
        Told about an error of this package.
    """

    asked = Signal(MaskRequest)
    """Emitted with every click that waits for its answer."""
    glimpsed = Signal(object, FirstLook)
    """Emitted with a workspace and what is seen there before the answer."""
    answered = Signal()
    """Emitted when an answer was taken over and painted, or dropped."""

    def __init__(
        self,
        state: PluginState,
        load: Loader,
        on_commit: Callable[[Workspace], None],
        report: Callable[[SamAdapterError], None],
    ) -> None:
        self._state, self._load = state, load
        self._on_commit = on_commit
        self._report = report
        self._queue = JobQueue(self._on_queue_changed)
        self._clicks = WaitingClicks()
        self._predictor: Predictor | None = None
        self._travel = Travel()
        self._wishes: dict[Hashable, tuple[Workspace, Callable[[], None]]] = {}
        self._propagate_next: Workspace | None = None
        pause = self._pause = StrokePause()
        self._propagating = Propagating(state, self._queue, pause, on_commit, report)

    @property
    def queue(self) -> JobQueue:
        """The queue of all work."""
        return self._queue

    @property
    def predictor(self) -> Predictor | None:
        """The network in memory."""
        return self._predictor

    @property
    def is_loaded(self) -> bool:
        """Whether the network that the user chose is in memory."""
        return self._predictor is not None and self._state.loaded == self._state.model

    def load(self) -> None:
        """Load the network that the user chose."""
        choice = self._state.model
        self._state.message = Message(f"Loading {choice.model} ...")
        self._queue.submit(
            Job(
                owner=self,
                key="load",
                priority=Priority.LOAD,
                steps=map(self._load, (choice,)),
                on_result=partial(self._on_loaded, choice),
                on_error=self._on_load_failed,
            )
        )

    def retry(self) -> None:
        """Ask the network that the user chose what another one could not answer."""
        if self.is_loaded:
            self._grant()
        elif any(map(is_wanted, self._wishes)) and not self._queue.has(Priority.LOAD):
            self.load()

    def ask(self, workspace: Workspace, object_id: int, plane: Plane) -> None:
        """Segment an object on a plane with its present prompts.

        Parameters
        ----------
        workspace : Workspace
            Whose session has the prompts.
        object_id : int
            The object.
        plane : Plane
            The plane.
        """
        click = Click(workspace, object_id, plane)
        self.when_loaded(click, workspace, partial(self._ask, *click))

    def prefetch(self, workspace: Workspace, plane: Plane) -> None:
        """Encode a plane and its neighbours ahead of clicks, if the network is there.

        Parameters
        ----------
        workspace : Workspace
            Whose image is in view.
        plane : Plane
            The plane in view.
        """
        if not self.is_loaded:
            return
        self._give_predictor(workspace)
        ahead = self._travel.ahead(plane, workspace.volume.shape)
        for key, priority, planes in (
            ("view", Priority.VIEW, [plane]),
            ("ahead", Priority.AHEAD, ahead),
        ):
            steps = encode_planes(workspace, planes, workspace.focus())
            self._queue.submit(Job(workspace, key, priority, steps, ignore, ignore))

    def when_loaded(
        self, key: Hashable, workspace: Workspace, start: Callable[[], None]
    ) -> None:
        """Do something with the network that the user chose, once it is there.

        Parameters
        ----------
        key : hashable
            A newer wish with the same key takes the place of an older one.
        workspace : Workspace
            Whose session gets the network first.
        start : callable
            At once if the network is there; may raise an error of this package.
        """
        if self.is_loaded:
            self._give_predictor(workspace)
            start()
            return
        self._wishes[key] = workspace, start
        if not self._queue.has(Priority.LOAD):
            self.load()

    def propagate(self, workspace: Workspace) -> None:
        """Follow the object under work through its neighbour planes.

        Waits for the answer to a click that is under way.

        Parameters
        ----------
        workspace : Workspace
            Whose object it is.
        """
        self.stop_propagation()
        self._propagate_next = workspace
        self._on_queue_changed()

    def begin(self, run: LongRun) -> None:
        """Begin what takes the place of a propagation; ask `when_loaded` before.

        Parameters
        ----------
        run : LongRun
            What to do.
        """
        self.stop_propagation()
        self._propagating.begin(run)

    def stop(self) -> None:
        """Stop the long work that began last; clicks and earlier work go on."""
        stops: dict[Priority, Callable[[], None]] = {
            Priority.PROPAGATION: partial(self._propagating.stop, at_once=False),
            Priority.ENCODING: self.stop_encoding,
            Priority.FINDING: partial(self._stop_work, Priority.FINDING),
        }
        running = [job for job in self._queue.jobs if job.priority in stops]
        if running:
            stops[max(running, key=lambda job: job.number).priority]()
        elif self._state.phase is not Phase.READY:
            self._wishes.clear()
            self._propagate_next = None
            self._stop_work(*set(Priority) - {Priority.SAVE, Priority.TRAINING})
            self._clicks.keep([job.key for job in self._queue.jobs])

    def stop_propagation(self) -> None:
        """Stop a propagation; what it has done so far stays and is one undo step."""
        self._propagate_next = None
        self._propagating.stop()

    def stop_encoding(self) -> None:
        """Stop encoding a stack ahead; what is encoded is kept."""
        if self._queue.has(Priority.ENCODING):
            self._stop_work(Priority.ENCODING)

    def _stop_work(self, *priorities: Priority) -> None:
        jobs = [job for job in self._queue.jobs if job.priority in priorities]
        self._queue.cancel(lambda job: job in jobs)
        self._state.progress = Progress()
        texts = filter(None, (job.stopped() for job in jobs))
        self._state.message = Message(next(texts, "Stopped."))

    def works_for(self, workspace: Workspace) -> bool:
        """Return whether more is under way there than a look ahead of clicks."""
        jobs = [job for job in self._queue.jobs if job.priority in PHASES]
        owners = [*(job.owner for job in jobs), *(w for w, _ in self._wishes.values())]
        is_opening = self._queue.has(Priority.OPEN)  # for any of them
        return is_opening or any(owner is workspace for owner in owners)

    def forget(self, workspace: Workspace) -> None:
        """Cancel everything for a workspace.

        Parameters
        ----------
        workspace : Workspace
            Whose layers are gone.
        """
        if workspace in (self._propagating.workspace, self._propagate_next):
            self.stop_propagation()
        jobs = self._queue.jobs
        if any(j.priority is Priority.ENCODING and j.owner is workspace for j in jobs):
            self.stop_encoding()
        wishes = self._wishes.items()
        self._wishes = {key: wish for key, wish in wishes if wish[0] is not workspace}
        self._queue.cancel(lambda job: job.owner is workspace)
        self._pause.forget(workspace)
        self._clicks.keep([job.key for job in self._queue.jobs])
        if self._state.phase in (Phase.READY, Phase.SEGMENTING):  # no bar of others
            self._state.progress = Progress()

    def close(self) -> None:
        """Cancel everything for good."""
        self._wishes.clear()
        self._propagate_next = None
        self._queue.close()
        self._pause.close()
        self._propagating.close()

    def _give_predictor(self, workspace: Workspace) -> None:
        predictor = self._predictor
        if predictor is not None and workspace.session.predictor is not predictor:
            workspace.session.predictor = predictor

    def _on_loaded(self, choice: ModelChoice, predictor: Predictor) -> None:
        self._predictor = predictor
        self._state.loaded = choice
        self._state.capabilities = predictor.capabilities
        self._state.positive |= not predictor.capabilities.negative_points
        self._state.message = Message(ready(choice.model, predictor))
        self._grant()

    def _grant(self) -> None:
        wishes, self._wishes = self._wishes, {}
        for key, wish in wishes.items():
            if is_wanted(key):
                self._attempt(partial(self.when_loaded, key, *wish))

    def _on_load_failed(self, error: SamAdapterError) -> None:
        clicks = [key for key in self._wishes if isinstance(key, Click)]
        self._wishes = {click: self._wishes[click] for click in clicks}
        self._propagate_next = None
        self._report(error)

    def _ask(self, workspace: Workspace, object_id: int, plane: Plane) -> None:
        request = workspace.session.request(object_id, plane)
        self.asked.emit(request)  # while it is known whether the plane is encoded
        self._clicks.put(request)
        self._queue.submit(
            Job(
                owner=workspace,
                key=request,
                priority=Priority.CLICK,
                steps=self._clicks.answers(request, compute_in_looks),
                on_result=partial(self._take_over, workspace),
                on_error=self._report,
            )
        )

    def _take_over(
        self, workspace: Workspace, result: FirstLook | PlaneResult | JointResult
    ) -> None:
        if isinstance(result, FirstLook):
            self.glimpsed.emit(workspace, result)
        else:
            self._pause.when_still(workspace, partial(self._commit, workspace, result))

    def _commit(self, workspace: Workspace, result: PlaneResult | JointResult) -> None:
        """Take a result over; the session drops what is stale."""
        changes = workspace.session.commit(result)
        if changes:
            workspace.repaint()
        self.answered.emit()
        if changes:
            self._state.message = Message(told(workspace.session, changes))
        self._on_commit(workspace)

    def _on_queue_changed(self) -> None:
        waiting = self._propagate_next
        busy = self._queue.has(Priority.LOAD) or self._queue.has(Priority.CLICK)
        if waiting is not None and not busy:
            self._propagate_next = None
            start = partial(self._propagating.start, waiting)
            wish = (id(waiting), "propagation"), waiting, start
            self._attempt(partial(self.when_loaded, *wish))
        self._state.phase = phase_of(self._queue)

    def _attempt(self, start: Callable[[], None]) -> None:
        try:
            start()
        except SamAdapterError as error:
            self._report(error)
