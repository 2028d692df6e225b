"""The button that segments every object of the slice in view."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.model.variants import other_adapters
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause
from napari_sam_adapter.volume.finding.finding import (
    FoundObjects,
    find_steps,
    finding,
    taking_in,
)
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.panels.object_panel import ObjectPanel
    from napari_sam_adapter.plugin.state import ModelChoice
    from napari_sam_adapter.volume.finding.object_search import FindProgress
    from napari_sam_adapter.volume.planes.plane import Plane

MOST_EXAMPLES = 20
"""The newest ones; more would tell nothing new."""
AT_ONCE = 100
"""Objects that are made in less time than a pass takes."""
NOTHING_FOUND = (
    "Nothing found on {}. Click on an object, or choose an adapter for such images "
    "under Network: {}."
)
NO_EXAMPLE = (
    "Expected an example on this slice, found no object with a mask. Click on a "
    "typical one first, better on three."
)
NO_MORE_FOUND = "No more objects found on {}. Click on those that are missing."


class ObjectFinding(Feature):
    """Makes objects of all that the network finds where no object is yet.

    Parameters
    ----------
    controller : Controller
        Whose image and network are used.
    objects : ObjectPanel
        Where examples are selected.
    """

    def __init__(self, controller: Controller, objects: ObjectPanel) -> None:
        super().__init__(controller)
        self._objects = objects
        self._pause = StrokePause()
        self._progress = Progress()
        controller.add_commands(
            {"find_objects": self.find, "find_similar": self.find_similar}
        )
        controller.closed.connect(self._pause.close)

    @reporting
    def find(self) -> None:
        """Find all objects of the plane in view that have no mask yet."""
        self._find(None)

    @reporting
    def find_similar(self) -> None:
        """Find those that are like objects that have a mask on the plane in view."""
        self._find(self._examples())

    def _examples(self) -> list[int]:
        """Return the selected objects if several are: the one under work always is."""
        workspace = self._controller.in_use()
        session, plane = workspace.session, workspace.plane_in_view()
        session.under_way.finish()
        is_there = partial(session.objects.is_on, plane=plane)
        selected = list(filter(is_there, self._objects.selected))
        newest_first = filter(is_there, reversed(session.object_ids))
        one_or_all = list(islice(newest_first, MOST_EXAMPLES))
        examples = selected[:MOST_EXAMPLES] if len(selected) > 1 else one_or_all
        if not examples:
            raise SessionError(NO_EXAMPLE)
        return examples

    def _find(self, examples: list[int] | None) -> None:
        workspace = self._controller.in_use()
        start = partial(self._start, workspace, workspace.plane_in_view(), examples)
        self._controller.segmenter.when_loaded(
            (id(workspace), "find"), workspace, start
        )

    @reporting
    def _start(
        self, workspace: Workspace, plane: Plane, examples: list[int] | None
    ) -> None:
        request = finding(workspace.session, plane, examples)
        self.say("Looking for objects ...")
        self._progress = Progress()
        self._controller.segmenter.queue.submit(
            Job(
                owner=workspace,
                key=("finding", plane),
                priority=Priority.FINDING,
                steps=find_steps(request),
                on_result=partial(self._on_step, workspace, plane),
                on_error=self.report,
                on_end=self.end_progress,
                stopped=lambda: self._progress.stopped("Nothing was changed."),
            )
        )

    def _on_step(
        self, workspace: Workspace, plane: Plane, step: FindProgress | FoundObjects
    ) -> None:
        if isinstance(step, FoundObjects):
            take_in = partial(self._take_in, workspace, plane, step)
            self._pause.when_still(workspace, take_in)
        else:
            self._progress = Progress(step.done, step.total, "places")
            self._controller.state.progress = self._progress

    @reporting
    def _take_in(self, workspace: Workspace, plane: Plane, found: FoundObjects) -> None:
        """Show the objects; the next click begins another one from now on."""
        if workspace not in self._controller.workspaces:
            return
        session, passes = workspace.session, self._controller.objects.passes
        before = len(session.object_ids)
        are_more = bool(plane.view(session.labels).any())

        count = 0

        def on_begun() -> None:
            nonlocal count
            count = len(session.object_ids) - before
            if count:
                workspace.layers.ensure(session.labels)
                workspace.choose_object(workspace.next_id)

        def on_done() -> None:
            self._tell(count, are_more, found.unlike)

        passes.do(
            workspace, taking_in(session, found), on_begun, on_done,
            shows_at_once=False,
        )  # fmt: skip
        if count <= AT_ONCE:
            passes.go_on()

    def _tell(self, count: int, are_more: bool, unlike: int) -> None:
        if self._controller.state.message.is_error:  # such as that nothing is saved
            return
        left_out = f" {unlike} unlike the examples left out." if unlike else ""
        if count or unlike:
            self.say(f"{counted(count, 'object')} found.{left_out}")
        else:
            choice = self._controller.state.model
            self.say(nothing_found("this slice", are_more, choice))


def nothing_found(where: str, are_more: bool, choice: ModelChoice) -> str:
    """Say that a search found nothing, and what to do.

    Parameters
    ----------
    where : str
        What was looked at.
    are_more : bool
        Whether there are objects already.
    choice : ModelChoice
        The network that was asked.

    Returns
    -------
    str
        Two sentences.
    """
    if are_more:
        return NO_MORE_FOUND.format(where)
    names = [*other_adapters(choice.model, choice.adapter), "one of your own"]
    return NOTHING_FOUND.format(where, " or ".join(names))
