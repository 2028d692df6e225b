"""On large planes, what clicks near a resting mouse need is encoded before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import Job, Priority, ignore
from napari_sam_adapter.plugin.layers.closeness import first_prompts
from napari_sam_adapter.plugin.network.under_mouse import point_of
from napari_sam_adapter.plugin.state import Tool
from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.glancing import (
    is_in_parts,
    look_ahead,
    look_around,
)
from napari_sam_adapter.volume.planes.windows import Focus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.asking.results import MaskRequest
    from napari_sam_adapter.volume.planes.plane import Plane

REST = 100
"""Milliseconds without a move after which the mouse rests."""
LONG_REST = 1000
"""Milliseconds more until that is encoded which is around it."""


class _Place(NamedTuple):
    """Where the mouse rests; no network, which may be another one soon."""

    workspace: Workspace
    plane: Plane
    point: tuple[float, float]


class MouseAhead:
    """Looks ahead where the mouse rests with the point tool in hand.

    A whole plane is encoded when it is in view; of a large one only parts are, and
    which ones is told by the mouse: that under it first; after a longer rest, while
    nothing else is to be done and until the next move or click, those around it.

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
        self._where: _Place | None = None
        self._around: _Place | None = None
        self._timer, self._later = QTimer(), QTimer()
        for timer, delay in ((self._timer, REST), (self._later, LONG_REST)):
            timer.setSingleShot(True)
            timer.setInterval(delay)
        self._timer.timeout.connect(self._on_rest)
        self._later.timeout.connect(self._on_long_rest)
        controller.segmenter.asked.connect(self._stop_around, max_args=0)
        controller.state.events.loaded.connect(self._stop_around, max_args=0)
        controller.viewer.mouse_move_callbacks.append(self._on_move)
        controller.closed.connect(self._close)

    def _on_move(self, viewer: Any, event: Any) -> None:
        self._stop_around()
        workspace = self._controller.workspace
        has_tool = self._controller.state.tool is Tool.POINTS
        if workspace is None or not has_tool or event.is_dragging:
            return
        plane = workspace.plane_or_none()
        if plane is not None and self._controller.segmenter.is_loaded:
            self._where = _Place(workspace, plane, point_of(workspace, plane, event))
            self._timer.start()

    def _on_rest(self) -> None:
        where, self._where = self._where, None
        request = self._request_at(where)
        if where is not None and request is not None:
            steps, on_end = look_ahead(request), self.looked.emit
            self._submit(where.workspace, Priority.VIEW, steps, on_end)
            self._around = where
            self._later.start()

    def _on_long_rest(self) -> None:
        where, self._around = self._around, None
        request = self._request_at(where)  # the network may be another by now
        if where is not None and request is not None:
            focus = Focus(*where.point, request.prompts.reduction)
            steps = look_around(request.predictor, where.plane, focus)
            self._submit(where.workspace, Priority.IDLE, steps)

    def _request_at(self, where: _Place | None) -> MaskRequest | None:
        """Return what a first click would ask, if that is looked at in parts."""
        segmenter = self._controller.segmenter
        if where is None or where.workspace is not self._controller.workspace:
            return None
        workspace, plane, point = where
        session = workspace.session
        if not segmenter.is_loaded or session.predictor is not segmenter.predictor:
            return None
        prompts = first_prompts(workspace, Prompts().with_point(point), plane)
        try:
            prompts.check_inside(plane.shape(session.labels.shape))
            request = session.request(workspace.next_id, plane, prompts)
        except SamAdapterError:  # told when it is clicked
            return None
        return request if is_in_parts(request.predictor, plane) else None

    def _stop_around(self) -> None:
        self._around = None
        if self._queue.has(Priority.IDLE):
            self._queue.cancel(lambda job: job.priority is Priority.IDLE)

    def _submit(
        self,
        workspace: Workspace,
        priority: Priority,
        steps: Iterator[None],
        on_end: Callable[[], None] = ignore,
    ) -> None:
        key = "mouse", priority
        self._queue.submit(Job(workspace, key, priority, steps, ignore, ignore, on_end))

    def _close(self) -> None:
        self._controller.viewer.mouse_move_callbacks.remove(self._on_move)
        self._where = self._around = None
        stop_for_good(self._timer, self._later)
