"""A small curve of the validation."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

    from napari_sam_adapter.training.progress import Validation

HEIGHT, MARGIN = 70, 4
LOSS_COLOUR = "#999999"
COLOURS = {
    "prompted": "#4c9be8",
    "prompt_free": "#5fbf5f",
    "followed": "#b07cd8",
    "score": "#ff6b6b",
}


class TrainingCurve(QWidget):
    """IoU over the steps: point and box, no prompt, followed, and all together.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.setToolTip(
            "IoU on slices kept for validation, from 0 to 1. Blue: point and box, "
            "green: no prompt, violet: followed from the slice beside, red: all, which "
            "decides. Grey: loss, relative."
        )
        self.history: Sequence[Validation] = ()
        self._losses: list[tuple[int, float]] = []

    def show_history(self, history: Sequence[Validation]) -> None:
        """Draw these validations.

        Parameters
        ----------
        history : sequence of Validation
            In the order of their steps.
        """
        if history != self.history:
            from napari_sam_adapter.training.progress import relative_losses

            self.history, self._losses = history, relative_losses(history)
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Draw the three lines.

        Parameters
        ----------
        event : QPaintEvent or None
            From Qt.
        """
        painter = QPainter(self)
        painter.setPen(QColor("#888888"))
        painter.drawRect(0, 0, self.width() - 1, HEIGHT - 1)
        for name, colour in COLOURS.items():
            values = [(entry.step, getattr(entry, name)) for entry in self.history]
            if any(value for _, value in values):
                self._draw_line(painter, values, colour)
        self._draw_line(painter, self._losses, LOSS_COLOUR)
        painter.end()

    def _draw_line(
        self, painter: QPainter, values: Sequence[tuple[int, float]], colour: str
    ) -> None:
        painter.setPen(QPen(QColor(colour), 2))
        last = max(1, self.history[-1].step) if self.history else 1
        width, height = self.width() - 2 * MARGIN, HEIGHT - 2 * MARGIN
        points = [
            QPointF(MARGIN + step / last * width, HEIGHT - MARGIN - value * height)
            for step, value in values
        ]
        for start, stop in itertools.pairwise(points):
            painter.drawLine(start, stop)
