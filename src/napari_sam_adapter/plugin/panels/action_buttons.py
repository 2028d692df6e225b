"""Buttons of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_sam_adapter.plugin.actions import ACTIONS

if TYPE_CHECKING:
    from psygnal import SignalInstance


def action_button(name: str, pressed: SignalInstance) -> QPushButton:
    """Return a button that says what an action does and under which key.

    Parameters
    ----------
    name : str
        One of `ACTIONS`.
    pressed : SignalInstance
        Emitted with the name when the button is pressed.

    Returns
    -------
    QPushButton
        With title and tooltip.
    """
    action = ACTIONS[name]
    button = QPushButton(action.title)
    button.setToolTip(action.tooltip)
    button.clicked.connect(lambda: pressed.emit(name))
    return button
