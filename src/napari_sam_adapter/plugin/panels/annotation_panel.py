"""Prompts, objects, propagation and history: what is pressed all day."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_sam_adapter.plugin.actions import ACTIONS
from napari_sam_adapter.plugin.objects.prompt_tools import tools_for
from napari_sam_adapter.plugin.panels.action_buttons import action_button
from napari_sam_adapter.plugin.panels.object_number import ObjectNumber
from napari_sam_adapter.plugin.state import Phase, Tool

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.predictions import Capabilities

UNKNOWN_SCORE = "-"
TOOLS = {
    "use_points": Tool.POINTS,
    "use_boxes": Tool.BOXES,
    "use_scribbles": Tool.SCRIBBLES,
    "use_polygons": Tool.POLYGONS,
    "use_lasso": Tool.LASSO,
}
"""Which tool each button takes."""
BUTTONS = (
    *TOOLS, "next_object", "accept", "find_objects", "find_in_volume", "find_similar",
    "propagate", "stop", "undo", "redo", "release_paint",
)  # fmt: skip
IN_VOLUMES = "propagate", "find_in_volume"
"""What an image without slices has no use for."""


class AnnotationPanel(QWidget):
    """Buttons for tools, objects, volume and history, the object number and its score.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    action_pressed = Signal(str)
    """Emitted with the name of an action."""
    polarity_chosen = Signal(bool)
    """Emitted with True for the object, False for background."""
    object_chosen = Signal(int)
    """Emitted with the number of an object."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons = {
            name: action_button(name, self.action_pressed) for name in BUTTONS
        }
        self.positive = self._switch("Object", True)
        self.negative = self._switch("Background", False)
        self.only_objects = QLabel("only objects")
        self.only_objects.setToolTip(
            "This network does not understand clicks on the background."
        )
        self._polarity = _either(self.positive, self.negative)
        self._tools = _either(*(self.buttons[name] for name in TOOLS))
        self.object_number = ObjectNumber()
        self._shown: tuple[int, tuple[int, ...]] = 0, ()
        self.object_number.valueChanged.connect(self._on_number_changed)
        self.score = QLabel(UNKNOWN_SCORE)
        self.score.setToolTip("How sure the network is of this mask, from 0 to 1.")
        self._volume = QLabel("volume")
        self._lay_out()

    def show_state(self, state: PluginState) -> None:
        """Show object, score, tool and polarity; enable what can be pressed.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        self.setEnabled(state.has_image or state.can_stop)
        self.positive.setChecked(state.positive)
        self.negative.setChecked(not state.positive)
        has_negative = state.understood.negative_points
        self.negative.setVisible(has_negative)
        self.only_objects.setVisible(not has_negative)
        self._show_tool(state.tool)
        self._show_understood(state.understood)
        self._show_object(state)
        propagating = state.phase is Phase.PROPAGATING
        self._volume.setVisible(state.has_slices)
        for name in IN_VOLUMES:
            self.buttons[name].setEnabled(not propagating)
            self.buttons[name].setVisible(state.has_slices)
        self.buttons["stop"].setEnabled(state.can_stop)
        self.buttons["undo"].setEnabled(state.can_undo)
        self.buttons["redo"].setEnabled(state.can_redo)

    def _show_tool(self, tool: Tool) -> None:
        self._tools.setExclusive(False)
        for name, its in TOOLS.items():
            self.buttons[name].setChecked(tool is its)
        self._tools.setExclusive(True)

    def _show_understood(self, understood: Capabilities) -> None:
        self.negative.setVisible(understood.negative_points)
        known = tools_for(understood)
        for name, tool in TOOLS.items():
            self.buttons[name].setVisible(tool in known)

    def _show_object(self, state: PluginState) -> None:
        self._shown = state.object_id, state.object_ids
        self.object_number.show_object(*self._shown)
        score = UNKNOWN_SCORE if state.score is None else f"{state.score:.2f}"
        self.score.setText(score)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(3, 3, 3, 3)
        grid.setHorizontalSpacing(3)
        buttons = self.buttons
        pairs = (
            (QLabel("prompt"), buttons["use_points"], buttons["use_boxes"]),
            (QLabel("click marks"), self.positive, self.negative),
            (QLabel("object"), self.object_number, buttons["next_object"]),
            (QLabel("score"), self.score, buttons["accept"]),
            (QLabel("slice"), buttons["find_objects"], buttons["find_similar"]),
            (self._volume, *(buttons[name] for name in IN_VOLUMES)),
            (QLabel(), buttons["release_paint"], buttons["stop"]),
            (QLabel("history"), buttons["undo"], buttons["redo"]),
        )
        for number, widgets in enumerate(pairs):
            for column, widget in enumerate(widgets):
                grid.addWidget(widget, number + (number > 0), column)
        drawing = QHBoxLayout()  # Tab comes to what was added first: Points
        for name in ("use_scribbles", "use_polygons", "use_lasso"):
            drawing.addWidget(buttons[name])
        grid.addLayout(drawing, 1, 0, 1, 3)
        grid.addWidget(self.only_objects, 2, 2)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)

    def _switch(self, title: str, positive: bool) -> QPushButton:
        button = QPushButton(title)
        button.setToolTip(ACTIONS["switch_polarity"].tooltip)
        button.clicked.connect(partial(self._on_polarity, positive))
        return button

    def _on_polarity(self, positive: bool, checked: bool = True) -> None:
        self.polarity_chosen.emit(positive)

    def _on_number_changed(self, number: int) -> None:
        self.object_chosen.emit(number)
        self.object_number.show_object(*self._shown)  # the one before, if refused


def _either(*buttons: QPushButton) -> QButtonGroup:
    # Only one of the buttons is down at a time.
    group = QButtonGroup(buttons[0])
    for button in buttons:
        button.setCheckable(True)
        group.addButton(button)
    return group
