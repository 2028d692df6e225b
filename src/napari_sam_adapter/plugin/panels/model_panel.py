"""Choose model, adapter and device."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_sam_adapter.model.families.preparation import PREPROCESSINGS
from napari_sam_adapter.plugin.state import NO_ADAPTER, ModelChoice, Phase
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.plugin.network.weights_state import WeightsState
    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.weight_store.entries import Entry

DEFAULT_MODEL = ModelChoice().model
AS_FILE_SAYS = "as its file says"
FROM_FILE = "from file ..."
FILE_FILTER = "Weights (*.safetensors *.pth *.pt);;All files (*)"


def devices_of(platform: str) -> list[str]:
    """Return what may compute on a system, without loading PyTorch to ask it.

    Parameters
    ----------
    platform : str
        As in `sys.platform`.

    Returns
    -------
    list of str
        Names to choose from.
    """
    return ["auto", "cpu", "mps" if platform == "darwin" else "cuda"]


class ModelPanel(QWidget):
    """Pickers for the network and a button that loads it.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    model_chosen = Signal(object)
    """Emitted with a `ModelChoice` when the user chooses."""
    load_pressed = Signal()
    """Emitted when the user wants the network now."""
    weights_pressed = Signal(object)
    """Emitted with an `Entry` to get, or None to look at all weights."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = _FileComboBox((DEFAULT_MODEL,), "Choose a checkpoint")
        self.adapter = _FileComboBox((NO_ADAPTER,), "Choose an adapter")
        self.missing = QLabel()
        self.missing.setWordWrap(True)
        self.missing.hide()
        self._missing: Entry | None = None
        self._let_go: dict[str, str] = {}
        self.device = QComboBox()
        self.device.addItems(devices_of(sys.platform))
        self.preprocessing = QComboBox()
        self.preprocessing.addItem(AS_FILE_SAYS, None)
        for name in PREPROCESSINGS:
            self.preprocessing.addItem(name, name)
        self.load = QPushButton("Load")
        self.weights = QPushButton("Weights ...")
        self._add_tooltips()
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("model", self.model)
        form.addRow("adapter", self.adapter)
        form.addRow("images", self.preprocessing)
        form.addRow("device", self.device)
        form.addRow(self.missing)
        buttons = QHBoxLayout()
        buttons.addWidget(self.load)
        buttons.addWidget(self.weights)
        form.addRow("", buttons)
        self.model.value_changed.connect(self._on_model_chosen)
        self.adapter.value_changed.connect(self._on_chosen)
        self.preprocessing.currentIndexChanged.connect(self._on_chosen)
        self.device.currentIndexChanged.connect(self._on_chosen)
        self.load.clicked.connect(self._on_load_pressed)
        self.weights.clicked.connect(self._on_weights_pressed)

    def choice(self) -> ModelChoice:
        """Return what the pickers say.

        Returns
        -------
        ModelChoice
            Model, adapter, device and preprocessing.
        """
        adapter = self.adapter.value()
        return ModelChoice(
            self.model.value(),
            None if adapter == NO_ADAPTER else adapter,
            self.device.currentText(),
            self.preprocessing.currentData(),
        )

    def show_state(self, state: PluginState) -> None:
        """Show what is chosen, and enable what can be used now.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        if replace(self.choice(), dtype=state.model.dtype) != state.model:
            self._show_choice(state.model)
        idle = state.phase is Phase.READY
        for picker in (self.model, self.adapter, self.preprocessing, self.device):
            picker.setEnabled(idle)
        is_loaded = state.loaded == state.model
        self.load.setEnabled(idle and not is_loaded)
        if self._missing is not None:
            self.load.setText("Get it ...")
        else:
            self.load.setText("Loaded" if is_loaded else "Load now")

    def show_weights(self, state: PluginState, weights: WeightsState) -> None:
        """List what has a name, and say if the chosen weights are not here yet.

        Parameters
        ----------
        state : PluginState
            What is chosen.
        weights : WeightsState
            What is there.
        """
        for picker, kind in ((self.model, Kind.MODEL), (self.adapter, Kind.ADAPTER)):
            picker.set_names([e for e in weights.entries if e.kind is kind])
        self.adapter.offer_those_for(self.model)
        self._missing = next(iter(_missing(state.model, weights)), None)
        self.missing.setVisible(self._missing is not None)
        if self._missing is not None:
            entry = self._missing
            self.missing.setText(
                f"{entry.name} is not here yet: {entry.size_text}, licence "
                f"{entry.variant.licence}."
            )
        self.show_state(state)

    def _add_tooltips(self) -> None:
        self.model.setToolTip("The network. The first click loads it.")
        self.weights.setToolTip("Download, import and remove models and adapters.")
        self.adapter.setToolTip("What was trained on top of the network.")
        self.preprocessing.setToolTip(
            "How the network wants its images, for files that do not tell it: SAM, "
            "MedSAM and micro-sam have the same tensors."
        )
        self.device.setToolTip("Where it computes; auto measures what is fastest.")
        self.load.setToolTip("Load the network now, so that the first click is quick.")

    def _on_load_pressed(self) -> None:
        if self._missing is not None:
            self.weights_pressed.emit(self._missing)
        else:
            self.load_pressed.emit()

    def _on_weights_pressed(self) -> None:
        self.weights_pressed.emit(self._missing)

    def _on_model_chosen(self) -> None:
        """Let go of an adapter that is known to be for another model, until that."""
        self.adapter.offer_those_for(self.model)
        model, entry = self.model.value(), self.adapter.entry()
        base = entry.variant.base if entry is not None else None
        if entry is not None and base not in (None, model):
            self._let_go[base] = entry.name
            self.adapter.choose(NO_ADAPTER)  # which tells of both
        elif self.adapter.value() == NO_ADAPTER and model in self._let_go:
            self.adapter.choose(self._let_go.pop(model))
        else:
            self._on_chosen()

    def _show_choice(self, choice: ModelChoice) -> None:
        """Show what was not chosen here, such as the network of a session."""
        with (
            self.model.value_changed.blocked(),
            self.adapter.value_changed.blocked(),
            signals_blocked(self.preprocessing),
            signals_blocked(self.device),
        ):
            self.model.choose(choice.model)
            self.adapter.choose(choice.adapter or NO_ADAPTER)
            place = self.preprocessing.findData(choice.preprocessing)
            self.preprocessing.setCurrentIndex(max(place, 0))
            self.device.setCurrentText(choice.device)
        self.adapter.offer_those_for(self.model)

    def _on_chosen(self) -> None:
        self.model_chosen.emit(self.choice())


