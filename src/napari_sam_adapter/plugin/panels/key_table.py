"""A small window that lists all keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sam_adapter.plugin.actions import ACTIONS, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_adapter.plugin.actions import Action
    from napari_sam_adapter.plugin.controller import Controller

HINT = "Change them in File > Preferences > SAM Adapter."
SIZE = 460, 480


class KeyTable(QDialog):
    """Key and what it does, one row per action that has a key.

    Parameters
    ----------
    actions : mapping of str to Action
        With the keys in use.
    parent : QWidget
        Over which it lies.
    """

    def __init__(self, actions: Mapping[str, Action], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["key", "what it does"])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(True)
        self.table.setTabKeyNavigation(False)
        numbers, header = self.table.verticalHeader(), self.table.horizontalHeader()
        assert numbers is not None  # Qt made them
        assert header is not None
        numbers.hide()
        numbers.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table)
        layout.addWidget(QLabel(HINT))
        self.resize(*SIZE)
        self.show_actions(actions)

    def show_actions(self, actions: Mapping[str, Action]) -> None:
        """List the keys.

        Parameters
        ----------
        actions : mapping of str to Action
            With the keys in use.
        """
        listed = [action for action in actions.values() if action.keys]
        self.table.setRowCount(len(listed))
        for row, action in enumerate(listed):
            self.table.setItem(row, 0, QTableWidgetItem(action.keys))
            self.table.setItem(row, 1, QTableWidgetItem(action.tip))


class KeyHelp:
    """Opens the table of keys at the press of one, and keeps the tooltips true.

    napari does not tell of keys that need Shift on some keyboards only, such as the
    question mark, so Qt watches for it in the whole window.

    Parameters
    ----------
    controller : Controller
        Whose keys are listed.
    parent : QWidget
        In whose window the key works.
    """

    def __init__(self, controller: Controller, parent: QWidget) -> None:
        self._keys = controller.keys
        self._told: Mapping[str, Action] = ACTIONS
        self._parent = parent
        self.table: KeyTable | None = None
        self._shortcut = QShortcut(parent)
        self._shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        self._shortcut.activated.connect(self.show)
        controller.commands["show_keys"] = self.show
        controller.closed.connect(self.close)
        self.show_keys()

    def show(self) -> None:
        """Open the table, or bring it to the front."""
        if self.table is None:
            self.table = KeyTable(self._keys.actions, self._parent)
        self.table.show()
        self.table.raise_()
        self.table.activateWindow()

    def show_keys(self) -> None:
        """Take over keys that have changed, also in the tooltips."""
        actions = self._keys.actions
        _retell(self._parent, self._told, actions)
        self._told = actions
        key = actions["show_keys"].key
        self._shortcut.setKey(QKeySequence(spoken(key)))
        if self.table is not None:
            self.table.show_actions(actions)

    def close(self) -> None:
        """Close the table and give the key back."""
        self._shortcut.setEnabled(False)
        if self.table is not None:
            self.table.close()


def _retell(
    parent: QWidget, before: Mapping[str, Action], after: Mapping[str, Action]
) -> None:
    """Name the new keys in the tooltips of all buttons that do these actions."""
    tips = {before[name].tooltip: after[name].tooltip for name in before}
    for button in parent.findChildren(QAbstractButton):
        button.setToolTip(tips.get(button.toolTip(), button.toolTip()))
