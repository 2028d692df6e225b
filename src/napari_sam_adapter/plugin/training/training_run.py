"""Training on the open layers, in the background, behind everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from platformdirs import user_data_path

from napari_sam_adapter.errors import SamAdapterError, SessionError, TrainingError
from napari_sam_adapter.image_io.output.whole_files import writing
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority
from napari_sam_adapter.plugin.layers.labels_layer import fitting_layers
from napari_sam_adapter.plugin.network.weights_state import check_here
from napari_sam_adapter.plugin.reporting import reporting
from napari_sam_adapter.plugin.state import Message
from napari_sam_adapter.plugin.training.training_task import (
    LabelPlanes,
    Trainer,
    TrainingTask,
    train_on_layers,
)
from napari_sam_adapter.plugin.viewing.world_units import spacing_now
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.planes.spoken import name_of
from napari_sam_adapter.wording import counted, stopped

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels
    from psygnal import SignalInstance

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.network.segmenter import Segmenter
    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.plugin.training.training_state import TrainingState
    from napari_sam_adapter.training.progress.progress import TrainingProgress


STOPPING = (
    "Stopping: the step under way is finished and judged on the slices kept for "
    "validation, which takes some seconds ..."
)


class Owner(Protocol):
    """What training needs of the controller."""

    @property
    def workspace(self) -> Workspace | None:
        """The image in use."""

    @property
    def segmenter(self) -> Segmenter:
        """The queue and the network."""

    @property
    def updated(self) -> SignalInstance:
        """Emitted when the slice in view may have changed."""

    def report(self, error: SamAdapterError) -> None:
        """Tell the user what cannot be done."""


class TrainingRun:
    """Start, watch and stop a training, and use what came of it.

    All methods belong to the main thread.

    Parameters
    ----------
    viewer : ViewerModel
        Holds Labels layers to choose from.
    owner : Owner
        The controller.
    plugin_state : PluginState
        Says which model and device are chosen.
    state : TrainingState
        Receives progress and messages.
    train : callable
        Trains; for tests that bring their own.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        owner: Owner,
        plugin_state: PluginState,
        state: TrainingState,
        train: Trainer = train_on_layers,
    ) -> None:
        self._owner, self._plugin_state, self._state = owner, plugin_state, state
        self._viewer, self._train = viewer, train
        self._task: TrainingTask | None = None
        self._marks: WeakKeyDictionary[Workspace, tuple[Plane, ...]] = (
            WeakKeyDictionary()
        )
        plugin_state.events.image.connect(self._forget_layers)
        owner.updated.connect(self._show_marks)

    @property
    def _queue(self) -> JobQueue:
        return self._owner.segmenter.queue

    def report(self, error: SamAdapterError) -> None:
        """Show an error in the panel and as a notification.

        Parameters
        ----------
        error : SamAdapterError
            What cannot be done.
        """
        self._state.message = Message(str(error), is_error=True)
        self._owner.report(error)

    @reporting
    def list_layers(self) -> None:
        """List the Labels layers that fit the image in use."""
        workspace = self._in_use()
        shape, own = workspace.session.labels.shape, workspace.layers.labels
        self._state.label_layers = tuple(
            fitting_layers(self._viewer.layers, shape, own)
        )

    def choose_layer(self, layer: Labels | None) -> None:
        """Learn from a Labels layer.

        Parameters
        ----------
        layer : Labels or None
            None takes the masks of the widget.
        """
        self._state.labels = layer

    @reporting
    def switch_finished(self) -> None:
        """Mark the slice in view as finished, or take the mark back."""
        workspace = self._in_use()
        plane = workspace.plane_in_view()
        marked = [p for p in self._state.finished if p != plane]
        if len(marked) == len(self._state.finished):
            marked.append(plane)
        self._marks[workspace] = tuple(marked)
        self._show_marks()
        names = ", ".join(name_of(p) for p in sorted(marked, key=_position))
        self._state.message = Message(f"Marked as finished: {names or 'nothing'}.")

    @reporting
    def start(self, options: dict[str, Any]) -> None:
        """Train on the image in use and its labels.

        Parameters
        ----------
        options : dict
            Values of `TrainingConfig`.
        """
        workspace = self._in_use()
        labels = self._labels_to_learn(workspace)
        choice = self._plugin_state.model
        check_here(choice)
        self._task = task = TrainingTask(
            workspace.volume,
            labels,
            _new_output(),
            choice.model,
            choice.device,
            spacing_now(workspace.frame),
            dict(options, start=choice.adapter, preprocessing=choice.preprocessing),
        )
        self._state.progress, self._state.result = None, None
        self._state.is_running, self._state.is_stopping = True, False
        why = "marked as" if self._state.finished else "with labels, none marked as"
        self._state.message = Message(
            f"Training on {counted(len(labels), 'slice')} {why} finished ..."
        )
        self._queue.submit(
            Job(
                owner=self,
                key="training",
                priority=Priority.TRAINING,
                steps=self._train(task),
                on_result=self._on_progress,
                on_error=self.report,
                on_end=self._on_end,
            )
        )

    def stop(self) -> None:
        """End with the step that is under way and judge it; the best can be used."""
        if self._task is not None and self._state.is_running:
            self._task.stop.set()
            self._state.is_stopping = True
            self._state.message = Message(STOPPING)

    def predict_again(self) -> None:
        """Predict the object on the plane in view with the network chosen now."""
        workspace = self._owner.workspace
        if workspace is None:
            return
        for plane in workspace.known_prompts():
            if plane == workspace.plane_or_none():
                self._owner.segmenter.ask(workspace, workspace.object_id, plane)

    def _in_use(self) -> Workspace:
        workspace = self._owner.workspace
        if workspace is None:
            raise SessionError("Expected an image, got none. Open and choose one.")
        return workspace

    def _labels_to_learn(self, workspace: Workspace) -> LabelPlanes:
        """Copy the slices marked as finished, or all with labels."""
        labels = self._labels(workspace)
        marked = self._state.finished
        planes = marked or _along(workspace.plane_in_view(), labels.shape)
        views = {plane: plane.view(labels) for plane in planes}
        found = {plane: np.array(view) for plane, view in views.items() if view.any()}
        if not found:
            where = "the slices marked as finished" if marked else "any slice"
            raise TrainingError(
                f"Expected labelled objects on {where}, got none. Segment or paint "
                "some first."
            )
        return found

    def _labels(self, workspace: Workspace) -> npt.NDArray[Any]:
        workspace.session.under_way.finish()
        layer = self._state.labels
        if layer is None:
            return workspace.session.labels
        expected = workspace.session.labels.shape
        if layer not in self._viewer.layers or tuple(layer.data.shape) != expected:
            raise TrainingError(
                f"Expected a Labels layer of the shape {expected} in the viewer, but "
                f"{layer.name!r} is gone or other. Choose another."
            )
        return np.asarray(layer.data)

    def _on_progress(self, progress: TrainingProgress | None) -> None:
        if progress is None:
            return
        known = self._state.progress
        if known is None and not self._state.is_stopping:
            self._state.message = Message(_beginning(progress))
        if known is None or (known.step, known.history, known.ending) != (
            progress.step,
            progress.history,
            progress.ending,
        ):
            self._state.progress = progress

    def _on_end(self) -> None:
        task = self._task
        if task is None or not self._state.is_running:
            return
        was_stopped = self._state.is_stopping
        self._state.is_running = self._state.is_stopping = False
        if self._is_no_better():  # the network in use once more
            task.output.unlink(missing_ok=True)
        self._state.result = task.output if task.output.exists() else None
        if not self._state.message.is_error:
            self._state.message = Message(self._told(was_stopped))

    def _told(self, was_stopped: bool) -> str:
        summary, progress = self._summary(), self._state.progress
        done, total = (progress.step, progress.total_steps) if progress else (0, 0)
        return stopped(done, total, "steps", summary) if was_stopped else summary

    def _summary(self) -> str:
        progress = self._state.progress
        if progress is not None and self._is_no_better():
            before = progress.history[0].score
            return (
                f"Nothing was better than before (IoU {before:.2f}), so no adapter was "
                "kept."
            )
        if self._state.result is None or progress is None:
            return "There was nothing to keep yet."
        if progress.best is None:
            steps = counted(progress.step, "step")
            return f"Trained {steps}; one slice is too few to validate."
        return (
            f"{progress.gain_told(digits=2)}, at step {progress.best.step} of "
            f"{progress.step}. Press Use it."
        )

    def _is_no_better(self) -> bool:
        best = self._state.progress and self._state.progress.best
        return best is not None and not best.step

    def _forget_layers(self) -> None:
        self._state.labels, self._state.label_layers = None, ()

    def _show_marks(self) -> None:
        workspace = self._owner.workspace
        marked = () if workspace is None else self._marks.get(workspace, ())
        plane = None if workspace is None else workspace.plane_or_none()
        self._state.finished, self._state.is_finished = marked, plane in marked


def _position(plane: Plane) -> tuple[int, ...]:
    return plane.position


def _beginning(progress: TrainingProgress) -> str:
    """Return what is told before the first step: costs, and what is left out."""
    told = f"{progress.estimate.sentence}."
    if progress.left_out:
        told += f" Left out: {'; '.join(progress.left_out)}"
    return told


def _along(plane: Plane, shape: tuple[int, ...]) -> list[Plane]:
    """Return all planes of these axes."""
    sizes = [shape[axis] for axis in plane.other_axes]
    return [Plane(plane.axes, position) for position in np.ndindex(*sizes)]


def _new_output() -> Path:
    """Return a name for an adapter that is not taken."""
    folder = user_data_path("napari-sam-adapter") / "adapters"
    with writing(folder, "make that folder one that can be written"):
        folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := folder / f"mine-{number}.safetensors").exists():
        number += 1
    return path
