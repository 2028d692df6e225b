"""How prompts are meant, what they would give, and which of several masks to take."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QWidget,
)

from napari_sam_adapter.plugin.actions import ACTIONS
from napari_sam_adapter.plugin.network.candidate_choice import COLOURS, THUMBNAIL
from napari_sam_adapter.plugin.panels.action_buttons import action_button
from napari_sam_adapter.plugin.panels.narrow import narrow
from napari_sam_adapter.plugin.state import BackgroundPress

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import Choice, PluginState

SWITCHES = ("switch_preview", "switch_one_per_click")


class PromptPanel(QWidget):
    """Preview, one object per click, the mask as prompt, and the candidates.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    action_pressed = Signal(str)
    """Emitted with the name of an action."""
    background_press_chosen = Signal(BackgroundPress)
    """Emitted with what shall mark background."""
    candidate_chosen = Signal(int)
    """Emitted with the number of a mask, from 0."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        names = (*SWITCHES, "ask_with_mask")
        self.buttons = {
            name: action_button(name, self.action_pressed) for name in names
        }
        for name in SWITCHES:
            self.buttons[name].setCheckable(True)
        self.background = narrow(QComboBox())
        self.background.setToolTip("What marks background instead of the object.")
        for choice in BackgroundPress:
            self.background.addItem(choice.value, choice)
        self.background.activated.connect(self._on_background)
        self.candidates = [self._candidate(number) for number in range(len(COLOURS))]
        self.no_candidates = QLabel("click once")
        self._shown: tuple[Choice, ...] = ()
        self._lay_out()

    def show_state(self, state: PluginState) -> None:
        """Show what is switched on and the masks to choose from.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        self.setEnabled(state.has_image)
        self.buttons["switch_preview"].setChecked(state.preview)
        self.buttons["switch_one_per_click"].setChecked(state.one_per_click)
        self.buttons["ask_with_mask"].setVisible(state.understood.mask_prompts)
        self.background.setCurrentText(state.background_press.value)
        self.background.setEnabled(state.understood.negative_points)
        self._show_choices(state.choices)
        for number, button in enumerate(self.candidates):
            button.setChecked(number == state.chosen)

    def _show_choices(self, choices: tuple[Choice, ...]) -> None:
        if choices == self._shown:
            return
        self._shown = choices
        self.no_candidates.setVisible(not choices)
        for number, button in enumerate(self.candidates):
            button.setVisible(number < len(choices))
            if number < len(choices):
                choice = choices[number]
                button.setIcon(_icon(choice, COLOURS[number]))
                score = "" if choice.score is None else f" {choice.score:.2f}"
                button.setText(f"{number + 1}:{score}")

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(3, 3, 3, 3)
        for column, name in enumerate(SWITCHES):
            grid.addWidget(self.buttons[name], 0, column)
        grid.addWidget(self.buttons["ask_with_mask"], 1, 0, 1, 2)
        title = QLabel("background")
        title.setBuddy(self.background)
        grid.addWidget(title, 2, 0)
        grid.addWidget(self.background, 2, 1)
        row = QHBoxLayout()
        row.addWidget(self.no_candidates)
        for button in self.candidates:
            row.addWidget(button)
        row.addStretch(1)
        grid.addWidget(QLabel("candidates"), 3, 0)
        grid.addLayout(row, 4, 0, 1, 2)

    def _candidate(self, number: int) -> QToolButton:
        button = QToolButton()
        button.setCheckable(True)
        button.setVisible(False)
        button.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        keys = f"{ACTIONS['next_candidate'].key} goes to the next"
        button.setToolTip(
            f"Take mask {number + 1}; the score is the network's. ({keys})"
        )
        button.clicked.connect(partial(self._on_candidate, number))
        return button

    def _on_candidate(self, number: int, checked: bool = False) -> None:
        self.candidate_chosen.emit(number)

    def _on_background(self, number: int) -> None:
        self.background_press_chosen.emit(self.background.itemData(number))


def _icon(choice: Choice, colour: str) -> QIcon:
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    pixels = np.full((*choice.thumbnail.shape, 3), 40, dtype=np.uint8)
    pixels[choice.thumbnail] = channels
    height, width, _ = pixels.shape
    image = QImage(
        pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
    )
    return QIcon(QPixmap.fromImage(image))
