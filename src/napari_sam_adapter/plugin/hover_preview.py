"""What a click here would give, shown while the mouse moves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.mask_overlay import MaskOverlay
from napari_sam_adapter.plugin.state import Message, Press, Tool
from napari_sam_adapter.prompts import Prompts

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.results import MaskRequest, PlaneResult

COLOUR = "#ffffff"


class HoverPreview:
    """A light mask under the mouse that is no edit.

    Only with the point tool, and only on planes that are encoded; the plane in view is
    encoded when it is asked for. The newest position alone is computed.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._state = controller.state
        self.overlay = MaskOverlay(controller.viewer, "SAM preview", [COLOUR], True)
        self._wanted: MaskRequest | None = None
        self._prefetched: Any = None
        controller.add_commands({"switch_preview": self.switch})
        controller.viewer.mouse_move_callbacks.append(self._on_move)
        controller.updated.connect(self.clear)
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
        self._wanted = None
        self._controller.segmenter.queue.cancel(lambda job: job.owner is self)
        self.overlay.hide()

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
        data = np.asarray(workspace.image.world_to_data(event.position))
        point = data[-plane.ndim :][list(plane.axes)]
        try:
            prompts = self._prompts_at(workspace, plane, point, event.modifiers)
            prompts.check_inside(plane.shape(workspace.session.labels.shape))
            self._state.understood.check(prompts)
        except SamAdapterError:
            self.clear()
            return
        self._ask(workspace, plane, prompts)

    def _is_ready(self, workspace: Workspace, plane: Plane) -> bool:
        """Whether a plane is encoded; if not, have that done, once."""
        segmenter, session = self._controller.segmenter, workspace.session
        if not segmenter.is_loaded:
            return False
        if session.is_encoded(plane):
            return True
        key = workspace, plane, session.predictor
        if key != self._prefetched:
            self._prefetched = key
            segmenter.prefetch(workspace, plane)
        return False

    def _prompts_at(
        self,
        workspace: Workspace,
        plane: Plane,
        point: npt.NDArray[np.float64],
        modifiers: Any,
    ) -> Prompts:
        press = Press(shift="Shift" in modifiers)
        positive = self._state.positive and not self._state.background_press.fits(press)
        begins = self._controller.is_new_object(positive)
        known = workspace.session.prompts(workspace.object_id, plane)
        known = Prompts() if begins else known
        return known.with_point((float(point[0]), float(point[1])), positive)

    def _ask(self, workspace: Workspace, plane: Plane, prompts: Prompts) -> None:
        session = workspace.session
        self._wanted = request = session.request(workspace.object_id, plane, prompts)
        self._controller.segmenter.queue.submit(
            Job(
                owner=self,
                key="preview",
                priority=Priority.PREVIEW,
                steps=map(session.compute, (request,)),
                on_result=partial(self._show, workspace, request),
                on_error=lambda error: None,
            )
        )

    def _show(
        self, workspace: Workspace, request: MaskRequest, result: PlaneResult
    ) -> None:
        assert result.prediction is not None  # only propagations come without
        if self._wanted is request:
            mask = workspace.session.preferred_mask(result.prediction)
            self.overlay.show(workspace.image, request.plane, [mask])
