"""The window that lists weights: state, size, licence; download, import, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
)

from napari_sam_adapter.plugin.panels.status_label import StatusLabel
from napari_sam_adapter.plugin.panels.weights_dialogs import ask_export, ask_import
from napari_sam_adapter.weight_store.entries import Kind, State
from napari_sam_adapter.wording import readable_size

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam_adapter.plugin.network.weights_state import WeightsController
    from napari_sam_adapter.weight_store.entries import Entry

COLUMNS = ("name", "kind", "state", "size", "licence")
SIZE = 640, 520
BAR_STEPS = 1000


class WeightsWindow(QDialog):
    """All models and adapters with a name, and what can be done with their files.

    Parameters
    ----------
    controller : WeightsController
        Does what the buttons say.
    parent : QWidget or None
        Qt parent.
    """

    def __init__(
        self, controller: WeightsController, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Weights")
        self.resize(*SIZE)
        self._controller = controller
        self._shown: tuple[Entry, ...] = ()
        self.table = QTreeWidget()
        self.table.setRootIsDecorated(False)
        self.table.setHeaderLabels(COLUMNS)
        self.details, self.status, self.folder = _text(), StatusLabel(), _text()
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.download = QPushButton("Download")
        self.stop = QPushButton("Stop")
        self.import_file = QPushButton("Import file ...")
        self.export = QPushButton("Export ...")
        self.remove = QPushButton("Remove")
        self.remove_downloads = QPushButton("Remove all downloads")
        self._add_tooltips()
        self._lay_out()
        self._connect()
        self._on_state_changed()

    def choose(self, name: str, kind: Kind) -> None:
        """Select a row.

        Parameters
        ----------
        name : str
            Of a model or adapter.
        kind : Kind
            Which of both.
        """
        for row, entry in enumerate(self._shown):
            if (entry.name, entry.kind) == (name, kind):
                self.table.setCurrentItem(self.table.topLevelItem(row))

    def chosen(self) -> Entry | None:
        """Return the selected row.

        Returns
        -------
        Entry or None
            None if no row is selected.
        """
        row = self.table.indexOfTopLevelItem(self.table.currentItem())
        return self._shown[row] if row >= 0 else None

    def _add_tooltips(self) -> None:
        self.download.setToolTip("Fetch the selected model under its licence.")
        self.stop.setToolTip("Stop; the next try goes on from what came.")
        self.import_file.setToolTip("Give a weight file of your own a name.")
        self.export.setToolTip(
            "Write the selected model, or the selected adapter on its model, for other "
            "programs."
        )
        self.remove.setToolTip("Delete the file of the selected model.")
        self.remove_downloads.setToolTip("Delete all downloads; imported files stay.")

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.addWidget(self.table, 1)
        column.addWidget(self.details)
        column.addLayout(_row(self.download, self.stop, self.remove))
        column.addLayout(_row(self.import_file, self.export))
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addWidget(self.folder)
        column.addLayout(_row(self.remove_downloads))

    def _connect(self) -> None:
        self.table.currentItemChanged.connect(self._show_chosen)
        self.download.clicked.connect(self._on_download)
        self.stop.clicked.connect(self._controller.stop)
        self.import_file.clicked.connect(self._on_import)
        self.export.clicked.connect(self._on_export)
        self.remove.clicked.connect(self._on_remove)
        self.remove_downloads.clicked.connect(self._on_remove_downloads)
        self._controller.state.events.connect(self._on_state_changed)

    def _on_download(self) -> None:
        entry = self.chosen()
        if entry is not None:
            self._controller.download(entry)

    def _on_import(self) -> None:
        here = (e for e in self._controller.state.entries if e.is_here)
        wish = ask_import(self, [e.name for e in here if e.kind is Kind.MODEL])
        if wish is not None:
            self._controller.import_file(*wish)

    def _on_export(self) -> None:
        entry = self.chosen()
        wish = None if entry is None else ask_export(self, entry)
        if entry is not None and wish is not None:
            self._controller.export(entry, *wish)

    def _on_remove(self) -> None:
        entry = self.chosen()
        if entry is not None and self._is_sure(f"Delete {entry.path}?"):
            self._controller.remove(entry)

    def _on_remove_downloads(self) -> None:
        folder = self._controller.state.folder
        if self._is_sure(f"Delete all downloads in {folder}?"):
            self._controller.remove_downloads()

    def _is_sure(self, question: str) -> bool:
        answer = QMessageBox.question(self, "Weights", question)
        return answer == QMessageBox.StandardButton.Yes

    def _on_state_changed(self) -> None:
        state = self._controller.state
        if state.entries != self._shown:
            self._show_entries(state.entries)
        self.folder.setText(
            f"Cache folder: {state.folder} ({readable_size(state.used)})"
        )
        self.status.show_message(state.message)
        self._show_progress()
        self._show_chosen()

    def _show_entries(self, entries: tuple[Entry, ...]) -> None:
        before = self.chosen()
        self._shown = entries
        self.table.clear()
        self.table.addTopLevelItems([QTreeWidgetItem(_cells(e)) for e in entries])
        for column in range(len(COLUMNS)):
            self.table.resizeColumnToContents(column)
        if before is not None:
            self.choose(before.name, before.kind)

    def _show_progress(self) -> None:
        state = self._controller.state
        done, total = state.progress.done, state.progress.total
        self.bar.setVisible(bool(state.busy))
        self.bar.setMaximum(BAR_STEPS if total else 0)
        self.bar.setValue(done * BAR_STEPS // total if total else 0)
        self.bar.setFormat(f"{readable_size(done)} of {readable_size(total)}")

    def _show_chosen(self) -> None:
        entry, busy = self.chosen(), bool(self._controller.state.busy)
        self.details.setText(_details(entry) if entry else "Select a row.")
        can_fetch = entry is not None and entry.state is State.TO_DOWNLOAD
        can_remove = entry is not None and entry.can_be_removed
        self.download.setEnabled(can_fetch and not busy)
        self.export.setEnabled(entry is not None and entry.is_here and not busy)
        self.remove.setEnabled(can_remove and not busy)
        self.import_file.setEnabled(not busy)
        self.remove_downloads.setEnabled(not busy)
        self.stop.setEnabled(busy)


def _cells(entry: Entry) -> list[str]:
    return [
        entry.name,
        entry.kind.value,
        entry.state.value,
        entry.size_text,
        entry.variant.licence,
    ]


def _details(entry: Entry) -> str:
    variant = entry.variant
    lines = [
        f"{entry.name}: {variant.description}",
        f"Licence: {variant.licence}. Source: {variant.source}",
        f"File: {entry.path}",
    ]
    if variant.preprocessing is not None:
        lines.append(f"Images: {variant.preprocessing}")
    if entry.state is State.TO_DOWNLOAD:
        lines.append(f"Downloading it from {variant.url} means to accept the licence.")
    if entry.state is State.BY_HAND:
        lines.append(f"Get it by hand from {variant.page} and put it there.")
    return "\n".join(lines)


def _text() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _row(*buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    for button in buttons:
        button.setAutoDefault(False)
        row.addWidget(button)
    row.addStretch(1)
    return row
