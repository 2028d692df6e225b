"""What a click here would give, shown while the mouse moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.layers.mask_overlay import MaskOverlay
from napari_sam_adapter.plugin.network.under_mouse import point_of, request_of_click
from napari_sam_adapter.plugin.state import Message, Tool
from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.volume.asking.glancing import can_glance, glance, is_in_parts
from napari_sam_adapter.volume.document.objects import same_prompts
from napari_sam_adapter.volume.planes.windows import Focus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.volume.asking.results import MaskRequest

COLOUR = "#ffffff"
STEP = 64
"""Pixels that the mouse has to go for another part of a large plane."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What shall be shown.

    Parameters
    ----------
    workspace : Workspace
        Of the image.
    request : MaskRequest
        What a click would ask.
    revision : int
        State of the object on the plane.
    """

    workspace: Workspace
    request: MaskRequest
    revision: int

    @classmethod
    def of(cls, workspace: Workspace, request: MaskRequest) -> Wish:
        """Return a wish as of now.

        Parameters
        ----------
        workspace : Workspace
            Of the image.
        request : MaskRequest
            What a click would ask.

        Returns
        -------
        Wish
            Until the object changes there.
        """
        revision = workspace.session.revision(request.object_id, request.plane)
        return cls(workspace, request, revision)

    def asks_the_same_as(self, other: Wish) -> bool:
        """Return whether both would get the same answer.

        Parameters
        ----------
        other : Wish
            An earlier one.

        Returns
        -------
        bool
            True if the mouse did not move.
        """
        one, two = self.request, other.request
        return (
            (one.object_id, one.plane) == (two.object_id, two.plane)
            and one.predictor is two.predictor
            and self.revision == other.revision
            and same_prompts(one.prompts, two.prompts)
            and one.prompts.reduction == two.prompts.reduction
        )

    def fits(self, workspace: Workspace | None) -> bool:
        """Return whether the same would be asked now.

        Parameters
        ----------
        workspace : Workspace or None
            The image in use.

        Returns
        -------
        bool
            False on another image or plane, with another object under work, and after
            it or the network changed.
        """
        request, session = self.request, self.workspace.session
        return (
            workspace is self.workspace
            and workspace.plane_or_none() == request.plane
            and request.object_id in (workspace.object_id, workspace.next_id)
            and session.revision(request.object_id, request.plane) == self.revision
        )


class HoverPreview:
    """A light mask under the mouse that is no edit.

    Only with the point tool, and only on planes that are encoded; the plane in view is
    encoded when it is asked for. Positions are skipped while one is computed.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    drawing = Signal()
    """Emitted before a preview is put on the canvas."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._state = controller.state
        self.overlay = MaskOverlay(controller.viewer, "SAM preview", [COLOUR])
        self._queue = controller.segmenter.queue
        self._wanted: Wish | None = None
        self._computed: Wish | None = None
        self._prefetched: Any = None
        self._tool_timer = QTimer()
        self._tool_timer.setSingleShot(True)
        self._tool_timer.setInterval(0)
        self._tool_timer.timeout.connect(self._on_updated)
        controller.add_commands({"switch_preview": self.switch})
        controller.viewer.mouse_move_callbacks.append(self._on_move)
        controller.updated.connect(self._on_updated)
        controller.closed.connect(self._close)
        # The tool may be back at once, as when a layer is added.
        self._state.events.tool.connect(self._tool_timer.start, max_args=0)

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

    def look_again(self) -> None:
        """Compute the preview under the mouse anew, because more is encoded now."""
        if self._wanted is not None:
            self._computed = None
            self._ask()

    def _on_updated(self) -> None:
        """Clear, unless the newest wish is still one."""
        wanted, is_wanted = self._wanted, self._state.tool is Tool.POINTS
        if not is_wanted or not wanted or not wanted.fits(self._controller.workspace):
            self.clear()

    def _close(self) -> None:
        self._controller.viewer.mouse_move_callbacks.remove(self._on_move)
        self._state.preview = False
        self.clear()
        stop_for_good(self._tool_timer)
        self.overlay.close()

    def _on_move(self, viewer: Any, event: Any) -> None:
        workspace = self._controller.workspace
        is_wanted = self._state.preview and self._state.tool is Tool.POINTS
        if workspace is None or not is_wanted or event.is_dragging:
            return
        plane = workspace.plane_or_none()
        if plane is None or not self._controller.segmenter.is_loaded:
            return
        self.overlay.prepare(workspace.level)
        if workspace.session.predictor is None:
            self._controller.segmenter.prefetch(workspace, plane)
            return
        point = point_of(workspace, plane, event)
        try:
            request = request_of_click(
                self._controller, workspace, plane, point, event.modifiers
            )
        except SamAdapterError:
            self.clear()
        else:
            wish, last = Wish.of(workspace, request), self._wanted
            if last is None or not wish.asks_the_same_as(last):
                self._wanted = wish
            if self._is_ready(workspace, request, point):
                self._ask()

    def _is_ready(
        self, workspace: Workspace, request: MaskRequest, point: tuple[float, float]
    ) -> bool:
        """Whether there is something to look at; what is missing is encoded once."""
        predictor, plane = request.predictor, request.plane
        if can_glance(predictor, plane, Focus(*point, request.prompts.reduction)):
            return True
        in_parts = is_in_parts(predictor, plane)
        place = tuple(round(value / STEP) for value in point) if in_parts else None
        key = predictor, plane, place
        if key != self._prefetched:
            self._prefetched = key
            self._controller.segmenter.prefetch(workspace, plane)
        return False

    def _ask(self) -> None:
        """Compute the newest wish when its turn comes, one at a time."""
        if self._queue.has(Priority.PREVIEW):
            return
        self._queue.submit(
            Job(
                owner=self,
                key="preview",
                priority=Priority.PREVIEW,
                steps=self._newest(),
                on_result=self._show,
                on_error=self._on_error,
                on_end=self._on_end,
            )
        )

    def _newest(self) -> Iterator[tuple[Wish, MaskPrediction]]:
        # Runs on the worker thread; the main thread may set another wish meanwhile. It
        # is computed at once, while the frame with the last one is drawn.
        while (wish := self._wanted) is not None and wish is not self._computed:
            self._computed = wish
            yield wish, glance(wish.request)

    def _show(self, found: tuple[Wish, MaskPrediction]) -> None:
        wish, prediction = found
        workspace = wish.workspace
        best = workspace.session.preferred(prediction)
        plane = wish.request.plane
        self.drawing.emit()
        self.overlay.show(workspace.level, plane, [best.boxed_mask], is_filled=True)

    def _on_error(self, error: SamAdapterError) -> None:
        """Say nothing: the same error comes with the click."""
        self._wanted = None

    def _on_end(self) -> None:
        if self._wanted is not None and self._wanted is not self._computed:
            self._ask()
