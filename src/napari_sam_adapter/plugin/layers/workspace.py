"""One image layer with its session and the three layers that show it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import PlaneError, SamAdapterError, SessionError
from napari_sam_adapter.plugin.layers import (
    labels_layer,
    prompt_layers,
    prompt_shapes,
    strokes,
)
from napari_sam_adapter.plugin.layers.closeness import first_prompts, reduction_on
from napari_sam_adapter.plugin.layers.image_session import start_session
from napari_sam_adapter.plugin.layers.layer_trio import LayerTrio
from napari_sam_adapter.plugin.viewing.viewer_planes import plane_in_view
from napari_sam_adapter.volume.document.edits import Edit, NewObject, SetPrompts
from napari_sam_adapter.volume.planes.windows import Focus

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer, Points, Shapes

    from napari_sam_adapter.plugin.layers.image_level import ImageLevel
    from napari_sam_adapter.plugin.layers.workspace_owner import WorkspaceOwner
    from napari_sam_adapter.plugin.state import Press, Tool
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.planes.planes import Plane, Volume
    from napari_sam_adapter.volume.session.session import Session


class Workspace:
    """One image layer, its session, and the layers that are the view of it.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    level : ImageLevel
        The image to segment, at one of its levels; is let go of in the end.
    owner : WorkspaceOwner
        Whom to tell.
    labels : int array or None
        Objects that are there already; written in place.

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    """

    commands_waiting: int
    """Commands that were asked for during a stroke, for what was selected then."""

    def __init__(
        self,
        viewer: ViewerModel,
        level: ImageLevel,
        owner: WorkspaceOwner,
        labels: npt.NDArray[np.integer[Any]] | None = None,
    ) -> None:
        self.image = level.image
        self.level = level
        self.session = start_session(self.level, labels)
        self.object_id = self.next_id
        self.commands_waiting = 0
        self.layers = LayerTrio(viewer, self.frame, self)
        self._viewer = viewer
        self._owner = owner
        self._refused: SamAdapterError | None = None

    @property
    def frame(self) -> Layer:
        """The layer whose data coordinates are those of the session."""
        return self.level.frame

    @property
    def volume(self) -> Volume:
        """The image through its present intensity window."""
        return self.session.volume

    @property
    def next_id(self) -> int:
        """The number of the next new object; it is made by its first prompt."""
        try:
            return self.session.next_id
        except SessionError:  # told when it shall be made
            return max(self.session.object_ids) + 1

    @property
    def object_ids(self) -> tuple[int, ...]:
        """All objects and the one under work, which may have no prompt yet."""
        return tuple(sorted({*self.session.object_ids, self.object_id}))

    @property
    def has_work(self) -> bool:
        """Whether the session has objects or edits, or is being written."""
        session, edits = self.session, self.session.log.edit_count
        return bool(edits or session.object_ids or session.under_way.is_busy)

    def plane_in_view(self) -> Plane:
        """Return the plane of the image that the viewer shows.

        Returns
        -------
        Plane
            In pixels of the level.

        Raises
        ------
        PlaneError
            If there is none, see `viewer_planes`, or it lies outside the image.
        """
        plane = plane_in_view(self._viewer, self.frame)
        plane.check(self.session.labels.shape)
        return plane

    def plane_or_none(self) -> Plane | None:
        """Return the plane of the image that the viewer shows, if there is one.

        Returns
        -------
        Plane or None
            None where `plane_in_view` raises.
        """
        try:
            return self.plane_in_view()
        except PlaneError:
            return None

    def focus(self) -> Focus | None:
        """Return where the mouse is on the plane in view.

        Returns
        -------
        Focus or None
            None without a plane.
        """
        if (plane := self.plane_or_none()) is None:
            return None
        position = self._viewer.cursor.position[-self.frame.ndim :]
        point = self.frame.world_to_data(position)
        row, column = (float(point[axis]) for axis in plane.axes)
        return Focus(row, column, reduction_on(self, plane.axes))

    def seed_in_view(self) -> Plane | None:
        """Return where a propagation begins: the plane in view, if it has a mask.

        Returns
        -------
        Plane or None
            None leaves the choice to the session, also where the user worked on the
            object in other views only: what is seen here is a line of its mask there.
        """
        plane, asked = self.plane_in_view(), self.session.anchors(self.object_id)
        if asked and all(set(other.axes) != set(plane.axes) for other in asked):
            return None
        has_mask = bool((plane.view(self.session.labels) == self.object_id).any())
        return plane if has_mask else None

    def is_seen(self, changes: Iterable[Change]) -> bool:
        """Return whether changes lie in the slice that the viewer shows.

        Parameters
        ----------
        changes : iterable of Change
            What the session did.

        Returns
        -------
        bool
            False in the 3-D view, where every frame costs the whole volume.
        """
        plane = self.plane_or_none()
        return plane is not None and any(
            change.plane == plane or set(change.plane.axes) != set(plane.axes)
            for change in changes
        )

    def use(self, tool: Tool) -> None:
        """Select a prompt layer and let the mouse draw in it.

        Parameters
        ----------
        tool : Tool
            Any but `Tool.NONE`. Layers that are gone are made again.
        """
        self.layers.ensure(self.session.labels)
        self.choose_object(self.object_id)
        self.layers.use(tool)

    def choose_object(self, object_id: int) -> None:
        """Make an object the one under work and show its prompts.

        Parameters
        ----------
        object_id : int
            An object of the session, or the next one.
        """
        self.object_id = object_id
        if self.layers.labels is not None:
            labels_layer.select(self.layers.labels, object_id)
        self.redraw()

    def take_session(self, session: Session) -> None:
        """Show another session of the same image, and work on its last open object.

        Parameters
        ----------
        session : Session
            Takes the place of the one before.
        """
        self.session = session
        self.layers.ensure(session.labels)
        session.written.take()  # all is shown
        self.layers.exchange(session.labels)
        self.choose_object(session.objects.last_open or self.next_id)

    def known_prompts(self) -> dict[Plane, Prompts]:
        """Return the prompts of the object under work.

        Returns
        -------
        dict of Plane to Prompts
            Without empty ones.
        """
        if self.object_id not in self.session.object_ids:
            return {}
        planes = self.session.anchors(self.object_id)
        found = {plane: self.session.prompts(self.object_id, plane) for plane in planes}
        return {at: asked for at, asked in found.items() if not asked.is_empty}

    def planes_without_mask(self) -> list[Plane]:
        """Return where the prompts of the object under work are newer than its mask.

        Returns
        -------
        list of Plane
            Those that are to be segmented.
        """
        needs_mask = partial(self.session.needs_mask, self.object_id)
        return list(filter(needs_mask, self.known_prompts()))

    def apply(self, *edits: Edit) -> None:
        """Carry out edits as one step; an outline that is not closed is taken back.

        Parameters
        ----------
        *edits : Edit
            One edit, or several that belong together.

        Raises
        ------
        SamAdapterError
            As `Session.apply`.
        """
        self.layers.drop_outline()
        self.session.apply(*edits)

    def redraw(self) -> None:
        """Make the prompt layers show what the session says."""
        self.layers.redraw(self.known_prompts())

    def repaint(self) -> None:
        """Make the Labels layer show what the session wrote since the last time."""
        self.layers.repaint(self.session.labels, self.session.written.take())

    def close(self) -> None:
        """Let go of the image and all layers, which stay and show what is done."""
        self.session.under_way.finish()
        if written := self.session.written.take():
            self.layers.repaint(self.session.labels, written)
        self.layers.close()
        self.level.close()

    # What the layers tell: see `TrioListener`.

    def on_layer_added(self, layer: Layer) -> None:
        """Pass it on."""
        self._owner.on_layer_added(layer)

    def on_prompt_coming(self, layer: Points | Shapes, press: Press) -> None:
        """Say what it will be and where; refuse what cannot be segmented."""
        is_box = layer.mode == "add_rectangle"
        try:
            positive = is_box or self._owner.sign_of_press(press)
            axes = self.plane_in_view().axes
        except SamAdapterError as error:
            self._refused = error
            return
        if layer is self.layers.points:
            if self._owner.is_new_object(positive) and self.known_prompts():
                self.choose_object(self.next_id)
            prompt_layers.set_next_point(layer, positive, axes)
        else:
            prompt_shapes.set_next_shape(layer, positive, axes)

    def on_prompts_edited(self) -> None:
        """Turn what the user did into edits of the session."""
        error, self._refused = self._refused, None
        if error is None:
            try:
                self._take_prompts()
            except SamAdapterError as raised:
                error = raised
        if error is not None:
            self._owner.report(error)
        # Not at once: napari is not done with a shape while it tells of it.
        QTimer.singleShot(0, partial(self._tidy, error is not None))

    def on_stroke(self, layer: Labels, atoms: list[Any]) -> None:
        """Make a stroke of napari's brush an edit, so that undo covers it."""
        strokes.take_over(self, self._owner, layer, atoms)

    def on_label_selected(self, label: int) -> None:
        """Pass it on if it is another object."""
        if label != self.object_id and label in self.session.object_ids:
            self._owner.on_object_picked(self, label)

    def _take_prompts(self) -> None:
        known = self.known_prompts()
        changed = self.layers.changed_prompts(known, self.session.labels.shape)
        for plane in changed.keys() - known.keys():
            changed[plane] = first_prompts(self, changed[plane], plane)
        edits: list[Edit] = [
            SetPrompts(self.object_id, plane, prompts)
            for plane, prompts in changed.items()
        ]
        if edits and self.object_id not in self.session.object_ids:
            edits.insert(0, NewObject(self.object_id))
        if edits:
            self.apply(*edits)
        self.layers.decorate()
        self._owner.on_prompts_changed(self, list(changed))

    def _tidy(self, was_refused: bool) -> None:
        """Take back in the layers what does not count: refused, tiny, replaced."""
        self.layers.bring_back_masks(self.session.labels)
        known = self.known_prompts()
        if was_refused or self.layers.shows_more(known, self.session.labels.shape):
            self.layers.redraw(known)
