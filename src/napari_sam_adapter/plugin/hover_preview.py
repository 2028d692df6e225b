"""What a click here would give, shown while the mouse moves."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.mask_overlay import MaskOverlay
from napari_sam_adapter.plugin.state import Message, Press, Tool
from napari_sam_adapter.volume.windows import is_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.results import MaskRequest, PlaneResult
    from napari_sam_adapter.volume.session import Session

COLOUR = "#ffffff"


STEP = 64
"""Pixels that the mouse has to go for another part of a large plane."""


class HoverPreview:
    """A light mask under the mouse that is no edit.

    Only with the point tool, and only on planes that are encoded; the plane in view is
    encoded when it is asked for. Positions are skipped while one is computed.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._state = controller.state
        self.overlay = MaskOverlay(controller.viewer, "SAM preview", [COLOUR], True)
        self._queue = controller.segmenter.queue
        self._wanted: MaskRequest | None = None
        self._computed: MaskRequest | None = None
        self._prefetched: Any = None
        controller.add_commands({"switch_preview": self.switch})
        controller.viewer.mouse_move_callbacks.append(self._on_move)
        controller.updated.connect(self._on_updated)
        controller.closed.connect(self._close)
        self._state.events.tool.connect(self.clear)

    def switch(self) -> None:
        """Turn the preview on or off."""
        self._state.preview = on = not self._state.preview
        self.clear()
        if not on:
            self.overlay.close()
        elif not self._controller.segmenter.is_loaded:
            self._controller.load_model()
        text = "Move the mouse over the image." if on else "The preview is off."
        self._state.message = Message(text)

    def clear(self) -> None:
        """Take the preview away until the mouse moves again."""
        self._wanted = self._prefetched = None
        self._queue.cancel(lambda job: job.owner is self)
        self.overlay.hide()

    def _on_updated(self) -> None:
        """Clear, unless the newest wish would be the same now."""
        wanted, workspace = self._wanted, self._controller.workspace
        if (
            wanted is None
            or workspace is None
            or workspace.plane_or_none() != wanted.plane
            or wanted.object_id not in (workspace.object_id, workspace.next_id)
            or not workspace.session.is_current(wanted)
        ):
            self.clear()

    def _close(self) -> None:
        self._controller.viewer.mouse_move_callbacks.remove(self._on_move)
        self._state.preview = False
        self.clear()
        self.overlay.close()

    def _on_move(self, viewer: Any, event: Any) -> None:
        workspace = self._controller.workspace
        is_wanted = self._state.preview and self._state.tool is Tool.POINTS
        if workspace is None or not is_wanted or event.is_dragging:
            return
        plane = workspace.plane_or_none()
        if plane is None or not self._is_ready(workspace, plane):
            return
        self.overlay.prepare(workspace.frame)
        data = np.asarray(workspace.frame.world_to_data(event.position))
        point = data[-plane.ndim :][list(plane.axes)]
        try:
            self._wanted = self._request(workspace, plane, point, event.modifiers)
        except SamAdapterError:
            self.clear()
        else:
            self._ask(workspace)

    def _is_ready(self, workspace: Workspace, plane: Plane) -> bool:
        """Whether a plane is encoded where the mouse is; if not, have it done once."""
        segmenter, session = self._controller.segmenter, workspace.session
        if not segmenter.is_loaded:
            return False
        near = workspace.focus()
        if session.is_encoded(plane, near):
            return True
        size = plane.shape(workspace.volume.shape)
        place = None
        if near and session.predictor and is_large(size, session.predictor.image_size):
            place = tuple(round(value / STEP) for value in near)
        key = workspace, plane, session.predictor, place
        if key != self._prefetched:
            self._prefetched = key
            segmenter.prefetch(workspace, plane)
        return False

    def _request(
        self,
        workspace: Workspace,
        plane: Plane,
        point: npt.NDArray[np.float64],
        modifiers: Any,
    ) -> MaskRequest:
        session, object_id = workspace.session, workspace.object_id
        press = Press(shift="Shift" in modifiers)
        positive = self._state.positive and not self._state.background_press.fits(press)
        if self._controller.is_new_object(positive) and workspace.known_prompts():
            object_id = workspace.next_id
        known = session.prompts(object_id, plane)
        if known.is_empty:
            known = replace(known, reduction=workspace.level.reduction(plane.axes))
        prompts = known.with_point((float(point[0]), float(point[1])), positive)
        prompts.check_inside(plane.shape(session.labels.shape))
        self._state.understood.check(prompts)
        return session.request(object_id, plane, prompts)

    def _ask(self, workspace: Workspace) -> None:
        """Compute the newest position when its turn comes, one at a time."""
        if self._queue.has(Priority.PREVIEW):
            return
        self._queue.submit(
            Job(
                owner=self,
                key="preview",
                priority=Priority.PREVIEW,
                steps=self._newest(workspace.session),
                on_result=partial(self._show, workspace),
                on_error=self._on_error,
                on_end=partial(self._on_end, workspace),
            )
        )

    def _newest(self, session: Session) -> Iterator[PlaneResult]:
        # Runs on the worker thread; the main thread may set another wish meanwhile.
        self._computed = request = self._wanted
        if request is not None:
            yield session.compute(request)

    def _show(self, workspace: Workspace, result: PlaneResult) -> None:
        assert result.prediction is not None  # only propagations come without
        mask = workspace.session.preferred_mask(result.prediction)
        self.overlay.show(workspace.frame, result.plane, [mask])

    def _on_error(self, error: SamAdapterError) -> None:
        """Say nothing: the same error comes with the click."""
        self._wanted = None

    def _on_end(self, workspace: Workspace) -> None:
        if self._wanted is not None and self._wanted is not self._computed:
            self._ask(workspace)
