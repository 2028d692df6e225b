"""The same prompts for two adapters: the one in use, and another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.network.network_loading import with_adapter
from napari_sam_adapter.plugin.reporting import reporting
from napari_sam_adapter.plugin.state import NO_ADAPTER, Message
from napari_sam_adapter.plugin.training.comparison_layers import OutlineLayers, borders
from napari_sam_adapter.plugin.training.comparison_state import (
    Agreement,
    ComparisonState,
)
from napari_sam_adapter.volume.embeddings.embedding_cache import EmbeddingCache
from napari_sam_adapter.weight_store.entries import Kind, entries_in_reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.training.comparison_layers import Line
    from napari_sam_adapter.predictions import MaskPrediction, Predictor
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.planes.planes import Plane

CACHE_BYTES = 128 * 1024**2
"""For embeddings of the other adapter."""
HINT = Message("Click or draw on an object: both adapters answer.")
SAME = Message("Both adapters are the same: choose another one above.")


class Asked(NamedTuple):
    """Whose prompts were compared last; equal ones need not be asked again."""

    object_id: int
    plane: Plane
    revision: int
    network: PlanePredictor
    other: str


@dataclass(frozen=True, eq=False)
class ComparisonTask:
    """What two adapters are asked; independent of all layers.

    Parameters
    ----------
    plane : Plane
        Where.
    prompts : Prompts
        What, without earlier answers.
    first : PlanePredictor
        With the adapter in use.
    second : PlanePredictor or None
        With the other, if it was loaded before.
    other : str
        Name or path of the other adapter, `NO_ADAPTER` for none.
    """

    plane: Plane
    prompts: Prompts
    first: PlanePredictor
    second: PlanePredictor | None
    other: str


@dataclass(frozen=True, eq=False)
class Compared:
    """What came of it.

    Parameters
    ----------
    task : ComparisonTask
        What was asked, now with both predictors.
    answers : two MaskPrediction
        Of the adapter in use, and of the other.
    outlines : two lists of (N, 2) float arrays
        Of their masks.
    """

    task: ComparisonTask
    answers: tuple[MaskPrediction, MaskPrediction]
    outlines: tuple[list[Line], list[Line]]


def compare(task: ComparisonTask) -> Iterator[Compared | None]:
    """Ask both adapters; runs on the worker thread.

    Parameters
    ----------
    task : ComparisonTask
        What is asked.

    Yields
    ------
    Compared or None
        None between the slow parts, so that a click is served.

    Raises
    ------
    SamAdapterError
        If the other adapter cannot be used, or the plane cannot be segmented.
    """
    first, second = task.first, task.second
    if second is None:
        adapter = None if task.other == NO_ADAPTER else task.other
        second = replace(
            first,
            predictor=with_adapter(first.predictor, adapter),
            number=0,
            cache=EmbeddingCache(CACHE_BYTES),
        )
        yield None
    for network in (first, second):
        network.embed(task.plane)
        yield None
    answers = (
        first.predict(task.plane, task.prompts),
        second.predict(task.plane, task.prompts),
    )
    outlines = borders(answers[0].mask), borders(answers[1].mask)
    yield Compared(replace(task, second=second), answers, outlines)


class Comparison:
    """Keep two candidate masks of the prompts in view up to date.

    All methods belong to the main thread. The masks of the session are not touched.

    Parameters
    ----------
    controller : Controller
        Has the viewer, the image in use, the network and the queue.
    state : ComparisonState
        Receives names, scores and messages.
    """

    def __init__(self, controller: Controller, state: ComparisonState) -> None:
        self._controller, self._state = controller, state
        self._outlines = OutlineLayers(controller.viewer)
        self._asked: Asked | None = None
        self._done: ComparisonTask | None = None
        controller.updated.connect(self._on_change)
        controller.closed.connect(self.close)

    @property
    def outlines(self) -> OutlineLayers:
        """The two layers."""
        return self._outlines

    def report(self, error: SamAdapterError) -> None:
        """Show an error in the panel.

        Parameters
        ----------
        error : SamAdapterError
            What cannot be done.
        """
        self._clear()
        self._state.message = Message(str(error), is_error=True)

    def list_choices(self, used: tuple[str | Path | None, ...] = ()) -> None:
        """List the adapters that are here.

        Parameters
        ----------
        used : tuple of str, Path or None
            Adapters that were trained or used in this window.
        """
        found = [e for e in entries_in_reach() if e.kind is Kind.ADAPTER]
        named = [entry.name for entry in found if entry.is_here]
        files = [str(path) for path in used if path is not None]
        known = (NO_ADAPTER, *named, *files, *self._state.choices, self._state.other)
        self._state.choices = tuple(dict.fromkeys(known))

    def choose(self, other: str) -> None:
        """Compare with another adapter.

        Parameters
        ----------
        other : str
            Name, path, or `NO_ADAPTER`.
        """
        self._state.other = other
        self.list_choices()
        self._on_change()

    def switch(self, on: bool) -> None:
        """Begin or end the comparison.

        Parameters
        ----------
        on : bool
            Whether both adapters are to be asked from now on.
        """
        self._state.is_on = on
        self._clear()
        if on:
            self._state.message = HINT
            self._on_change()
        else:
            self._done = None
            self._outlines.remove()

    def close(self) -> None:
        """Take the outlines away; nobody shows the state any longer."""
        self._state.events.disconnect()
        self.switch(False)

    def _on_change(self) -> None:
        if self._state.is_on:
            self._refresh()

    @reporting
    def _refresh(self) -> None:
        """Ask both adapters if the prompts in view are not those of the last time."""
        found = self._prompts_in_view()
        if found is None:
            self._clear()
            return
        asked, task = found
        if asked == self._asked:
            return
        self._clear()
        self._asked = asked
        self._controller.segmenter.queue.submit(
            Job(
                owner=self,
                key="comparison",
                priority=Priority.VIEW,
                steps=compare(task),
                on_result=partial(self._on_compared, asked),
                on_error=self._on_failed,
            )
        )

    def _prompts_in_view(self) -> tuple[Asked, ComparisonTask] | None:
        workspace, other = self._controller.workspace, self._state.other
        if workspace is None or workspace.session.predictor is None:
            return None
        plane, object_id = workspace.plane_or_none(), workspace.object_id
        if plane is None or plane not in workspace.known_prompts():
            return None
        request = workspace.session.request(object_id, plane)
        first, done, second = request.predictor, self._done, None
        if done is not None and (done.first, done.other) == (first, other):
            second = done.second
        task = ComparisonTask(plane, request.prompts, first, second, other)
        return Asked(object_id, plane, request.revision, first, other), task

    def _on_compared(self, asked: Asked, result: Compared | None) -> None:
        workspace = self._controller.workspace
        if result is None or workspace is None or asked != self._asked:
            return
        self._done = task = result.task
        networks = [p.predictor for p in (task.first, task.second) if p is not None]
        first, second = map(_name_of, networks)
        masks = tuple(answer.mask for answer in result.answers)
        names, side = (first, second), max(masks[0].shape)
        self._outlines.show(workspace.frame, task.plane, result.outlines, names, side)
        scores = tuple(_score(answer) for answer in result.answers)
        self._state.answer = Agreement(names, (scores[0], scores[1]), _iou(*masks))
        self._state.message = SAME if first == second else Message()

    def _on_failed(self, error: SamAdapterError) -> None:
        asked = self._asked
        self.report(error)
        self._asked = asked  # so that it is not tried again at once

    def _clear(self) -> None:
        self._controller.segmenter.queue.cancel(lambda job: job.owner is self)
        self._asked = None
        self._outlines.clear()
        self._state.answer = None


def _name_of(predictor: Predictor) -> str:
    return Path(predictor.description.get("adapter", NO_ADAPTER)).stem


def _score(answer: MaskPrediction) -> float | None:
    return answer.score if answer.score_is_trusted else None


def _iou(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0
