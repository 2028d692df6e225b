"""The progress bar and the status line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_sam_adapter.plugin.state import Phase, Progress

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import PluginState

ERROR_STYLE = "color: #ff6b6b; font-weight: bold;"
IDLE = Progress(0, 1)
"""An empty bar that stands still; a total of 0 makes it move."""


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
        self._shown: Progress | None = None
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
        self._show_progress(state.progress if busy else IDLE)
        self.status.setText(state.message.text)
        style = ERROR_STYLE if state.message.is_error else ""
        if style != self.status.styleSheet():  # Qt lays out again even for the same
            self.status.setStyleSheet(style)

    def _show_progress(self, progress: Progress) -> None:
        if progress == self._shown:
            return
        self._shown = progress
        # Left to itself the bar draws at once, at every call, and napari's canvas and
        # the whole window are put together anew each time.
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self.bar.setFormat(f"%v of %m {progress.unit}")
        self.bar.setTextVisible(progress != IDLE and progress.total > 0)
        self.bar.setUpdatesEnabled(True)
