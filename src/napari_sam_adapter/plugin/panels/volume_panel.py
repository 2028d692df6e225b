"""How objects are followed, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QWidget,
)
from superqt import QRangeSlider
from superqt.utils import signals_blocked

from napari_sam_adapter.plugin.panels.action_buttons import action_button
from napari_sam_adapter.plugin.panels.confidence_strip import ConfidenceStrip
from napari_sam_adapter.plugin.panels.narrow import narrow
from napari_sam_adapter.plugin.state import FollowChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_adapter.volume.propagation.propagation_request import Method
    from napari_sam_adapter.volume.session.review import SliceState

METHODS: dict[str, Method] = {
    "slice by slice": "model",
    "along three axes": "three-way",
    "without network": "interpolation",
}
BUTTONS = "next_doubt", "lock_slice", "end_here", "encode_all"


class VolumePanel(QWidget):
    """The strip of slices, what to do with them, and how to follow objects.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    action_pressed = Signal(str)
    """Emitted with the name of an action."""
    index_chosen = Signal(int)
    """Emitted with the slice to show."""
    follow_chosen = Signal(FollowChoice)
    """Emitted when objects are to be followed in another way."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.strip = ConfidenceStrip()
        self.strip.index_chosen.connect(self.index_chosen.emit)
        self.buttons = {
            name: action_button(name, self.action_pressed) for name in BUTTONS
        }
        self.axis = narrow(QComboBox())
        self.axis.setAccessibleName("Follow along")
        self.axis.setToolTip("The axis along which objects are followed.")
        self.method = narrow(QComboBox())
        self.method.setAccessibleName("Follow by")
        self.method.addItems(list(METHODS))
        self.method.setToolTip(
            "Who draws the slices: the network, one after the other, or along three "
            "axes with a vote; or, without it, what lies between drawn slices."
        )
        self.everything = QCheckBox("all open objects")
        self.everything.setToolTip("Follow every object that is not accepted yet.")
        self.range: Any = QRangeSlider(Qt.Orientation.Horizontal)  # type: ignore[no-untyped-call]
        self.range.setAccessibleName("Slices that may be written")
        self.range.setToolTip("Slices that may be written; others are left alone.")
        self.limits = QLabel()
        self._lay_out()
        self.axis.activated.connect(self._on_axis)
        self.method.activated.connect(self._on_changed)
        self.everything.toggled.connect(self._on_changed)
        self.range.valueChanged.connect(self._on_changed)

    def show_axes(self, axes: Mapping[int, str], axis: int | None, length: int) -> None:
        """Show along which axes objects can be followed.

        Parameters
        ----------
        axes : mapping of int to str
            Axes of the image that have slices, and what they are called.
        axis : int or None
            The chosen one.
        length : int
            Its number of slices.
        """
        self.setEnabled(bool(axes))
        with signals_blocked(self.axis):
            count = self.axis.count()
            shown = {self.axis.itemData(i): self.axis.itemText(i) for i in range(count)}
            if shown != axes:
                self.axis.clear()
                for number, name in axes.items():
                    self.axis.addItem(name, number)
            self.axis.setCurrentIndex(max(0, self.axis.findData(axis)))
        if length != self.range.maximum() + 1:
            with signals_blocked(self.range):
                self.range.setRange(0, max(0, length - 1))
                self.range.setValue((0, max(0, length - 1)))
        self._show_limits()

    def show_slices(
        self, length: int, slices: Mapping[int, SliceState], index: int | None
    ) -> None:
        """Show where the object is; see `ConfidenceStrip.show_slices`.

        Parameters
        ----------
        length, slices, index
            As there.
        """
        self.strip.show_slices(length, slices, index)

    def _choice(self) -> FollowChoice:
        first, last = self._limits()
        return FollowChoice(
            self.axis.currentData(),
            None if first == 0 else first,
            None if last == self.range.maximum() else last,
            METHODS[self.method.currentText()],
            self.everything.isChecked(),
        )

    def _limits(self) -> tuple[int, int]:
        first, last = self.range.value()
        return int(first), int(last)

    def _show_limits(self) -> None:
        first, last = self._limits()
        self.limits.setText(f"{first} to {last}")

    def _on_axis(self) -> None:
        with signals_blocked(self.range):
            self.range.setValue((0, self.range.maximum()))
        self._on_changed()

    def _on_changed(self) -> None:
        self._show_limits()
        self.follow_chosen.emit(self._choice())

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(3, 3, 3, 3)
        grid.addWidget(self.strip, 0, 0, 1, 3)
        *review, encode = self.buttons.values()
        for column, button in enumerate(review):
            grid.addWidget(button, 1, column)
        rows: list[tuple[str, QWidget]] = [
            ("along", self.axis), ("by", self.method), ("follow", self.everything),
        ]  # fmt: skip
        for row, (title, widget) in enumerate(rows, start=2):
            grid.addWidget(QLabel(title), row, 0)
            grid.addWidget(widget, row, 1, 1, 2)
        grid.addWidget(self.limits, 5, 0)
        grid.addWidget(self.range, 5, 1, 1, 2)
        grid.addWidget(encode, 6, 0, 1, 3)
