"""The button that encodes all slices, and what is said of the embeddings on disk."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.layers.kept_embeddings import give_room
from napari_sam_adapter.plugin.network.encoding_run import (
    MORE_ROOM,
    EncodingRun,
    EncodingTask,
)
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Phase
from napari_sam_adapter.predictions import PackingPredictor
from napari_sam_adapter.volume.asking.embedding_ahead import EmbeddedPlane
from napari_sam_adapter.volume.asking.embedding_room import RoomEstimate
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.asking.embedding_ahead import Pass
    from napari_sam_adapter.volume.planes.planes import Plane

SHOW_INTERVAL = 0.1
"""Seconds between two looks at the bar."""


class EncodingAhead(Feature):
    """Encodes all slices of the image in use, behind everything but propagations.

    Parameters
    ----------
    controller : Controller
        Whose image and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._told = ""
        controller.add_commands({"encode_all": self.encode_all})
        controller.updated.connect(self._tell_problem)

    @reporting
    def encode_all(self) -> None:
        """Encode all slices along the axes in view, the nearest first."""
        workspace = self._controller.in_use()
        plane = workspace.plane_in_view()
        self._controller.segmenter.when_loaded(
            (id(workspace), "encode"), workspace, partial(self._start, workspace, plane)
        )

    def _start(self, workspace: Workspace, plane: Plane) -> None:
        planes = tuple(planes_around(plane, workspace.volume.shape))
        run = EncodingRun(_task(workspace, planes))
        self._told = ""
        self.say(f"Encoding {counted(len(planes), 'slice')} ahead ...")
        self._controller.state.progress = run.progress
        self._controller.segmenter.queue.submit(
            Job(
                owner=workspace,
                key="encoding",
                priority=Priority.ENCODING,
                steps=run.task.steps(),
                on_result=partial(self._on_step, workspace, run),
                on_error=self._on_error,
                on_end=partial(self._on_end, run),
                stopped=lambda: run.stopped,
            )
        )

    def _on_step(
        self,
        workspace: Workspace,
        run: EncodingRun,
        step: EmbeddedPlane | RoomEstimate | Pass,
    ) -> None:
        if isinstance(step, RoomEstimate):
            self.say(f"Encoding {step.text}. Clicks go first.")
        elif isinstance(step, EmbeddedPlane):
            run.count(step)
        if not _is_current(workspace, run.task):
            self._controller.segmenter.stop_encoding()
            self.say("Stopped: the slices are seen in another way now. Press again.")
        elif self._phase is Phase.ENCODING and run.is_due(SHOW_INTERVAL):
            self._controller.state.progress = run.progress

    @property
    def _phase(self) -> Phase:
        return self._controller.state.phase

    def _on_error(self, error: SamAdapterError) -> None:
        self._told = str(error)
        self.report(error)

    def _on_end(self, run: EncodingRun) -> None:
        self.end_progress()
        if not self._told:
            self.say(run.summary)

    def _tell_problem(self) -> None:
        """Say once that embeddings are not kept any more; the work goes on."""
        workspace = self._controller.workspace
        store = None if workspace is None else workspace.session.store
        problem = "" if store is None else store.problem
        if problem and not self._told:
            self._told = problem
            self.report(OutputError(f"{problem} The work goes on without."))


def planes_around(plane: Plane, shape: tuple[int, ...]) -> Iterator[Plane]:
    """Yield all planes along the axes of one, the nearest first.

    Parameters
    ----------
    plane : Plane
        In view.
    shape : tuple of int
        Of the volume.

    Yields
    ------
    Plane
        Each once, `plane` first.
    """
    ranges = [
        sorted(range(shape[axis]), key=lambda index: abs(index - here))
        for axis, here in zip(plane.other_axes, plane.position, strict=True)
    ]
    for position in itertools.product(*ranges):
        yield type(plane)(plane.axes, position)


def _task(workspace: Workspace, planes: tuple[Plane, ...]) -> EncodingTask:
    session = workspace.session
    predictor, store = session.predictor, session.store
    if store is None:
        raise SessionError(
            "Expected a session that keeps its embeddings on disk, got one from before "
            "there was such a thing. Its slices are encoded when they are shown."
        )
    if not isinstance(predictor, PackingPredictor):
        raise SessionError(
            "Expected a model whose embeddings can be kept, got "
            f"{type(predictor).__name__}. Choose another under Network."
        )
    give_room(store)
    if not store.keeps:
        raise OutputError(f"Expected room for embeddings, got none. {MORE_ROOM}")
    reduction = workspace.level.reduction(planes[0].axes)
    return EncodingTask(session.volume, predictor, store, planes, reduction)


def _is_current(workspace: Workspace, task: EncodingTask) -> bool:
    session = workspace.session
    return session.volume is task.volume and session.predictor is task.predictor
