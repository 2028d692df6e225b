"""Widgets that leave room for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

FEWEST_LETTERS = 6
BESIDE_TEXT = 6
"""Pixels that a theme keeps free beside the text of a combo box."""


class NameBox(QComboBox):
    """A list of names that may begin alike: what is too long loses its middle."""

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Draw the box as Qt does, with the chosen name as far as there is room."""
        painter, option, style = (
            QStylePainter(self),
            QStyleOptionComboBox(),
            self.style(),
        )
        assert style is not None  # Qt's own
        self.initStyleOption(option)
        box = QStyle.ComplexControl.CC_ComboBox
        painter.drawComplexControl(box, option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        room = style.subControlRect(box, option, field, self).width() - BESIDE_TEXT
        middle = Qt.TextElideMode.ElideMiddle
        text = self.fontMetrics().elidedText(self.currentText(), middle, room)
        option.currentText = text
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def narrow(box: QComboBox) -> QComboBox:
    """Let a combo box be narrower than its longest entry.

    Parameters
    ----------
    box : QComboBox
        The list it opens still shows whole entries.

    Returns
    -------
    QComboBox
        The same.
    """
    policy = type(box).SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    box.setSizeAdjustPolicy(policy)
    box.setMinimumContentsLength(FEWEST_LETTERS)
    return box
