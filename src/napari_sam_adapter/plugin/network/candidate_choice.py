"""The masks that fit an ambiguous prompt: small pictures, outlines, and the choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer

from napari_sam_adapter.boxed_mask import common_box
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.layers.mask_overlay import MaskOverlay
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Choice, Message, Tool
from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.volume.asking.candidates import outlined
from napari_sam_adapter.volume.document.edits import ChooseCandidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.predictions import MaskCandidate
    from napari_sam_adapter.volume.asking.first_look import FirstLook
    from napari_sam_adapter.volume.planes.plane import Plane

COLOURS = ("#ffd23f", "#3fd2ff", "#ff8ad8")
"""Of the outlines, the best mask first."""
THUMBNAIL = 40
LOOK_DELAY = 100
"""Milliseconds after which outlines follow a mask though no frame showed it yet."""


class CandidateChoice(Feature):
    """Shows the candidates of the object under work and takes another of them.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.overlay = MaskOverlay(controller.viewer, "SAM candidates", COLOURS)
        self._shown: object = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_DELAY)
        self._timer.timeout.connect(self._look)
        controller.add_commands(
            {
                "next_candidate": lambda: self._step(1),
                "previous_candidate": lambda: self._step(-1),
            }
        )
        controller.updated.connect(self._look_soon)
        controller.state.events.tool.connect(self._look_soon)
        controller.segmenter.glimpsed.connect(self._show_first_look)
        controller.closed.connect(self._close)

    @reporting
    def choose(self, number: int) -> None:
        """Take one of the candidates; later clicks get one of the same size rank.

        Parameters
        ----------
        number : int
            From 0, the best first.
        """
        workspace = self._controller.in_use()
        self._choose(workspace, workspace.plane_in_view(), number)

    @reporting
    def _step(self, step: int) -> None:
        workspace = self._controller.in_use()
        plane, object_id = workspace.plane_in_view(), workspace.object_id
        count = len(workspace.session.candidates(object_id, plane))
        if count < 2:
            raise SessionError(
                "Expected a single click that fits several masks, got none on this "
                "slice. Click once on a new object."
            )
        chosen = workspace.session.chosen_candidate(object_id, plane)
        self._choose(workspace, plane, (chosen + step) % count)

    def _choose(self, workspace: Workspace, plane: Plane, number: int) -> None:
        edit = ChooseCandidate(workspace.object_id, plane, number, remember=True)
        workspace.apply(edit)
        workspace.repaint()
        self._controller.state.message = Message(
            f"Mask {number + 1} is taken; the next click gets one of that size."
        )
        self._controller.update()

    def on_mask_shown(self) -> None:
        """Show what waits: the mask goes first."""
        if self._timer.isActive():
            self._timer.stop()
            self._look()

    def _look_soon(self) -> None:
        self._timer.start()

    def _look(self) -> None:
        workspace = self._controller.workspace
        plane = None if workspace is None else workspace.plane_or_none()
        if workspace is None or plane is None:
            self._shown = None
            self._show_nothing()
            return
        if self._controller.state.tool is not Tool.NONE:
            self.overlay.prepare(workspace.level)  # ahead of the first click
        object_id, session = workspace.object_id, workspace.session
        shown = workspace, object_id, plane, session.revision(object_id, plane)
        if shown == self._shown:
            return
        self._shown = shown
        is_ambiguous = session.prompts(object_id, plane).is_ambiguous
        candidates = session.candidates(object_id, plane) if is_ambiguous else ()
        if len(candidates) < 2:
            self._show_nothing()
        else:
            self._show(workspace, plane, candidates)

    def _show(
        self, workspace: Workspace, plane: Plane, candidates: Sequence[MaskCandidate]
    ) -> None:
        state, session = self._controller.state, workspace.session
        is_trusted = session.score(workspace.object_id, plane) is not None
        masks = [candidate.boxed_mask for candidate in candidates]
        state.choices = tuple(
            Choice(candidate.score if is_trusted else None, thumbnail)
            for candidate, thumbnail in zip(candidates, thumbnails(masks), strict=True)
        )
        state.chosen = session.chosen_candidate(workspace.object_id, plane)
        outlines = outlined(candidates, state.chosen, is_trusted)
        self.overlay.show(workspace.level, plane, outlines)

    def _show_first_look(self, workspace: Workspace, look: FirstLook) -> None:
        """Show what one window shows of the object, until the answer comes."""
        if workspace is not self._controller.workspace:
            return
        session, plane = workspace.session, look.request.plane
        if workspace.plane_or_none() != plane or not session.is_current(look.request):
            return
        if self._timer.isActive():  # else it would take away what is shown here
            self._timer.stop()
            self._look()
        best = session.preferred(look.prediction)
        self.overlay.show(workspace.level, plane, [best.boxed_mask], is_filled=True)
        self._shown = None

    def _show_nothing(self) -> None:
        self._controller.state.choices = ()
        self.overlay.hide()

    def _close(self) -> None:
        stop_for_good(self._timer)
        self._shown = None
        self.overlay.close()


def thumbnails(masks: Sequence[BoxedMask]) -> list[npt.NDArray[np.bool_]]:
    """Return small pictures of masks, all cut to the square around them together.

    Parameters
    ----------
    masks : sequence of BoxedMask
        At least one, of planes of one shape.

    Returns
    -------
    list of (T, T) bool arrays
        In the same order.
    """
    top, left, bottom, right = common_box(masks)
    side = max(bottom - top, right - left, 1)
    steps = np.arange(THUMBNAIL) * side // THUMBNAIL
    top, left = (top + bottom - side) // 2, (left + right - side) // 2
    square = top, left, top + side, left + side
    return [mask.window(square)[np.ix_(steps, steps)] for mask in masks]
