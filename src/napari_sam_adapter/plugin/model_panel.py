"""Choose model, adapter and device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QPushButton,
)

from napari_sam_adapter.model.families import PREPROCESSINGS
from napari_sam_adapter.model.variants import ADAPTERS, MODELS
from napari_sam_adapter.plugin.state import ModelChoice, Phase

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam_adapter.plugin.state import PluginState

DEVICES = ("auto", "cpu", "cuda", "mps")
NO_ADAPTER = "none"
AS_FILE_SAYS = "as its file says"
FROM_FILE = "from file ..."
FILE_FILTER = "Weights (*.safetensors *.pth *.pt);;All files (*)"


class ModelPanel(QGroupBox):
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

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Network", parent)
        self.model = _FileComboBox(tuple(MODELS), "Choose a checkpoint")
        self.adapter = _FileComboBox((NO_ADAPTER, *ADAPTERS), "Choose an adapter")
        self.device = QComboBox()
        self.device.addItems(DEVICES)
        self.preprocessing = QComboBox()
        self.preprocessing.addItem(AS_FILE_SAYS, None)
        for name in PREPROCESSINGS:
            self.preprocessing.addItem(name, name)
        self.load = QPushButton("Load")
        self._add_tooltips()
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("model", self.model)
        form.addRow("adapter", self.adapter)
        form.addRow("images", self.preprocessing)
        form.addRow("device", self.device)
        form.addRow("", self.load)
        self.model.value_changed.connect(self._on_chosen)
        self.adapter.value_changed.connect(self._on_chosen)
        self.preprocessing.currentIndexChanged.connect(self._on_chosen)
        self.device.currentIndexChanged.connect(self._on_chosen)
        self.load.clicked.connect(self._on_load_pressed)

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
        """Enable what can be used now.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        idle = state.phase is Phase.READY
        for picker in (self.model, self.adapter, self.preprocessing, self.device):
            picker.setEnabled(idle)
        is_loaded = state.loaded == state.model
        self.load.setEnabled(idle and not is_loaded)
        self.load.setText("Loaded" if is_loaded else "Load now")

    def _add_tooltips(self) -> None:
        self.model.setToolTip("The network. The first click loads it.")
        for number, variant in enumerate(MODELS.values()):
            role = Qt.ItemDataRole.ToolTipRole
            self.model.setItemData(number, variant.description, role)
        self.adapter.setToolTip("What was trained on top of the network.")
        self.preprocessing.setToolTip(
            "How the network wants its images, for files that do not tell it: SAM, "
            "MedSAM and micro-sam have the same tensors."
        )
        self.device.setToolTip("Where it computes; auto takes a GPU if there is one.")
        self.load.setToolTip("Load the network now, so that the first click is quick.")

    def _on_load_pressed(self) -> None:
        self.load_pressed.emit()

    def _on_chosen(self) -> None:
        self.model_chosen.emit(self.choice())


class _FileComboBox(QComboBox):
    """Names to choose from, and a last entry that asks for a file."""

    value_changed = Signal()

    def __init__(self, names: tuple[str, ...], title: str) -> None:
        super().__init__()
        self.setMinimumContentsLength(10)
        self._title = title
        self._last = 0
        for name in names:
            self.addItem(name, name)
        self.addItem(FROM_FILE, None)
        self.currentIndexChanged.connect(self._on_index_changed)
        self.activated.connect(self._on_activated)

    def value(self) -> str:
        # The chosen name or path.
        return str(self.itemData(self._last))

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