def _missing(choice: ModelChoice, weights: WeightsState) -> Iterator[Entry]:
    # Named weights that would have to be fetched first.
    for name, kind in ((choice.model, Kind.MODEL), (choice.adapter, Kind.ADAPTER)):
        entry = weights.find(name, kind) if name else None
        if entry is not None and not entry.is_here:
            yield entry


class _FileComboBox(QComboBox):
    """Names to choose from, and a last entry that asks for a file."""

    value_changed = Signal()

    def __init__(self, names: tuple[str, ...], title: str) -> None:
        super().__init__()
        self.setMinimumContentsLength(10)
        self._title = title
        self._last = 0
        self._fixed = names
        self._shown: list[Entry] = []
        for name in names:
            self.addItem(name, name)
        self.addItem(FROM_FILE, None)
        self.currentIndexChanged.connect(self._on_index_changed)
        self.activated.connect(self._on_activated)

    def value(self) -> str:
        # The chosen name or path.
        return str(self.itemData(self._last))

    def entry(self) -> Entry | None:
        # What has the chosen name; None for files.
        return next((e for e in self._shown if e.name == self.value()), None)

    def set_names(self, entries: list[Entry]) -> None:
        """List these after the fixed names; files and the choice stay, if they can."""
        if entries == self._shown:
            return
        chosen, gone = self.value(), {entry.name for entry in self._shown}
        self._shown = entries
        with signals_blocked(self):
            self._remove(gone - set(self._fixed))
            self._insert(entries)
            self._last = max(self.findData(chosen), 0)
            self.setCurrentIndex(self._last)
        if self.value() != chosen:
            self.value_changed.emit()

    def offer_those_for(self, base: _FileComboBox) -> None:
        """Say which names belong to another base than the chosen one; keep files."""
        rows: Any = self.model()
        for entry in self._shown:
            own, text = entry.variant.base, entry.name
            fits = own is None or base.entry() is None or own == base.value()
            row = self.findData(entry.name)
            rows.item(row).setEnabled(fits)
            self.setItemText(row, text if fits else f"{text} (for {own})")

    def _remove(self, names: set[str]) -> None:
        for row in reversed(range(self.count())):
            if self.itemData(row) in names:
                self.removeItem(row)

    def _insert(self, entries: list[Entry]) -> None:
        row = len(self._fixed)
        for entry in entries:
            if entry.name not in self._fixed:
                self.insertItem(row, entry.name, entry.name)
                row += 1
            place, role = self.findData(entry.name), Qt.ItemDataRole.ToolTipRole
            self.setItemData(place, entry.variant.description, role)

    def choose(self, name: str) -> None:
        """Choose what is listed, or add a file."""
        place = self.findData(name)
        if place < 0:
            self.add_file(name)
        else:
            self.setCurrentIndex(place)

    def add_file(self, path: str) -> None:
        """Add a file to the list and choose it."""
        place = self.count() - 1
        self.insertItem(place, Path(path).name, path)
        self.setCurrentIndex(place)

    def _on_index_changed(self, index: int) -> None:
        if self.itemData(index) is not None:
            self._last = index
            self.value_changed.emit()

    def _on_activated(self, index: int) -> None:
        """Ask for a file if the last entry was chosen."""
        if self.itemData(index) is not None:
            return
        self.setCurrentIndex(self._last)
        path, _ = QFileDialog.getOpenFileName(self, self._title, "", FILE_FILTER)
        if path:
            self.add_file(path)
