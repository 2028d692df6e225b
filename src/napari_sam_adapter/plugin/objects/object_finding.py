"""The button that segments every object of the slice in view."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

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
    from napari_sam_adapter.plugin.state import ModelChoice
    from napari_sam_adapter.volume.finding.object_search import FindProgress
    from napari_sam_adapter.volume.planes.plane import Plane

AT_ONCE = 100
"""Objects that are made in less time than a pass takes."""
NOTHING_FOUND = (
    "Nothing found on {}. Click on an object, or choose an adapter for such images "
    "under Network: {}."
)
NO_MORE_FOUND = "No more objects found on {}. Click on those that are missing."


class ObjectFinding(Feature):
    """Makes objects of all that the network finds where no object is yet.

    Parameters
    ----------
    controller : Controller
        Whose image and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._pause = StrokePause()
        self._progress = Progress()
        controller.add_commands({"find_objects": self.find})
        controller.closed.connect(self._pause.close)

    @reporting
    def find(self) -> None:
        """Find all objects of the plane in view that have no mask yet."""
        workspace = self._controller.in_use()
        plane = workspace.plane_in_view()
        self._controller.segmenter.when_loaded(
            (id(workspace), "find"), workspace, partial(self._start, workspace, plane)
        )

    def _start(self, workspace: Workspace, plane: Plane) -> None:
        request = finding(workspace.session, plane)
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

        work = taking_in(session, found)
        passes.do(
            workspace, work, on_begun, lambda: self._tell(count, are_more),
            shows_at_once=False,
        )  # fmt: skip
        if count <= AT_ONCE:
            passes.go_on()

    def _tell(self, count: int, are_more: bool) -> None:
        if self._controller.state.message.is_error:  # such as that nothing is saved
            return
        nothing = nothing_found("this slice", are_more, self._controller.state.model)
        self.say(f"{counted(count, 'object')} found." if count else nothing)


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
