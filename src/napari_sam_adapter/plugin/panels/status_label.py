"""A sentence for the user; errors stand out on dark and on light ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import Message

ERROR_STYLE = "color: {}; font-weight: bold;"
ON_DARK, ON_LIGHT = "#ff6b6b", "#b00020"
"""Reds of a contrast of 4.5 : 1 and more, as WCAG 2.1 asks for."""
MIDDLE = 128
"""From this lightness of 0 to 255 on, the ground is light."""
LONGEST = 400
"""Letters of a message that are shown: more would squeeze the panels above."""


class StatusLabel(QLabel):
    """Shows a message, to be copied; of a very long one the beginning.

    Parameters
    ----------
    tip : str
        Its tool tip, but for messages that are longer: these stand there whole.
    """

    def __init__(self, tip: str = "") -> None:
        self._is_error = False
        super().__init__()
        self._tip = tip
        self.setToolTip(tip)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def show_message(self, message: Message) -> None:
        """Show a message, an error in red.

        Parameters
        ----------
        message : Message
            What to say.
        """
        is_long = len(text := message.text) > LONGEST
        self.setText(f"{text[:LONGEST]} ..." if is_long else text)
        self.setToolTip(text if is_long else self._tip)
        self._is_error = message.is_error
        self._show_style()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  Qt's name
        """Take the red of the other theme when the theme changes.

        Parameters
        ----------
        event : QEvent or None
            From Qt.
        """
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._show_style()

    def _show_style(self) -> None:
        is_light = self.palette().window().color().lightness() >= MIDDLE
        red = ERROR_STYLE.format(ON_LIGHT if is_light else ON_DARK)
        style = red if self._is_error else ""
        if style != self.styleSheet():  # Qt lays out again even for the same
            self.setStyleSheet(style)
