"""Look through what a propagation did: jump to doubtful slices, lock, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.session_view import object_at_work
from napari_sam_adapter.plugin.state import FollowChoice, Message
from napari_sam_adapter.plugin.viewing.viewer_planes import show_plane
from napari_sam_adapter.volume.asking.reasons import REASONS
from napari_sam_adapter.volume.document.edits import EndHere, LockPlane, UnlockPlane

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.planes.planes import Plane
    from napari_sam_adapter.volume.session.review import SliceState


class VolumeReview(Feature):
    """Where an object was followed to, and how sure that is.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.add_commands(
            {
                "next_doubt": self.next_doubt,
                "lock_slice": self.lock_slice,
                "end_here": self.end_here,
            }
        )

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes of the image along which there are slices."""
        workspace = self._controller.workspace
        plane = workspace.plane_or_none() if workspace else None
        return plane.other_axes if plane else ()

    @property
    def axis_names(self) -> dict[int, str]:
        """The same axes as napari's sliders call them; numbers are no names."""
        dims = self._controller.viewer.dims
        workspace = self._controller.workspace
        before = dims.ndim - workspace.frame.ndim if workspace else 0
        names = {axis: dims.axis_labels[before + axis] for axis in self.axes}
        return {
            axis: f"axis {axis}" if name.lstrip("-").isdigit() else name
            for axis, name in names.items()
        }

    @property
    def axis(self) -> int | None:
        """The axis that is followed; None for a single plane."""
        axes, wanted = self.axes, self._controller.state.follow.axis
        if wanted in axes:
            return wanted
        return axes[-1] if axes else None

    @property
    def length(self) -> int:
        """Number of slices along the axis."""
        workspace, axis = self._controller.workspace, self.axis
        return 0 if workspace is None or axis is None else workspace.volume.shape[axis]

    @property
    def index(self) -> int | None:
        """The slice in view."""
        workspace, axis = self._controller.workspace, self.axis
        plane = workspace.plane_or_none() if workspace else None
        return None if plane is None or axis is None else plane.index_along(axis)

    def slices(self) -> dict[int, SliceState]:
        """Return what is known of the object under work on every slice.

        Returns
        -------
        dict of int to SliceState
            By index on the axis.
        """
        workspace, axis = self._controller.workspace, self.axis
        plane = workspace.plane_or_none() if workspace else None
        if workspace is None or plane is None or axis is None:
            return {}
        return workspace.session.slices(workspace.object_id, plane, axis)

    def choose(self, choice: FollowChoice) -> None:
        """Follow objects in another way from now on.

        Parameters
        ----------
        choice : FollowChoice
            Axis, range, method, and which objects.
        """
        self._controller.state.follow = choice
        self._controller.update()

    @reporting
    def go_to(self, index: int) -> None:
        """Show a slice.

        Parameters
        ----------
        index : int
            On the axis.
        """
        workspace, axis = self._controller.workspace, self.axis
        plane = workspace.plane_or_none() if workspace else None
        if workspace is not None and plane is not None and axis is not None:
            self._show(workspace, plane.at(axis, index))

    @reporting
    def next_doubt(self) -> None:
        """Go to the slice that most needs a look; again: to the next one."""
        workspace = self._controller.in_use()
        doubts = workspace.session.doubts(object_at_work(workspace))
        seen = workspace.plane_or_none()
        places = [doubt.plane for doubt in doubts]
        number = places.index(seen) + 1 if seen in places else 0
        if number == len(doubts):
            raise SessionError(
                f"Expected doubtful slices of object {workspace.object_id}, got none "
                "that was not shown. Accept it, or follow it further."
            )
        doubt = doubts[number]
        self._show(workspace, doubt.plane)
        reason = doubt.reason if doubt.reason in REASONS else "it could not be read"
        why = f": {reason}" if reason else ""
        text = f"{number + 1} of {len(doubts)}, confidence {doubt.confidence:.2f}{why}."
        self._controller.state.message = Message(f"Doubtful slice {text}")

    @reporting
    def lock_slice(self) -> None:
        """Keep the object on the slice in view as it is, or let it go again."""
        workspace = self._controller.in_use()
        plane, number = workspace.plane_in_view(), workspace.object_id
        is_locked = workspace.session.is_locked(number, plane)
        edit = UnlockPlane if is_locked else LockPlane
        workspace.apply(edit(number, plane))
        state = "open again" if is_locked else "locked"
        self._controller.state.message = Message(f"Object {number} is {state} here.")
        self._controller.update()

    @reporting
    def end_here(self) -> None:
        """Say that the object is not on the slice in view."""
        workspace = self._controller.in_use()
        plane, number = workspace.plane_in_view(), workspace.object_id
        self._controller.segmenter.stop_propagation()
        workspace.apply(EndHere(number, plane))
        workspace.redraw()
        workspace.repaint()
        self._controller.state.message = Message(f"Object {number} ends before here.")
        self._controller.update()

    def _show(self, workspace: Workspace, plane: Plane) -> None:
        show_plane(self._controller.viewer, workspace.frame, plane)
