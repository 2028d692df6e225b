"""Two adapters side by side: which, how sure they are, and how far they agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_adapter.plugin.panels.status_label import StatusLabel
from napari_sam_adapter.plugin.panels.training_panel import AskedComboBox
from napari_sam_adapter.plugin.training.comparison_layers import COLOURS, TITLES

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.plugin.training.comparison_state import ComparisonState

UNKNOWN = "-"
FILE_FILTER = "Adapters (*.safetensors);;All files (*)"


class ComparisonPanel(QWidget):
    """A picker for the other adapter, a switch, and both scores.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    switched = Signal(bool)
    """Emitted when the comparison is to begin or to end."""
    choices_wanted = Signal()
    """Emitted when the list of adapters is to be made anew."""
    other_chosen = Signal(str)
    """Emitted with the name or path of the other adapter."""
    use_pressed = Signal(str)
    """Emitted with the name or path of the adapter to use from now on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.other, self.file = AskedComboBox(), QPushButton("File ...")
        self.switch, self.use = QPushButton("Compare"), QPushButton("Use the other")
        self.switch.setCheckable(True)
        self.names = QLabel(), QLabel()
        self.scores = QLabel(), QLabel()
        self.agreement, self.status = QLabel(), StatusLabel()
        self._choices: tuple[str, ...] = ()
        self._add_tooltips()
        self._lay_out()
        self.other.opened.connect(self.choices_wanted.emit)
        self.other.activated.connect(self._on_other_chosen)
        self.file.clicked.connect(self._on_file)
        self.switch.clicked.connect(self.switched.emit)
        self.use.clicked.connect(self._on_use)

    def show_state(self, state: ComparisonState, plugin_state: PluginState) -> None:
        """Show both adapters and what came of the comparison.

        Parameters
        ----------
        state : ComparisonState
            What the comparison says.
        plugin_state : PluginState
            Whether there is an image.
        """
        self._show_choices(state)
        self.switch.setChecked(state.is_on)
        self.switch.setEnabled(plugin_state.has_image or state.is_on)
        answer = state.answer
        self.use.setEnabled(answer is not None)
        for number in (0, 1):
            name = TITLES[number]
            if answer is not None:
                name = f"{name}: {answer.names[number]}"
            self.names[number].setText(name)
            score = None if answer is None else answer.scores[number]
            self.scores[number].setText(UNKNOWN if score is None else f"{score:.2f}")
        self.agreement.setText(UNKNOWN if answer is None else f"{answer.iou:.2f}")
        self.status.show_message(state.message)

    def _show_choices(self, state: ComparisonState) -> None:
        if state.choices != self._choices:
            self._choices = state.choices
            self.other.clear()
            self.other.addItems([Path(name).name for name in state.choices])
        if state.other in state.choices:
            self.other.setCurrentIndex(state.choices.index(state.other))

    def _on_other_chosen(self, number: int) -> None:
        self.other_chosen.emit(self._choices[number])

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Choose an adapter", "", FILE_FILTER
        )
        if path:
            self.other_chosen.emit(path)

    def _on_use(self) -> None:
        self.use_pressed.emit(self._choices[self.other.currentIndex()])

    def _add_tooltips(self) -> None:
        self.other.setAccessibleName("Adapter to compare with")
        self.other.setToolTip("Adapter to compare with the one in use; none: without.")
        self.file.setToolTip("Compare with an adapter file.")
        self.switch.setToolTip(
            "Give the prompts in view to both adapters and show both outlines; your "
            "masks stay as they are."
        )
        self.use.setToolTip("Predict with the other adapter from now on.")
        for label in self.scores:
            label.setToolTip("How sure the network is of its mask, from 0 to 1.")
        self.agreement.setToolTip("IoU of the two masks: 1 where they are the same.")

    def _lay_out(self) -> None:
        column, top, bottom = QVBoxLayout(self), QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.other, 1)
        top.addWidget(self.file)
        bottom.addWidget(self.switch)
        bottom.addWidget(self.use)
        grid = QGridLayout()
        for number in (0, 1):
            self.names[number].setStyleSheet(f"color: {COLOURS[number]};")
            grid.addWidget(self.names[number], number, 0)
            grid.addWidget(self.scores[number], number, 1)
        grid.addWidget(QLabel("agreement"), 2, 0)
        grid.addWidget(self.agreement, 2, 1)
        grid.setColumnStretch(0, 1)
        column.addLayout(top)
        column.addLayout(bottom)
        column.addLayout(grid)
        column.addWidget(self.status)
