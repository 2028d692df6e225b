"""A list whose choice counts once nobody goes through it any more."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtGui import QFocusEvent, QKeyEvent, QWheelEvent

REST = 250
"""Milliseconds after the last arrow key or turn of the wheel."""


class RestingBox(QComboBox):
    """A combo box for choices that cost much.

    What is pressed in the open list counts at once. Arrow keys and the wheel go
    through entries that are not meant, so only the one counts where they stop.
    """

    chosen = Signal(int)
    """Emitted with the row that the user chose."""

    def __init__(self) -> None:
        super().__init__()
        self._is_passing = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._choose)
        self.activated.connect(self._on_activated)

    @property
    def is_passing(self) -> bool:
        """Whether the row that is shown is not chosen yet."""
        return self._rest.isActive()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802  Qt's name
        """Go through the rows with keys."""
        with self._passing():
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802  Qt's name
        """Go through the rows with the wheel."""
        with self._passing():
            super().wheelEvent(event)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Choose what is shown before the user does anything else."""
        super().focusOutEvent(event)
        if self.is_passing:
            self._choose()

    @contextmanager
    def _passing(self) -> Iterator[None]:
        self._is_passing = True
        try:
            yield
        finally:
            self._is_passing = False

    def _on_activated(self, row: int) -> None:
        if self._is_passing:
            self._rest.start()
        else:
            self._choose()

    def _choose(self) -> None:
        self._rest.stop()
        self.chosen.emit(self.currentIndex())
