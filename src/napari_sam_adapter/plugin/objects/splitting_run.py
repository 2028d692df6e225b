"""Split an object while the window goes on: its pieces are looked for by a worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.objects.searching import Searching
from napari_sam_adapter.plugin.reporting import reporting
from napari_sam_adapter.plugin.viewing.world_units import spacing_now
from napari_sam_adapter.volume.document.object_edits import SplitObject
from napari_sam_adapter.volume.document.piece_search import (
    PieceSearch,
    changed_meanwhile,
)
from napari_sam_adapter.wording import numbered

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.objects.object_editing import ObjectEditing
    from napari_sam_adapter.volume.document.piece_search import FoundPieces
    from napari_sam_adapter.volume.session.session import Session


class SplittingRun(Searching):
    """The command that splits an object; it has a thread of its own beside clicks.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    objects : ObjectEditing
        Who knows which object is meant.
    """

    flag = "is_splitting"
    left = "The object is as it was."

    def __init__(self, controller: Controller, objects: ObjectEditing) -> None:
        super().__init__(controller, objects)
        controller.add_commands({"split_object": self.start})

    @reporting
    def start(self) -> None:
        """Make an object of every piece of the selected one, or cut it at its waist."""
        workspace, object_id = self._controller.in_use(), self._objects.one()
        session = workspace.session
        session.under_way.finish()
        spacing = session.spacing = spacing_now(workspace.frame)
        search = session.objects.piece_search(object_id, spacing)
        self.say(f"Looking for the pieces of object {object_id} ...")
        steps = map(PieceSearch.find, (search,))
        on_found = partial(self._on_found, workspace, session, spacing)
        self._search(workspace, ("split", object_id), steps, on_found)

    def _on_found(
        self,
        workspace: Workspace,
        session: Session,
        spacing: tuple[float, ...],
        found: FoundPieces,
    ) -> None:
        edit = SplitObject(found.object_id, spacing, found)
        self._when_still(workspace, partial(self._split, workspace, session, edit))

    @reporting
    def _split(self, workspace: Workspace, session: Session, edit: SplitObject) -> None:
        if workspace not in self._controller.workspaces:
            return
        object_id = edit.object_id
        if workspace.session is not session:  # another one was opened
            raise changed_meanwhile(object_id)
        before = set(session.object_ids)
        workspace.layers.drop_outline()
        self._controller.objects.passes.do(workspace, session.doing(edit))
        new = sorted(set(session.object_ids) - before)
        self.say(f"Object {object_id} was split: {numbered('Object', new)} new.")
