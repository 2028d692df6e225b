"""Train an adapter on the open layers: options, progress, and the result."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam_adapter.plugin.panels.status_label import StatusLabel
from napari_sam_adapter.plugin.panels.training_curve import TrainingCurve
from napari_sam_adapter.wording import spoken_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import Field

    from napari.layers import Labels

    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.plugin.training.training_state import TrainingState
    from napari_sam_adapter.training.progress.progress import Example, TrainingProgress

FORM_FIELDS = (
    "trains", "steps", "prompted_share", "follow_share", "learning_rate", "augment"
)  # fmt: skip
"""Options that the form shows; the others keep their defaults."""
OWN_MASKS = "own masks"
NO_ADAPTER = "everything"
"""Not offered: its result is a model of its own."""
PICTURE_SIDE = 120
LARGEST = 1_000_000


class AskedComboBox(QComboBox):
    """A list that tells before it is shown, so that it can be made anew."""

    opened = Signal()
    """Emitted before the list is shown."""

    def __init__(self) -> None:
        super().__init__()
        # long names of layers must not make the panel wide
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)
        self.setMinimumContentsLength(8)

    def showPopup(self) -> None:  # noqa: N802  Qt's name
        """Tell, then show."""
        self.opened.emit()
        super().showPopup()


class TrainingPanel(QWidget):
    """Buttons, a form made from `TrainingConfig`, a curve and two masks.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    start_pressed = Signal(dict)
    """Emitted with values of `TrainingConfig`."""
    stop_pressed = Signal()
    """Emitted when training is to stop."""
    finished_pressed = Signal()
    """Emitted when the slice in view is finished, or not any longer."""
    layers_wanted = Signal()
    """Emitted when the list of Labels layers is to be made anew."""
    layer_chosen = Signal(object)
    """Emitted with a Labels layer, or None for the masks of the widget."""
    use_pressed = Signal(object)
    """Emitted with the path of an adapter to use."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from napari_sam_adapter.training.recipes.config import TrainingConfig

        known = {entry.name: entry for entry in fields(TrainingConfig)}
        self.form = {name: _editor(known[name]) for name in FORM_FIELDS}
        self.masks = AskedComboBox()
        self.masks.addItem(OWN_MASKS)
        self.finished = QPushButton("Slice is finished")
        self.finished.setCheckable(True)
        self.start, self.stop = QPushButton("Train"), QPushButton("Stop")
        self.use = QPushButton("Use it")
        self.bar, self.curve = QProgressBar(), TrainingCurve()
        self.before, self.now = QLabel(), QLabel()
        self.example = QComboBox()
        self.status = StatusLabel()
        self._result: Any = None
        self._shown: TrainingProgress | None = None
        self._was_running = False
        self._layers: tuple[Labels | None, ...] = (None,)
        self._add_tooltips()
        self._lay_out()
        self.masks.opened.connect(self.layers_wanted.emit)
        self.masks.activated.connect(self._on_masks_chosen)
        self.finished.clicked.connect(lambda: self.finished_pressed.emit())
        self.example.activated.connect(self._show_example)
        self.start.clicked.connect(self._on_start)
        self.stop.clicked.connect(lambda: self.stop_pressed.emit())
        self.use.clicked.connect(lambda: self.use_pressed.emit(self._result))

    def options(self) -> dict[str, Any]:
        """Return what the form says.

        Returns
        -------
        dict
            Values of `TrainingConfig`, by name.
        """
        return {name: _value(editor) for name, editor in self.form.items()}

    def show_state(self, state: TrainingState, plugin_state: PluginState) -> None:
        """Show progress and result; enable what can be pressed.

        Parameters
        ----------
        state : TrainingState
            What the training says.
        plugin_state : PluginState
            Whether there is an image.
        """
        self._result = state.result
        self._show_layers(state)
        has_image = plugin_state.has_image
        self.finished.setEnabled(has_image)
        self.finished.setChecked(state.is_finished)
        self.start.setEnabled(has_image and not state.is_running)
        self.stop.setEnabled(state.is_running and not state.is_stopping)
        self.use.setEnabled(state.result is not None)
        self.status.show_message(state.message)
        self._show_progress(state)

    def _show_layers(self, state: TrainingState) -> None:
        self._layers = (None, *state.label_layers)
        names = [OWN_MASKS, *(layer.name for layer in state.label_layers)]
        if names != [self.masks.itemText(i) for i in range(self.masks.count())]:
            self.masks.clear()
            self.masks.addItems(names)
        known = state.labels in self._layers
        self.masks.setCurrentIndex(self._layers.index(state.labels) if known else 0)

    def _on_masks_chosen(self, number: int) -> None:
        self.layer_chosen.emit(self._layers[number])

    def _show_progress(self, state: TrainingState) -> None:
        progress, is_running = state.progress, state.is_running
        if progress is self._shown and is_running == self._was_running:
            return
        self._shown, self._was_running = progress, is_running
        self.curve.show_progress(progress)
        if progress is None:
            self.bar.setRange(0, 0 if is_running else 1)
            return
        self.bar.setRange(0, progress.total_steps)
        self.bar.setValue(progress.step)
        left = f", {spoken_time(progress.seconds_left)} left" if is_running else ""
        loss = "" if progress.loss is None else f", loss {progress.loss:.2f}"
        self.bar.setFormat(f"%v of %m steps{left}{loss}")
        if progress.examples:
            self._show_examples(progress.examples)

    def _show_examples(self, examples: Sequence[Example]) -> None:
        names = [example.name for example in examples]
        if names != [self.example.itemText(i) for i in range(self.example.count())]:
            self.example.clear()
            self.example.addItems(names)
        self._show_example(max(0, self.example.currentIndex()))

    def _show_example(self, number: int) -> None:
        from napari_sam_adapter.training.progress.report import REFERENCE, outlined

        if self._shown is None:
            return
        example = self._shown.examples[number]
        image = outlined(example.image, example.truth, REFERENCE)
        for label, mask in ((self.before, example.before), (self.now, example.now)):
            pixels = outlined(image, mask)
            height, width = pixels.shape[:2]
            image_format = QImage.Format.Format_RGB888
            picture = QImage(
                pixels.tobytes(), width, height, 3 * width, image_format
            ).copy()
            label.setPixmap(QPixmap(picture).scaledToWidth(PICTURE_SIDE))

    def _on_start(self) -> None:
        self.start_pressed.emit(self.options())

    def _add_tooltips(self) -> None:
        self.masks.setToolTip("What to learn: these masks, or another Labels layer.")
        self.finished.setToolTip(
            "Mark the slice in view as finished, or take the mark back. Training uses "
            "marked slices; without marks, all with labels."
        )
        self.start.setToolTip("Train on the image and its masks; clicks go on working.")
        self.stop.setToolTip(
            "Stop: what is reached is judged, too, and the best state can be used."
        )
        self.use.setToolTip("Predict with the trained adapter from now on.")
        self.example.setAccessibleName("Slice to look at")
        self.example.setToolTip("A slice kept for validation, to look at below.")
        self.before.setToolTip("Yellow: mask before training. Green: your labels.")
        self.now.setToolTip("Yellow: mask of the network now. Green: your labels.")
        self.bar.setToolTip("Steps, time left, and the loss.")

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("masks", self.masks)
        for name, editor in self.form.items():
            form.addRow(name.replace("_", " "), editor)
        column = QVBoxLayout(self)
        column.addWidget(self.finished)
        column.addLayout(form)
        column.addLayout(_row(self.start, self.stop, self.use))
        column.addWidget(self.bar)
        column.addWidget(self.curve)
        column.addWidget(self.example)
        column.addLayout(_row(self.before, self.now))
        column.addWidget(self.status)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _editor(entry: Field[Any]) -> QWidget:
    """Return a widget for an option, with its default and help."""
    choices = entry.metadata["choices"]
    default: Any = entry.default
    editor: Any
    if choices:
        editor = QComboBox()
        editor.addItems([choice for choice in choices if choice != NO_ADAPTER])
        editor.setCurrentText(default)
    elif isinstance(default, bool):
        editor = QCheckBox()
        editor.setChecked(default)
    elif isinstance(default, int):
        editor = QSpinBox()
        editor.setRange(1, LARGEST)
        editor.setValue(default)
    else:
        editor = QDoubleSpinBox()
        editor.setDecimals(5)
        editor.setRange(0, 1)
        editor.setSingleStep(0.0001 if default < 0.01 else 0.1)
        editor.setValue(default)
    editor.setToolTip(entry.metadata["help"])
    return editor  # type: ignore[no-any-return]


def _value(editor: Any) -> Any:
    if isinstance(editor, QComboBox):
        return editor.currentText()
    return editor.isChecked() if isinstance(editor, QCheckBox) else editor.value()
