"""On large planes, what a click under a resting mouse needs is encoded before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import Job, Priority, ignore
from napari_sam_adapter.plugin.state import Tool
from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.plugin.under_mouse import point_of
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.glancing import is_in_parts, look_ahead

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.plane import Plane

REST = 100
"""Milliseconds without a move after which the mouse rests."""


class MouseAhead:
    """Looks ahead where the mouse rests with the point tool in hand.

    A whole plane is encoded when it is in view; of a large one only parts are, and
    which ones is told by the mouse.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    looked = Signal()
    """Emitted when all is encoded that a first click under the mouse needs."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._queue = controller.segmenter.queue
        self._where: tuple[Workspace, Plane, tuple[float, float]] | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST)
        self._timer.timeout.connect(self._on_rest)
        controller.viewer.mouse_move_callbacks.append(self._on_move)
        controller.closed.connect(self._close)

    def _on_move(self, viewer: Any, event: Any) -> None:
        workspace = self._controller.workspace
        has_tool = self._controller.state.tool is Tool.POINTS
        if workspace is None or not has_tool or event.is_dragging:
            return
        plane = workspace.plane_or_none()
        if plane is not None and self._controller.segmenter.is_loaded:
            self._where = workspace, plane, point_of(workspace, plane, event)
            self._timer.start()

    def _on_rest(self) -> None:
        where, self._where = self._where, None
        if where is None or where[0] is not self._controller.workspace:
            return
        workspace, plane, point = where
        session = workspace.session
        prompts = workspace.level.seen(Prompts().with_point(point), plane)
        try:
            prompts.check_inside(plane.shape(session.labels.shape))
            request = session.request(workspace.next_id, plane, prompts)
        except SamAdapterError:  # told when it is clicked
            return
        if is_in_parts(request.predictor, plane):
            self._queue.submit(
                Job(
                    owner=workspace,
                    key="mouse",
                    priority=Priority.VIEW,
                    steps=look_ahead(request),
                    on_result=ignore,
                    on_error=ignore,
                    on_end=self.looked.emit,
                )
            )

    def _close(self) -> None:
        self._controller.viewer.mouse_move_callbacks.remove(self._on_move)
        self._where = None
        stop_for_good(self._timer)
