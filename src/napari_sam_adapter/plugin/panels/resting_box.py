"""A list whose choice counts once nobody goes through it any more."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QComboBox

from napari_sam_adapter.plugin.timers import stop_for_good

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtGui import QFocusEvent, QWheelEvent

REST = 250
"""Milliseconds after the last arrow key or turn of the wheel."""
MOVES = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
)
"""Keys that go through a list."""


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

    def forget(self) -> None:
        """Leave what is shown unchosen: what it was for is gone."""
        stop_for_good(self._rest)

    def event(self, event: QEvent | None) -> bool:
        """Choose what is shown before a key does anything else.

        Qt asks with `ShortcutOverride` before a key means anything to anyone.

        Parameters
        ----------
        event : QEvent or None
            Any.

        Returns
        -------
        bool
            Whether the box took it.
        """
        if isinstance(event, QKeyEvent) and self.is_passing:
            is_asked = event.type() == QEvent.Type.ShortcutOverride
            if is_asked and not _is_move(event):
                self._choose()
        return super().event(event)

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


def _is_move(event: QKeyEvent) -> bool:
    keypad = Qt.KeyboardModifier.KeypadModifier  # macOS has arrows on it
    return event.key() in MOVES and not event.modifiers() & ~keypad
