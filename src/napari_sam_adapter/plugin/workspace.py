"""One image layer with its session and the three layers that show it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import PlaneError, SamAdapterError
from napari_sam_adapter.plugin import (
    labels_layer,
    prompt_layers,
    prompt_reading,
    prompt_shapes,
)
from napari_sam_adapter.plugin.layer_trio import LayerTrio
from napari_sam_adapter.plugin.viewer_planes import plane_in_view
from napari_sam_adapter.volume.axes import spacing_of
from napari_sam_adapter.volume.edits import Edit, NewObject, SetPrompts
from napari_sam_adapter.volume.planes import Volume
from napari_sam_adapter.volume.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer, Points, Shapes

    from napari_sam_adapter.plugin.state import Press, Tool
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.changes import Change
    from napari_sam_adapter.volume.planes import Plane

AXIS_LETTERS = "tuzyx"


class WorkspaceOwner(Protocol):
    """Whom a workspace tells what the user did in its layers."""

    def on_layer_added(self, layer: Layer) -> None:
        """Learn that a layer of a workspace came into the viewer."""

    def on_prompts_changed(self, workspace: Workspace, planes: list[Plane]) -> None:
        """Learn on which planes the prompts of the object under work changed."""

    def on_labels_edited(self, workspace: Workspace) -> None:
        """Learn that the masks were painted by hand."""

    def on_object_picked(self, workspace: Workspace, object_id: int) -> None:
        """Learn that the user picked another object in the Labels layer."""

    def sign_of_press(self, press: Press) -> bool:
        """Return whether a press marks the object; refuse what is not understood."""

    def is_new_object(self, positive: bool) -> bool:
        """Return whether a prompt shall begin an object of its own."""

    def report(self, error: SamAdapterError) -> None:
        """Learn that something cannot be done."""


class Workspace:
    """One image layer, its session, and the layers that are the view of it.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    image : Image
        The image to segment.
    owner : WorkspaceOwner
        Whom to tell.

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    """

    def __init__(
        self, viewer: ViewerModel, image: Image, owner: WorkspaceOwner
    ) -> None:
        self.image = image
        self.volume = _as_volume(image)
        self.session = Session(self.volume, spacing=_spacing(image))
        self.object_id = self.next_id
        self.layers = LayerTrio(viewer, image, self)
        self._viewer = viewer
        self._owner = owner
        self._refused: SamAdapterError | None = None

    @property
    def next_id(self) -> int:
        """The number of the next new object; it is made by its first prompt."""
        return max(self.session.object_ids, default=0) + 1

    @property
    def object_ids(self) -> tuple[int, ...]:
        """All objects and the one under work, which may have no prompt yet."""
        return tuple(sorted({*self.session.object_ids, self.object_id}))

    def plane_in_view(self) -> Plane:
        """Return the plane of the image that the viewer shows.

        Returns
        -------
        Plane
            In data coordinates of the image.

        Raises
        ------
        PlaneError
            If there is none, see `viewer_planes`, or it lies outside the image.
        """
        plane = plane_in_view(self._viewer, self.image)
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

    def seed_in_view(self) -> Plane | None:
        """Return where a propagation begins: the plane in view, if it has a mask.

        Returns
        -------
        Plane or None
            None leaves the choice to the session.
        """
        plane = self.plane_in_view()
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
            False in the 3-D view, where every repaint costs the whole volume.
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
            self.layers.labels.selected_label = object_id
        self.redraw()

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
        return {
            plane: prompts for plane, prompts in found.items() if not prompts.is_empty
        }

    def planes_without_mask(self) -> list[Plane]:
        """Return where the prompts of the object under work are newer than its mask.

        Returns
        -------
        list of Plane
            Those that are to be segmented.
        """
        return [
            plane
            for plane in self.known_prompts()
            if self.session.needs_mask(self.object_id, plane)
        ]

    def redraw(self) -> None:
        """Make the prompt layers show what the session says."""
        self.layers.redraw(self.known_prompts())

    def repaint(self) -> None:
        """Make the Labels layer show what the session wrote."""
        if self.layers.labels is not None:
            labels_layer.repaint(self.layers.labels, self.session.labels)

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
        try:
            axes = self._painted_axes()
            self.session.apply(*labels_layer.take_stroke(layer, atoms, axes))
        except SamAdapterError as error:
            self._owner.report(error)
        self.repaint()
        self._owner.on_labels_edited(self)

    def on_label_selected(self, label: int) -> None:
        """Pass it on if it is another object."""
        if label != self.object_id and label in self.session.object_ids:
            self._owner.on_object_picked(self, label)

    def _take_prompts(self) -> None:
        points, shapes = self.layers.points, self.layers.finished_shapes
        changed = prompt_reading.merge(points, shapes, self.known_prompts())
        edits: list[Edit] = [
            SetPrompts(self.object_id, plane, prompts)
            for plane, prompts in changed.items()
        ]
        if edits and self.object_id not in self.session.object_ids:
            edits.insert(0, NewObject(self.object_id))
        if edits:
            self.session.apply(*edits)
        if points is not None:
            prompt_layers.decorate(points)
        if shapes is not None:
            prompt_shapes.colour_shapes(shapes)
        self._owner.on_prompts_changed(self, list(changed))

    def _tidy(self, was_refused: bool) -> None:
        """Take back in the layers what does not count: refused, tiny, replaced."""
        known, layers = self.known_prompts(), self.layers
        shapes = layers.finished_shapes
        if was_refused or prompt_reading.shows_more(layers.points, shapes, known):
            layers.redraw(known)

    def _painted_axes(self) -> tuple[int, int]:
        plane = self.plane_or_none()
        return prompt_layers.last_axes(self.image) if plane is None else plane.axes


def _as_volume(image: Image) -> Volume:
    data = image.data[0] if image.multiscale else image.data
    axes = AXIS_LETTERS[-image.ndim :] + ("c" if image.rgb else "")
    return Volume(data, axes)


def _spacing(image: Image) -> tuple[float, ...]:
    units = [str(unit) for unit in image.units]
    return spacing_of(AXIS_LETTERS[-image.ndim :], image.scale, units)
