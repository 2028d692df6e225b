"""What is going on, how long yet, and a way to stop it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_adapter.plugin.icons import icon
from napari_sam_adapter.plugin.panels.action_buttons import action_button
from napari_sam_adapter.plugin.panels.status_label import StatusLabel
from napari_sam_adapter.plugin.state import Phase, Progress
from napari_sam_adapter.plugin.viewing.time_left import TimeLeft
from napari_sam_adapter.wording import spoken_time

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import PluginState

IDLE = Progress(0, 1)
"""An empty bar that stands still; a total of 0 makes it move."""
PATIENCE = 300
"""Milliseconds for which a click may take without the bar moving: most take less, and
with each of its movements the whole window is put together anew."""


class ActivityPanel(QWidget):
    """What is going on, in a bar and a sentence; buttons to stop it and for help.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    action_pressed = Signal(str)
    """Emitted with the name of an action."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.bar.setToolTip("How far the running work is, and how long yet.")
        self.stop, self.keys = self._button("stop"), self._button("show_keys")
        self._time_left = TimeLeft()
        self._shown: Progress | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE)
        self._patience.timeout.connect(partial(self._show_progress, Progress()))
        self.status = StatusLabel("What to do next, or what went wrong.")
        self.status.setMinimumHeight(3 * self.status.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        row.addWidget(self.keys)
        layout.addLayout(row)
        layout.addWidget(self.status)

    def show_theme(self, theme: str) -> None:
        """Draw the icons in the colours of a theme.

        Parameters
        ----------
        theme : str
            One of napari's.
        """
        self.stop.setIcon(icon("square", theme))
        self.keys.setIcon(icon("help", theme))

    def show_state(self, state: PluginState) -> None:
        """Show progress and message.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        busy = state.can_stop
        self.stop.setEnabled(busy)
        if state.phase is not Phase.SEGMENTING:
            self._patience.stop()
            self._show_progress(state.shown_progress if busy else IDLE)
        elif not self._patience.isActive():
            self._patience.start()
        self.status.show_message(state.message)

    def _show_progress(self, progress: Progress) -> None:
        if progress == self._shown:
            return
        self._shown = progress
        left = self._time_left.update(progress, time.monotonic())
        more = "" if left is None else f", {spoken_time(left)} left"
        # Left to itself the bar draws at once, at every call, and napari's canvas and
        # the whole window are put together anew each time.
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self.bar.setFormat(f"%v of %m {progress.unit}{more}")
        self.bar.setTextVisible(progress != IDLE and progress.total > 0)
        self.bar.setUpdatesEnabled(True)

    def _button(self, name: str) -> QPushButton:
        button = action_button(name, self.action_pressed)
        button.setAccessibleName(button.text())
        button.setText("")  # there is an icon instead
        return button
