"""A click and its mask come to the screen together.

To draw the canvas takes longer than a pass of the decoder. So the frame with nothing
but the new point is left out if the mask can follow at once, and what is not urgent
waits until the frame with the mask was shown.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow

from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.volume.planes.windows import Focus

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam_adapter.plugin.network.segmenter import Segmenter
    from napari_sam_adapter.volume.asking.results import MaskRequest

BREATH = 10
"""Milliseconds between the frame and what waits for it."""
LONGEST_WAIT = 80
"""Milliseconds after which the canvas is drawn though there is no mask yet."""
TURN = 1
"""Milliseconds for which the canvas waits so that other events get their turn."""


class Frames:
    """Holds the canvas back while a click is answered, for a moment at most.

    Parameters
    ----------
    widget : QWidget
        In whose window the canvas is; without one nothing is held back.
    segmenter : Segmenter
        Who answers clicks.
    """

    mask_shown = Signal()
    """Emitted after the first frame that came after an answer."""

    def __init__(self, widget: QWidget, segmenter: Segmenter) -> None:
        self._widget = widget
        self._canvas: QOpenGLWidget | None = None
        self._is_expecting = False
        self._wait, self._soon = QTimer(), QTimer()
        self._wait.setSingleShot(True)
        self._wait.timeout.connect(self._go_on)
        self._soon.setSingleShot(True)
        self._soon.setInterval(BREATH)
        self._soon.timeout.connect(self.mask_shown.emit)
        segmenter.asked.connect(self._on_asked)
        segmenter.answered.connect(self._on_answered)
        segmenter.glimpsed.connect(self.give_turn, max_args=0)

    def close(self) -> None:
        """Draw what was held back, and tell nothing more."""
        self._go_on()
        self._is_expecting = False
        stop_for_good(self._wait, self._soon)

    def _on_asked(self, request: MaskRequest) -> None:
        points = request.prompts.points
        near = None
        if len(points):
            row, column = points[-1].tolist()
            near = Focus(row, column, request.prompts.reduction)
        is_here = request.predictor.is_here(request.plane, near)
        self._hold(LONGEST_WAIT if is_here else TURN)

    def give_turn(self) -> None:
        """Let other events come between what is done now and the next frame.

        To change a layer and to draw it are both long; one after the other they would
        keep the window from answering.
        """
        if not self._wait.isActive():
            self._hold(TURN)

    def _hold(self, wait: int) -> None:
        canvas = self._find_canvas()
        if canvas is not None:
            with contextlib.suppress(RuntimeError):  # Qt has deleted it
                canvas.setUpdatesEnabled(False)
            self._wait.start(wait)

    def _on_answered(self) -> None:
        self._is_expecting = self._find_canvas() is not None
        self._go_on()

    def _go_on(self) -> None:
        stop_for_good(self._wait)
        if self._canvas is not None:
            with contextlib.suppress(RuntimeError):  # Qt has deleted it
                self._canvas.setUpdatesEnabled(True)

    def _on_frame(self) -> None:
        if self._is_expecting:
            self._is_expecting = False
            self._soon.start()

    def _find_canvas(self) -> QOpenGLWidget | None:
        """Return napari's canvas, if the widget is in a window with one."""
        if self._canvas is None:
            self._canvas = _central_canvas(self._widget)
            if self._canvas is not None:
                self._canvas.frameSwapped.connect(self._on_frame)
        return self._canvas


def _central_canvas(widget: QWidget) -> QOpenGLWidget | None:
    """Return what the viewer draws on; other docks may have canvases of their own."""
    top = widget
    while (parent := top.parentWidget()) is not None:  # docks may float
        top = parent
    centre = top.centralWidget() if isinstance(top, QMainWindow) else None
    return None if centre is None else centre.findChild(QOpenGLWidget)
