"""The table of all objects, and what can be done with the selected ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QItemSelectionModel, QPoint, Qt
from qtpy.QtGui import QColor, QCursor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QGridLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QTableView,
    QWidget,
)

from napari_sam_adapter.plugin.panels.action_buttons import action_button
from napari_sam_adapter.plugin.panels.object_table import (
    CLASS,
    NAME,
    NUMBER,
    SIZE,
    ObjectTableModel,
)
from napari_sam_adapter.volume.document.overlap_rules import OVERLAP_RULES

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QKeyEvent

BUTTONS = (
    ("jump_to_object", "reopen_object", "lock_objects"),
    ("merge_objects", "split_object", "tidy_objects"),
    ("delete_objects", "measure", "export"),
    ("take_labels",),
)
RULE_TIPS = {
    "keep": "Other objects keep their pixels.",
    "cut": "A mask takes pixels of others, but is cut off at finished ones.",
    "overwrite": "A mask takes pixels of all others but locked ones.",
}
TABLE_HEIGHT, COLUMN_WIDTH, AROUND_TEXT = 190, 56, 6
LONGEST_NUMBER, BESIDE_NUMBER = "0000", 64
"""Pixels beside it for a tick and a colour."""
LONGEST_SIZE, BESIDE_SIZE = "000,000", 10


class _Table(QTableView):
    """Leaves letters to napari's keys; Qt would look for a row that begins so."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802  Qt's name
        """Go through the rows, tick, edit; what writes something is for others."""
        assert event is not None  # Qt's own
        text = event.text().strip()
        shift = Qt.KeyboardModifier.ShiftModifier  # others are for commands
        if text.isprintable() and text and not event.modifiers() & ~shift:
            event.ignore()
        else:
            super().keyPressEvent(event)


