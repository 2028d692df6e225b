"""All objects of a session as a table that Qt can show."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Any, NamedTuple

from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtGui import QColor

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

    from napari_sam_adapter.plugin.layers.object_look import ObjectLook
    from napari_sam_adapter.volume.document.object_list import ObjectList, ObjectSummary

MOST_SINGLE_ROWS = 20
"""If more objects came or went, the table is built anew."""
UNTICKED, TICKED = 0, 2
"""Values of `Qt.CheckState`: not all bindings take the names back."""
Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole


class Column(NamedTuple):
    """What a column shows of an object.

    Parameters
    ----------
    title : str
        Its head.
    tip : str
        What it means.
    value : callable
        What it is sorted by.
    text : callable
        What it shows.
    """

    title: str
    tip: str
    value: Callable[[ObjectSummary], Any]
    text: Callable[[ObjectSummary], str]


NUMBER, NAME, CLASS, SLICES, SIZE, SURE, STATE = range(7)
MANY_DIGITS = 1000
"""Sizes from here on are shown as whole numbers."""


def _state(line: ObjectSummary) -> str:
    locked, finished = "locked" * line.locked, "finished" * line.accepted
    return ", ".join(filter(None, (finished, locked)))


COLUMNS = (
    Column(
        "object",
        "Number in the Labels layer, and colour. Untick to hide it.",
        lambda line: line.object_id,
        lambda line: str(line.object_id),
    ),
    Column(
        "name",
        "What you call it (F2 to change).",
        lambda line: line.name,
        lambda line: line.name,
    ),
    Column(
        "class",
        "What kind of thing it is (F2 to change, for all selected).",
        lambda line: line.class_name,
        lambda line: line.class_name,
    ),
    Column(
        "slices",
        "On how many slices it lies.",
        lambda line: line.slices,
        lambda line: str(line.slices),
    ),
    Column("size", "How large it is.", lambda line: line.voxels, lambda line: ""),
    Column(
        "sure",
        "The lowest confidence of its masks, 0 to 1.",
        lambda line: -1.0 if line.confidence is None else line.confidence,
        lambda line: "" if line.confidence is None else f"{line.confidence:.2f}",
    ),
    Column("state", "Finished, locked, or neither.", _state, _state),
)


class ObjectTableModel(QAbstractTableModel):
    """The objects of a session; a line is only made when it is looked at.

    Parameters
    ----------
    parent : QObject or None
        Qt parent.
    """

    text_given = Signal(int, int, str)
    """Emitted with object, column and text when the user wrote into the table."""
    shown_changed = Signal(int, bool)
    """Emitted when the user ticked or unticked an object."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._objects: ObjectList | None = None
        self._look: ObjectLook | None = None
        self._voxel, self._unit = 1.0, ""
        self._ids: list[int] = []
        self._places: dict[int, int] = {}
        self._lines: dict[int, ObjectSummary] = {}
        self._stamp = 0
        self._order = NUMBER, False

    def follow(
        self,
        objects: ObjectList | None,
        look: ObjectLook | None,
        voxel: float,
        unit: str,
    ) -> None:
        """Show the objects of another session.

        Parameters
        ----------
        objects : ObjectList or None
            The objects.
        look : ObjectLook or None
            Their colours, and which are hidden.
        voxel : float
            Size of a voxel in world units.
        unit : str
            Its unit.
        """
        self.beginResetModel()
        self._objects, self._look = objects, look
        self._voxel, self._unit = voxel, unit
        self._lines.clear()
        self._stamp = 0 if objects is None else objects.stamp
        self._arrange([] if objects is None else objects.ids)
        self.endResetModel()

    def refresh(self) -> None:
        """Show what changed since the last time."""
        if self._objects is None:
            return
        changed = self._objects.changed_since(self._stamp)
        self._stamp = self._objects.stamp
        for object_id in changed:
            self._lines.pop(object_id, None)
        moved = [i for i in changed if (i in self._objects) != (i in self._places)]
        if len(moved) > MOST_SINGLE_ROWS:
            self.beginResetModel()
            self._arrange(self._objects.ids)
            self.endResetModel()
            return
        for object_id in moved:
            self._move(object_id)
        for object_id in changed:
            if object_id in self._places:
                row = self._places[object_id]
                self._tell(row, row)

    def repaint(self) -> None:
        """Show colours and ticks again."""
        if self._ids:
            self._tell(0, len(self._ids) - 1)

    def object_at(self, row: int) -> int:
        """Return the object of a row.

        Parameters
        ----------
        row : int
            From 0.

        Returns
        -------
        int
            Its number.
        """
        return self._ids[row]

    def row_of(self, object_id: int) -> int:
        """Return the row of an object.

        Parameters
        ----------
        object_id : int
            Any number.

        Returns
        -------
        int
            -1 if it is not in the table.
        """
        return self._places.get(object_id, -1)

    # What Qt asks.

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802  Qt's name
        """Return the number of objects."""
        return 0 if parent is not None and parent.isValid() else len(self._ids)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(  # noqa: N802  Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        """Return what stands over a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Role.DisplayRole:
            return self._unit if section == SIZE else COLUMNS[section].title
        return COLUMNS[section].tip if role == Role.ToolTipRole else None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        object_id, column = self._ids[index.row()], index.column()
        if role in (Role.DisplayRole, Role.EditRole):
            return self._text(object_id, column)
        if role == Role.ToolTipRole:
            return COLUMNS[column].tip
        if column != NUMBER or self._look is None:
            return None
        if role == Role.DecorationRole:
            return self._colour(object_id)
        if role == Role.CheckStateRole:
            hidden = object_id in self._look.hidden
            return UNTICKED if hidden else TICKED
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return what can be done with a cell."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() in (NAME, CLASS):
            flags |= Qt.ItemFlag.ItemIsEditable
        if index.column() == NUMBER:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def setData(  # noqa: N802  Qt's name
        self, index: Index, value: Any, role: int = Role.EditRole
    ) -> bool:
        """Pass on what the user wrote or ticked; the session decides."""
        object_id = self._ids[index.row()]
        if role == Role.CheckStateRole:
            self.shown_changed.emit(object_id, value in (TICKED, Qt.CheckState.Checked))
        elif role == Role.EditRole:
            self.text_given.emit(object_id, index.column(), str(value))
        return role in (Role.CheckStateRole, Role.EditRole)

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Order the rows by a column."""
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        ids = [self._ids[index.row()] for index in old]
        self._order = column, order == Qt.SortOrder.DescendingOrder
        self._arrange(self._ids)
        new = [
            self.index(self._places[object_id], index.column())
            for object_id, index in zip(ids, old, strict=True)
        ]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _arrange(self, ids: list[int]) -> None:
        column, descending = self._order

        def key(object_id: int) -> tuple[Any, ...]:
            line = self._line(object_id)
            known = (0,) if line is None else (1, COLUMNS[column].value(line))
            return *known, object_id

        keys = None if column == NUMBER else key
        self._ids = sorted(ids, key=keys, reverse=descending)
        self._number()

    def _number(self) -> None:
        self._places = {object_id: row for row, object_id in enumerate(self._ids)}

    def _move(self, object_id: int) -> None:
        """Take a row out, or put one in: in its place by number, else at the end."""
        row = self.row_of(object_id)
        if row >= 0:
            self.beginRemoveRows(QModelIndex(), row, row)
            del self._ids[row]
            self._number()
            self.endRemoveRows()
            return
        row = len(self._ids)
        if self._order == (NUMBER, False):
            row = bisect.bisect(self._ids, object_id)
        self.beginInsertRows(QModelIndex(), row, row)
        self._ids.insert(row, object_id)
        self._number()
        self.endInsertRows()

    def _tell(self, first: int, last: int) -> None:
        end = self.index(last, len(COLUMNS) - 1)
        self.dataChanged.emit(self.index(first, 0), end)

    def _line(self, object_id: int) -> ObjectSummary | None:
        """Return what is known of an object; nothing if it is gone by now."""
        if object_id not in self._lines:
            if self._objects is None or object_id not in self._objects:
                return None
            self._lines[object_id] = self._objects.summary(object_id)
        return self._lines[object_id]

    def _text(self, object_id: int, column: int) -> str:
        line = self._line(object_id)
        if line is None:
            return ""
        if column == SIZE:
            size = line.voxels * self._voxel
            return f"{size:,.0f}" if size >= MANY_DIGITS else f"{size:.4g}"
        return COLUMNS[column].text(line)

    def _colour(self, object_id: int) -> QColor | None:
        colour = None if self._look is None else self._look.colour(object_id)
        return None if colour is None else QColor.fromRgbF(*colour)
