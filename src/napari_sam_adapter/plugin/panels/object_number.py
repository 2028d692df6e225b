"""The box with the number of the object under work."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QSpinBox, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = 2**31 - 1
"""What a spin box of Qt can hold."""


class ObjectNumber(QSpinBox):
    """Steps from object to object, past numbers that are not in use.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ids: Sequence[int] = (0,)
        self.setRange(0, 0)
        self.setKeyboardTracking(False)
        self.setAccessibleName("Object under work")
        self.setToolTip("The object under work; choose one to go back.")

    def show_object(self, object_id: int, ids: Sequence[int]) -> None:
        """Show an object without choosing it.

        Parameters
        ----------
        object_id : int
            The object under work.
        ids : sequence of int
            All that can be chosen, in order.
        """
        self._ids = ids = ids or (0,)
        was_blocked = self.blockSignals(True)
        self.setRange(min(ids[0], LARGEST), min(ids[-1], LARGEST))
        self.setValue(min(object_id, LARGEST))
        self.blockSignals(was_blocked)

    def stepBy(self, steps: int) -> None:  # noqa: N802  Qt's name
        """Go on by so many objects.

        Parameters
        ----------
        steps : int
            Down if below 0; ends at the first and the last.
        """
        place = bisect_left(self._ids, self.value())
        if steps > 0 and self._ids[place] != self.value():
            steps -= 1  # it is between two
        place = min(max(place + steps, 0), len(self._ids) - 1)
        self.setValue(min(self._ids[place], LARGEST))
