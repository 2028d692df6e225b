"""The progress bar and the status line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_sam_adapter.plugin.state import Phase

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import PluginState

ERROR_STYLE = "color: #ff6b6b; font-weight: bold;"


class ActivityPanel(QWidget):
    """What is going on, in a bar and a sentence.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.bar.setToolTip("How far the running work is.")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(3 * self.status.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.status.setToolTip("What to do next, or what went wrong.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)

    def show_state(self, state: PluginState) -> None:
        """Show progress and message.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        busy = state.phase is not Phase.READY
        self.bar.setRange(0, state.progress.total if busy else 1)
        self.bar.setValue(state.progress.done if busy else 0)
        self.bar.setTextVisible(busy and state.progress.total > 0)
        self.bar.setFormat("%v of %m planes")
        self.status.setText(state.message.text)
        self.status.setStyleSheet(ERROR_STYLE if state.message.is_error else "")