class ObjectPanel(QWidget):
    """All objects, the rule between them, and commands.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    action_pressed = Signal(str)
    """Emitted with the name of an action."""
    selection_changed = Signal(tuple)
    """Emitted with the selected objects when the user selects."""
    jump_asked = Signal(int)
    """Emitted with an object that was double-clicked."""
    name_given = Signal(int, str)
    """Emitted with an object and its new name."""
    class_given = Signal(tuple, str)
    """Emitted with objects and their new class."""
    shown_changed = Signal(tuple, bool)
    """Emitted with objects that are to be shown or hidden."""
    colour_chosen = Signal(tuple, tuple)
    """Emitted with objects and red, green, blue, alpha from 0 to 1."""
    rule_chosen = Signal(str)
    """Emitted with one of `OVERLAP_RULES`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ObjectTableModel(self)
        self.table = _Table()
        self.table.setModel(self.model)
        selection = self.table.selectionModel()
        assert selection is not None  # there is a model
        self._selection = selection
        self.buttons = {
            name: action_button(name, self.action_pressed)
            for names in BUTTONS
            for name in names
        }
        self.rule = QComboBox()
        self._is_selecting = False
        self._set_up_table()
        self._set_up_rule()
        self._lay_out()
        self.model.text_given.connect(self._on_text)
        self.model.shown_changed.connect(self._on_shown)

    @property
    def selected(self) -> tuple[int, ...]:
        """The selected objects, from top to bottom."""
        selection = self._selection.selection()
        parts = [selection[number] for number in range(len(selection))]
        rows = {row for part in parts for row in range(part.top(), part.bottom() + 1)}
        return tuple(self.model.object_at(row) for row in sorted(rows))

    def refresh(self) -> None:
        """Show what changed; the user selects nothing by it."""
        self._is_selecting = True
        try:
            self.model.refresh()
        finally:
            self._is_selecting = False

    def select(self, object_id: int) -> None:
        """Select the row of an object alone, without telling anybody.

        Parameters
        ----------
        object_id : int
            One that is not in the table leaves nothing selected.
        """
        self._is_selecting = True
        try:
            row = self.model.row_of(object_id)
            flags = QItemSelectionModel.SelectionFlag
            if row < 0:
                self.table.clearSelection()
            else:
                index = self.model.index(row, NUMBER)
                self._selection.setCurrentIndex(
                    index, flags.ClearAndSelect | flags.Rows
                )
                self.table.scrollTo(index)
        finally:
            self._is_selecting = False

    def show_rule(self, rule: str) -> None:
        """Show who gets a pixel that two objects want.

        Parameters
        ----------
        rule : str
            One of `OVERLAP_RULES`.
        """
        self.rule.setCurrentIndex(OVERLAP_RULES.index(rule))

    def _set_up_table(self) -> None:
        table = self.table
        table.setAccessibleName("Objects")
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        table.setSortingEnabled(True)
        table.sortByColumn(NUMBER, Qt.SortOrder.AscendingOrder)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)  # Tab leaves it; arrows go through it
        table.setFixedHeight(TABLE_HEIGHT)
        numbers, header = table.verticalHeader(), table.horizontalHeader()
        assert numbers is not None  # Qt's own
        assert header is not None
        numbers.hide()
        numbers.setDefaultSectionSize(table.fontMetrics().height() + AROUND_TEXT)
        header.setDefaultSectionSize(COLUMN_WIDTH)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        # Of the selection it would ask every row, in each column and picture.
        header.setSelectionModel(QItemSelectionModel(self.model, header))
        header.setSectionsMovable(True)
        for column in (NAME, CLASS):  # what few fill in is not in the way
            header.moveSection(header.visualIndex(column), header.count() - 1)
        width = table.fontMetrics().horizontalAdvance
        header.resizeSection(NUMBER, width(LONGEST_NUMBER) + BESIDE_NUMBER)
        header.resizeSection(SIZE, width(LONGEST_SIZE) + BESIDE_SIZE)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._on_menu)
        table.doubleClicked.connect(self._on_double_click)
        self._selection.selectionChanged.connect(self._on_selection)

    def _set_up_rule(self) -> None:
        self.rule.addItems(OVERLAP_RULES)
        for row, rule in enumerate(OVERLAP_RULES):
            tip = RULE_TIPS[rule]
            self.rule.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.rule.setAccessibleName("Neighbours")
        self.rule.setToolTip("Who gets a pixel that a mask wants and another has.")
        self.rule.activated.connect(self._on_rule)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.addWidget(self.table, 0, 0, 1, 3)
        grid.addWidget(QLabel("neighbours"), 1, 0)
        grid.addWidget(self.rule, 1, 1, 1, 2)
        for row, names in enumerate(BUTTONS, start=2):
            for column, name in enumerate(names):
                grid.addWidget(self.buttons[name], row, column, 1, 3 // len(names))

    def _on_selection(self, *changes: object) -> None:
        if not self._is_selecting:
            self.selection_changed.emit(self.selected)

    def _on_double_click(self, index: QModelIndex) -> None:
        self.jump_asked.emit(self.model.object_at(index.row()))

    def _on_rule(self, row: int) -> None:
        self.rule_chosen.emit(OVERLAP_RULES[row])

    def _on_text(self, object_id: int, column: int, text: str) -> None:
        if column == CLASS:
            self.class_given.emit(self._together_with(object_id), text)
        else:
            self.name_given.emit(object_id, text)

    def _on_shown(self, object_id: int, shown: bool) -> None:
        self.shown_changed.emit(self._together_with(object_id), shown)

    def _together_with(self, object_id: int) -> tuple[int, ...]:
        selected = self.selected
        return selected if object_id in selected else (object_id,)

    def _on_menu(self, place: QPoint) -> None:
        index = self.table.indexAt(place)
        if not index.isValid():
            return
        objects = self._together_with(self.model.object_at(index.row()))
        menu = QMenu(self.table)
        menu.addAction("Colour ...", partial(self.ask_colour, objects))
        menu.addAction("Show", partial(self.shown_changed.emit, objects, True))
        menu.addAction("Hide", partial(self.shown_changed.emit, objects, False))
        menu.popup(QCursor.pos())

    def ask_colour(self, object_ids: tuple[int, ...]) -> None:
        """Let the user choose a colour for objects.

        Parameters
        ----------
        object_ids : tuple of int
            Which ones.
        """
        colour = QColorDialog.getColor(QColor("white"), self, "Colour of the objects")
        if colour.isValid():
            self.colour_chosen.emit(object_ids, colour.getRgbF())
