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
COLOURS = {"prompted": "#4c9be8", "prompt_free": "#5fbf5f", "score": "#ff6b6b"}


class TrainingCurve(QWidget):
    """IoU over the steps: point and box, no prompt, and both.

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
            "green: no prompt, red: both, which decides."
        )
        self.history: Sequence[Validation] = ()

    def show_history(self, history: Sequence[Validation]) -> None:
        """Draw these validations.

        Parameters
        ----------
        history : sequence of Validation
            In the order of their steps.
        """
        if history != self.history:
            self.history = history
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
        last = max(1, self.history[-1].step) if self.history else 1
        for name, colour in COLOURS.items():
            painter.setPen(QPen(QColor(colour), 2))
            points = [
                QPointF(
                    MARGIN + entry.step / last * (self.width() - 2 * MARGIN),
                    HEIGHT - MARGIN - getattr(entry, name) * (HEIGHT - 2 * MARGIN),
                )
                for entry in self.history
            ]
            for start, stop in itertools.pairwise(points):
                painter.drawLine(start, stop)
        painter.end()
