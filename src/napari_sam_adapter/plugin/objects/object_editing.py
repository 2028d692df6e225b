"""What is done with whole objects: the table, its commands and their keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.layers.object_look import ObjectLook
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.session_view import object_at_work, require_pixels
from napari_sam_adapter.plugin.viewing.viewer_planes import show_voxel
from napari_sam_adapter.plugin.viewing.world_units import voxel_size
from napari_sam_adapter.volume.document.edits import Accept, DeleteObject, Edit
from napari_sam_adapter.volume.document.journal_entries import EditGroup
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    MergeObjects,
    RenameObject,
    ReopenObject,
    SetClass,
    SetOverlapRule,
    UnlockObject,
)
from napari_sam_adapter.wording import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.object_look import Colour
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.panels.object_panel import ObjectPanel
    from napari_sam_adapter.volume.session.doing import Doable
    from napari_sam_adapter.volume.session.session import Session

OR_SEVERAL = ", or several with Shift or Ctrl+A"


class ObjectEditing(Feature):
    """The table of objects follows the session, and its commands edit it.

    Commands are for the selected objects; selecting one makes it the one under work.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    panel : ObjectPanel
        The table.
    """

    def __init__(self, controller: Controller, panel: ObjectPanel) -> None:
        super().__init__(controller)
        self._panel = panel
        self._looks: WeakKeyDictionary[Session, ObjectLook] = WeakKeyDictionary()
        self._shown: Session | None = None
        self._at_work = 0, False
        commands = {
            "jump_to_object": self.jump,
            "reopen_object": self.reopen,
            "lock_objects": self.switch_lock,
            "accept": self.accept,
            "merge_objects": self.merge,
            "delete_objects": self.delete,
        }
        controller.add_commands(commands)
        controller.updated.connect(self.show)
        controller.closed.connect(self._let_go)
        panel.action_pressed.connect(controller.do)
        panel.selection_changed.connect(self._on_selection)
        panel.jump_asked.connect(self.jump_to)
        panel.name_given.connect(self.rename)
        panel.class_given.connect(self.set_class)
        panel.shown_changed.connect(self.set_shown)
        panel.colour_chosen.connect(self.set_colour)
        panel.rule_chosen.connect(self.set_rule)
        self.show()

    def show(self) -> None:
        """Make the table show what the session says."""
        workspace = self._controller.workspace
        self._panel.setEnabled(workspace is not None)
        if (workspace and workspace.session) is not self._shown:
            self._follow(workspace)
        if workspace is None:
            return
        session, panel = workspace.session, self._panel
        panel.refresh()
        if self._look(workspace).apply(workspace.layers.labels, session.object_ids):
            panel.model.repaint()
        panel.show_rule(session.overlap_rule)
        at_work = workspace.object_id, workspace.object_id in session.objects
        if at_work != self._at_work:
            self._at_work = at_work
            panel.select(workspace.object_id)

    @reporting
    def jump(self) -> None:
        """Show the object under work."""
        self._jump_to(self.one())

    @reporting
    def jump_to(self, object_id: int) -> None:
        """Show an object and work on it.

        Parameters
        ----------
        object_id : int
            The object.
        """
        self._jump_to(object_id)

    @reporting
    def reopen(self) -> None:
        """Work on a finished object again, with its prompts."""
        object_id = self.one()
        self._apply(ReopenObject(object_id))
        workspace = self._controller.in_use()
        plane = workspace.plane_or_none()
        if plane is not None and workspace.session.objects.is_on(object_id, plane):
            self._choose(object_id)
        else:
            self._jump_to(object_id)
        self.say(f"Object {object_id} is open again.")

    @reporting
    def switch_lock(self) -> None:
        """Lock the selected objects; unlock them if all are locked."""
        objects, session = self.several(), self._session
        locked = all(session.objects.summary(i).locked for i in objects)
        edits: list[Edit] = [
            UnlockObject(object_id) if locked else LockObject(object_id)
            for object_id in objects
        ]
        self._apply(*edits)
        self.say(
            f"{numbered('Object', objects)}: {'unlocked' if locked else 'locked'}."
        )

    @reporting
    def accept(self) -> None:
        """Keep the selected objects as they are and go to a new one."""
        workspace, objects = self._controller.in_use(), self.several()
        require_pixels(workspace.session, objects)
        workspace.apply(*map(Accept, objects))
        workspace.choose_object(workspace.next_id)
        one = f"Object {objects[0]} is kept."
        self.say(one if len(objects) == 1 else f"{len(objects)} objects are kept.")
        self._controller.update()

    @reporting
    def merge(self) -> None:
        """Make the selected objects one: the one under work, or the first."""
        workspace = self._controller.in_use()
        objects = self.several()
        first = workspace.object_id if workspace.object_id in objects else objects[0]
        edit = MergeObjects((first, *(i for i in objects if i != first)))
        self._do(edit, partial(workspace.choose_object, first))
        self.say(f"{numbered('Object', objects)}: now object {first}.")

    @reporting
    def delete(self) -> None:
        """Remove the selected objects and go to a new one."""
        workspace, objects = self._controller.in_use(), self.several()

        def go_on() -> None:
            workspace.choose_object(workspace.next_id)

        self._do(EditGroup(tuple(map(DeleteObject, objects))), go_on)
        them = "it" if len(objects) == 1 else "them"
        self.say(f"{numbered('Object', objects)}: deleted. Undo brings {them} back.")

    @reporting
    def rename(self, object_id: int, name: str) -> None:
        """Give an object a name.

        Parameters
        ----------
        object_id : int
            The object.
        name : str
            Not empty.
        """
        self._apply(RenameObject(object_id, name))

    @reporting
    def set_class(self, object_ids: tuple[int, ...], class_name: str) -> None:
        """Say what kind of things objects are.

        Parameters
        ----------
        object_ids : tuple of int
            The objects.
        class_name : str
            Empty for none.
        """
        self._apply(*(SetClass(object_id, class_name) for object_id in object_ids))

    @reporting
    def set_rule(self, rule: str) -> None:
        """Say who gets a pixel that two objects want.

        Parameters
        ----------
        rule : str
            One of `OVERLAP_RULES`.
        """
        self._apply(SetOverlapRule(rule))

    @reporting
    def set_shown(self, object_ids: tuple[int, ...], shown: bool) -> None:
        """Show or hide objects.

        Parameters
        ----------
        object_ids : tuple of int
            The objects.
        shown : bool
            Whether they are seen.
        """
        self._look(self._controller.in_use()).show(object_ids, shown)
        self.show()

    @reporting
    def set_colour(self, object_ids: tuple[int, ...], colour: Colour) -> None:
        """Give objects a colour.

        Parameters
        ----------
        object_ids : tuple of int
            The objects.
        colour : (red, green, blue, alpha)
            0 to 1.
        """
        self._look(self._controller.in_use()).paint(object_ids, colour)
        self.show()

    def _on_selection(self, object_ids: tuple[int, ...]) -> None:
        workspace = self._controller.workspace
        if len(object_ids) == 1 and workspace is not None:
            self._at_work = object_ids[0], True
            if workspace.object_id != object_ids[0]:
                self._controller.choose_object(object_ids[0])

    @property
    def _session(self) -> Session:
        return self._controller.in_use().session

    def several(self, or_else: str = OR_SEVERAL) -> tuple[int, ...]:
        """Return the selected objects, or the one under work, or say what to do."""
        workspace = self._controller.in_use()
        objects = self._panel.selected or (object_at_work(workspace, or_else),)
        for object_id in objects:
            workspace.session.objects.summary(object_id)
        return objects

    def one(self) -> int:
        """Return the one selected object, or the one under work.

        Returns
        -------
        int
            The object.

        Raises
        ------
        SessionError
            If several are selected, or there is none.
        """
        objects = self.several("")
        if len(objects) != 1:
            raise SessionError(
                f"Expected one selected object, got {len(objects)}. Select one."
            )
        return objects[0]

    def _apply(self, *edits: Edit) -> None:
        workspace = self._controller.in_use()
        try:
            workspace.apply(*edits)
        finally:
            workspace.repaint()
            self._controller.update()

    def _do(self, entry: Doable, on_begun: Callable[[], None]) -> None:
        """Do what may change many pixels; then the objects are as they will be."""
        workspace = self._controller.in_use()
        workspace.layers.drop_outline()
        work = workspace.session.doing(entry)
        self._controller.objects.passes.do(workspace, work, on_begun)

    def _choose(self, object_id: int) -> None:
        workspace = self._controller.in_use()
        workspace.choose_object(object_id)
        self._controller.update()

    def _jump_to(self, object_id: int) -> None:
        workspace = self._controller.in_use()
        workspace.session.under_way.finish()
        voxel = _voxel_to_look_at(workspace, object_id)
        show_voxel(self._controller.viewer, workspace.frame, voxel)
        self._choose(object_id)

    def _look(self, workspace: Workspace) -> ObjectLook:
        if workspace.session not in self._looks:
            for other in self._looks.values():
                other.leave(workspace.layers.labels)
            self._looks[workspace.session] = look = ObjectLook()
            look.recoloured.connect(self.show)
        return self._looks[workspace.session]

    def _let_go(self) -> None:
        for look in self._looks.values():
            look.apply(None, [])

    def _follow(self, workspace: Workspace | None) -> None:
        self._at_work = 0, False
        if workspace is None:
            self._shown = None
            self._panel.model.follow(None, None, 1.0, "")
            return
        self._shown, look = workspace.session, self._look(workspace)
        look.apply(workspace.layers.labels, workspace.session.object_ids)
        self._panel.model.follow(
            workspace.session.objects, look, *voxel_size(workspace.frame)
        )


def _voxel_to_look_at(workspace: Workspace, object_id: int) -> tuple[int, ...]:
    """Return a place on an anchor of the object, or on the middle of its slices."""
    session = workspace.session
    for plane in reversed(session.anchors(object_id)):
        points, signs = session.prompts(object_id, plane).all_points()
        if signs.any():
            voxel = np.zeros(plane.ndim)
            voxel[list(plane.other_axes)] = plane.position
            voxel[list(plane.axes)] = points[signs][0]
            return tuple(np.rint(voxel).astype(int).tolist())
    return session.objects.voxel_to_look_at(object_id)
