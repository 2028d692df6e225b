"""Tidy objects while the window goes on: a worker looks for holes and specks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.objects.searching import Searching
from napari_sam_adapter.plugin.reporting import reporting
from napari_sam_adapter.volume.document.journal_entries import EditGroup
from napari_sam_adapter.volume.document.object_edits import TidyObject
from napari_sam_adapter.volume.document.tidy_search import outdated
from napari_sam_adapter.volume.document.tidying import TidyCount
from napari_sam_adapter.wording import counted, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.objects.object_editing import ObjectEditing
    from napari_sam_adapter.volume.document.tidy_search import (
        FoundTidying,
        TidySearch,
    )
    from napari_sam_adapter.volume.session.session import Session


class TidyingRun(Searching):
    """The command that tidies objects; it has a thread of its own beside clicks.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    objects : ObjectEditing
        Who knows which objects are meant.
    """

    flag = "is_tidying"
    left = "Nothing was changed."

    def __init__(self, controller: Controller, objects: ObjectEditing) -> None:
        super().__init__(controller, objects)
        controller.add_commands({"tidy_objects": self.start})

    @reporting
    def start(self) -> None:
        """Fill holes of the selected objects and remove specks, on slices as in view.

        Locked objects among others stay as they are.
        """
        workspace, selected = self._controller.in_use(), self._objects.several()
        session, axes = workspace.session, workspace.plane_in_view().axes
        session.under_way.finish()
        summaries = map(session.objects.summary, selected)
        free = [one.object_id for one in summaries if not one.locked]
        searches = [
            session.objects.tidy_search(TidyObject(object_id, axes))
            for object_id in free or selected
        ]
        self.say(f"Looking for holes and specks of {numbered('object', free)} ...")
        locked = len(selected) - len(free)
        on_found = partial(self._on_found, workspace, session, locked)
        self._search(workspace, "tidy", _looking(searches), on_found)

    def _on_found(
        self,
        workspace: Workspace,
        session: Session,
        locked: int,
        found: Sequence[FoundTidying],
    ) -> None:
        if found:
            tidy = partial(self._tidy, workspace, session, locked, found)
            self._when_still(workspace, tidy)

    @reporting
    def _tidy(
        self,
        workspace: Workspace,
        session: Session,
        locked: int,
        found: Sequence[FoundTidying],
    ) -> None:
        if workspace not in self._controller.workspaces:
            return
        if workspace.session is not session:  # another one was opened
            raise outdated(found[0].edit)
        edits = [replace(one.edit, found=one) for one in found if one.parts]
        workspace.layers.drop_outline()
        count = TidyCount()
        work = session.doing(EditGroup(tuple(edits)), count.add)
        tell = partial(self._tell, count, locked)
        self._controller.objects.passes.do(workspace, work, on_end=tell)

    def _tell(self, count: TidyCount, locked: int) -> None:
        if self._state.message.is_error:  # such as that nothing is saved
            return
        left = f" {counted(locked, 'locked object')} left alone." if locked else ""
        self.say(f"{count.words}{left}")


def _looking(searches: Sequence[TidySearch]) -> Iterator[Sequence[FoundTidying]]:
    """Look object by object, slice by slice; the last value is all that was found."""
    found = []
    for search in searches:
        for step in search.steps():
            if step is None:
                yield ()
            else:
                found.append(step)
    yield found
