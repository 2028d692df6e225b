"""Go to the next object, and back and forth in the history."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.session_view import object_at_work
from napari_sam_adapter.plugin.state import Message
from napari_sam_adapter.plugin.viewing.passes import Passes
from napari_sam_adapter.volume.document.edits import ReleasePaint
from napari_sam_adapter.volume.document.journal_entries import Redo, Undo

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace


class ObjectCommands(Feature):
    """What is done with whole objects and with the history.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.passes = Passes(controller)
        controller.add_commands(
            {
                "next_object": self.next_object,
                "release_paint": self.release_paint,
                "undo": self.undo,
                "redo": self.redo,
            }
        )

    @reporting
    def next_object(self) -> None:
        """Go to a new object."""
        workspace = self._controller.in_use()
        workspace.choose_object(workspace.next_id)
        self._controller.state.message = Message(
            f"Object {workspace.object_id} is new."
        )
        self._controller.update()

    @reporting
    def release_paint(self) -> None:
        """Let masks change again what was painted on the plane in view."""
        workspace = self._controller.in_use()
        plane = workspace.plane_in_view()
        workspace.apply(ReleasePaint(object_at_work(workspace), plane))
        self._controller.state.message = Message(
            f"The next mask of object {workspace.object_id} may change what is painted."
        )
        self._controller.update()

    @reporting
    def undo(self) -> None:
        """Take the last step back."""
        self._travel(Undo(), "Taken back")

    @reporting
    def redo(self) -> None:
        """Do the step again that was taken back."""
        self._travel(Redo(), "Done again")

    def _travel(self, entry: Undo | Redo, done: str) -> None:
        workspace = self._controller.in_use()
        if workspace.layers.is_painting:
            workspace.layers.drop_outline()
            return
        self._controller.segmenter.stop_propagation()
        session, is_undo = workspace.session, isinstance(entry, Undo)
        session.under_way.finish()
        if not (session.can_undo if is_undo else session.can_redo):
            self.say(f"There is nothing to {'undo' if is_undo else 'redo'}.")
            return
        text = f"{done}: {session.objects.words_for_next(entry)}."
        touched = session.objects.in_next(entry)
        is_new = workspace.object_id not in session.objects
        kept = {workspace.object_id}.intersection(session.accepted_ids)
        show = partial(self._show, workspace, touched, is_new, kept)
        self.passes.do(workspace, session.doing(entry), show)
        self.say(text)

    def _show(
        self, workspace: Workspace, touched: set[int], is_new: bool, kept: set[int]
    ) -> None:
        """Go to the object that a step of the history is about.

        If it is about several, the one under work stays, or a new one is begun.
        Finished objects are left out, unless they were under work as such.
        """
        session = workspace.session
        open_ids = set(session.object_ids) - (set(session.accepted_ids) - kept)
        known = touched & open_ids
        stays = workspace.object_id in open_ids and not (is_new and known)
        if len(known) == 1:
            workspace.choose_object(min(known))
        elif stays:
            workspace.choose_object(workspace.object_id)
        else:
            workspace.choose_object(workspace.next_id)
        for plane in workspace.planes_without_mask():
            self._controller.segmenter.ask(workspace, workspace.object_id, plane)
