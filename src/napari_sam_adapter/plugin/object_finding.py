"""The button that segments every object of the slice in view."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.model.variants import other_adapters
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.passes import Passes
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Message, Progress
from napari_sam_adapter.plugin.stroke_pause import StrokePause
from napari_sam_adapter.volume.finding import (
    FoundObjects,
    find_steps,
    finding,
    taking_in,
)

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.object_search import FindProgress
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.session import Session

AT_ONCE = 100
"""Objects that are made in less time than a pass takes."""
NOTHING_FOUND = (
    "Nothing found on this slice. Click on an object, or choose an adapter for such "
    "images under Network: {}."
)


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
        controller.add_commands({"find_objects": self.find})
        self._passes = Passes()
        controller.closed.connect(self._pause.close)
        controller.closed.connect(self._passes.close)

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
        self._say("Looking for objects ...")
        self._controller.segmenter.queue.submit(
            Job(
                owner=workspace,
                key=("finding", plane),
                priority=Priority.FINDING,
                steps=find_steps(request),
                on_result=partial(self._on_step, workspace),
                on_error=self.report,
                on_end=self._on_end,
            )
        )

    def _on_step(self, workspace: Workspace, step: FindProgress | FoundObjects) -> None:
        if isinstance(step, FoundObjects):
            self._pause.when_still(workspace, partial(self._take_in, workspace, step))
        else:
            self._controller.state.progress = Progress(step.done, step.total, "places")

    def _on_end(self) -> None:
        self._controller.state.progress = Progress()

    def _take_in(self, workspace: Workspace, found: FoundObjects) -> None:
        if workspace not in self._controller.workspaces:
            return
        session = workspace.session
        before = len(session.object_ids)
        try:
            session.under_way.begin(taking_in(session, found))
        except SamAdapterError as error:
            self.report(error)
            self._controller.update()
            return
        count = len(session.object_ids) - before
        if count:
            workspace.layers.ensure(session.labels)
        self._passes.run(
            workspace,
            partial(self._go_on, session),
            partial(self._on_taken_in, workspace, session, workspace.object_id, count),
            count > AT_ONCE,
        )

    def _go_on(self, session: Session) -> bool:
        """Take in the masks of one more pass of the network."""
        try:
            return session.under_way.go_on()
        except SamAdapterError as error:
            self.report(error)
            return False

    def _on_taken_in(
        self, workspace: Workspace, session: Session, at_work: int, count: int
    ) -> None:
        """Show the objects; who clicked meanwhile goes on with what was clicked."""
        if workspace.session is not session:  # another one was opened
            return
        if count and workspace.object_id == at_work:
            workspace.choose_object(workspace.next_id)
        workspace.repaint()
        self._tell(count)
        self._controller.update()

    def _tell(self, count: int) -> None:
        objects = "1 object" if count == 1 else f"{count} objects"
        self._say(f"{objects} found." if count else self._nothing_found())

    def _nothing_found(self) -> str:
        choice = self._controller.state.model
        names = [*other_adapters(choice.model, choice.adapter), "one of your own"]
        return NOTHING_FOUND.format(" or ".join(names))

    def _say(self, text: str) -> None:
        self._controller.state.message = Message(text)
