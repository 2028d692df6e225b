"""A small curve of the validation and the loss."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

    from napari_sam_adapter.training.progress.progress import (
        TrainingProgress,
        Validation,
    )

HEIGHT, MARGIN, DOT = 70, 4, 5
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
        self._losses: dict[int, float] = {}

    def show_progress(self, progress: TrainingProgress | None) -> None:
        """Draw the validations so far, and one more loss.

        Parameters
        ----------
        progress : TrainingProgress or None
            None begins anew.
        """
        self.history = () if progress is None else progress.history
        if progress is None:
            self._losses = {}
        elif progress.loss is not None:
            self._losses[progress.step] = progress.loss
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Draw a line for each kind of prompt, and the loss; one value is a dot.

        Parameters
        ----------
        event : QPaintEvent or None
            From Qt.
        """
        from napari_sam_adapter.training.progress.progress import relative_losses

        painter = QPainter(self)
        painter.setPen(QColor("#888888"))
        painter.drawRect(0, 0, self.width() - 1, HEIGHT - 1)
        for name, colour in COLOURS.items():
            values = [(entry.step, getattr(entry, name)) for entry in self.history]
            if any(value for _, value in values):
                self._draw_line(painter, values, colour)
        losses = relative_losses(list(self._losses.items()))
        self._draw_line(painter, losses, LOSS_COLOUR)
        painter.end()

    def _draw_line(
        self, painter: QPainter, values: Sequence[tuple[int, float]], colour: str
    ) -> None:
        painter.setPen(QPen(QColor(colour), 2))
        last = max((1, *self._losses, *(entry.step for entry in self.history)))
        width, height = self.width() - 2 * MARGIN, HEIGHT - 2 * MARGIN
        points = [
            QPointF(MARGIN + step / last * width, HEIGHT - MARGIN - value * height)
            for step, value in values
        ]
        if len(points) == 1:
            painter.setPen(QPen(QColor(colour), DOT))
            painter.drawPoint(points[0])
        for start, stop in itertools.pairwise(points):
            painter.drawLine(start, stop)
