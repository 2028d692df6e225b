"""A strip with one field per slice: how sure the object is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPolygonF
from qtpy.QtWidgets import QWidget

from napari_sam_adapter.volume.session.review import DOUBTFUL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from napari_sam_adapter.volume.session.review import SliceState

HEIGHT = 26
SURE, DOUBT, EMPTY, MARK = "#3b7dd8", "#e69f00", "#555555", "#f0f0f0"


class ConfidenceStrip(QWidget):
    """Bars as high as the confidence; a triangle where the user worked.

    Doubtful slices are orange and low, others blue and high; a square is a lock.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    index_chosen = Signal(int)
    """Emitted with the slice that was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.setToolTip(
            "The object on every slice: the higher the bar, the surer; orange needs a "
            "look. Triangle: you worked there; square: locked. Click to go there."
        )
        self.length = 0
        self.slices: Mapping[int, SliceState] = {}
        self._index: int | None = None

    def show_slices(
        self, length: int, slices: Mapping[int, SliceState], index: int | None
    ) -> None:
        """Show an object.

        Parameters
        ----------
        length : int
            Number of slices.
        slices : mapping of int to SliceState
            Those where something is known.
        index : int or None
            The slice in view.
        """
        shown = (length, slices, index)
        if shown != (self.length, self.slices, self._index):
            self.length, self.slices, self._index = shown
            self.setVisible(length > 1)
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Draw the slices.

        Parameters
        ----------
        event : QPaintEvent or None
            From Qt.
        """
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(EMPTY).darker(150))
        for index, state in self.slices.items():
            self._draw(painter, index, state)
        if self._index is not None and self.length:
            painter.setPen(QColor(MARK))
            painter.drawRect(self._field(self._index))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  Qt's name
        """Go to the slice under the mouse.

        Parameters
        ----------
        event : QMouseEvent or None
            From Qt.
        """
        if event is not None and self.length:
            share = event.position().x() / max(1, self.width())
            self.index_chosen.emit(min(int(share * self.length), self.length - 1))

    def _draw(self, painter: QPainter, index: int, state: SliceState) -> None:
        field = self._field(index)
        painter.setPen(Qt.PenStyle.NoPen)
        if state.confidence is not None:
            painter.setBrush(QColor(DOUBT if state.confidence < DOUBTFUL else SURE))
            height = max(3.0, state.confidence * HEIGHT)
            painter.drawRect(
                QRectF(field.left(), HEIGHT - height, field.width(), height)
            )
            return
        painter.setBrush(QColor(MARK))
        middle = field.center()
        if state.is_locked:
            painter.drawRect(QRectF(middle.x() - 4, middle.y() - 4, 8, 8))
        else:
            corners = (0, -6), (5, 5), (-5, 5)
            painter.drawPolygon(QPolygonF([middle + QPointF(*c) for c in corners]))

    def _field(self, index: int) -> QRectF:
        width = self.width() / max(1, self.length)
        return QRectF(index * width, 0, max(width, 1.0), HEIGHT - 1)
