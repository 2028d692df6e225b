"""The dock widget: builds panels, state and controller, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_sam_adapter.plugin.activity_panel import ActivityPanel
from napari_sam_adapter.plugin.annotation_panel import AnnotationPanel
from napari_sam_adapter.plugin.candidate_choice import CandidateChoice
from napari_sam_adapter.plugin.controller import Controller
from napari_sam_adapter.plugin.hover_preview import HoverPreview
from napari_sam_adapter.plugin.image_panel import ImagePanel
from napari_sam_adapter.plugin.model_panel import ModelPanel
from napari_sam_adapter.plugin.network_loading import Loader, load_from_disk
from napari_sam_adapter.plugin.prompt_commands import PromptCommands
from napari_sam_adapter.plugin.prompt_panel import PromptPanel
from napari_sam_adapter.plugin.state import PluginState
from napari_sam_adapter.plugin.training_panel import TrainingPanel
from napari_sam_adapter.plugin.training_run import (
    Trainer,
    TrainingRun,
    train_on_layers,
)
from napari_sam_adapter.plugin.training_state import TrainingState
from napari_sam_adapter.plugin.weights_state import WeightsController
from napari_sam_adapter.plugin.weights_window import WeightsWindow

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_sam_adapter.weight_store.entries import Entry


class SegmentAnythingWidget(QWidget):
    """Segment an image layer with clicks and boxes.

    Parameters
    ----------
    napari_viewer : Viewer
        The viewer it is docked in; napari gives it by this name.
    load : callable
        Makes a predictor of a `ModelChoice`; called on the worker thread.
    train : callable
        Trains an adapter; called on the worker thread.
    """

    def __init__(
        self,
        napari_viewer: ViewerModel,
        load: Loader = load_from_disk,
        train: Trainer = train_on_layers,
    ) -> None:
        super().__init__()
        self.state = PluginState()
        self.controller = Controller(napari_viewer, self.state, load)
        self.weights = WeightsController()
        self.weights_window: WeightsWindow | None = None
        self.image_panel = ImagePanel()
        self.model_panel = ModelPanel()
        self.annotation_panel = AnnotationPanel()
        self.prompt_panel = PromptPanel()
        self.prompting = PromptCommands(self.controller)
        self.candidates = CandidateChoice(self.controller)
        self.preview = HoverPreview(self.controller)
        self.activity_panel = ActivityPanel()
        self.training_state = TrainingState()
        self.training = TrainingRun(
            napari_viewer, self.controller, self.state, self.training_state, train
        )
        self.training_panel = TrainingPanel()
        self._is_docked = False
        self._lay_out()
        self._connect_training()
        self._connect()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  Qt's name
        """Stop when napari takes the widget out of its dock.

        Parameters
        ----------
        event : QEvent or None
            From Qt.
        """
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self._is_docked and self.parent() is None:
                self.stop()
            self._is_docked = self.parent() is not None

    def stop(self) -> None:
        """Stop all work and let go of the viewer; layers and masks stay."""
        self.controller.close()
        self.weights.close()
        if self.weights_window is not None:
            self.weights_window.close()

    def show_weights(self, entry: Entry | None = None) -> None:
        """Open the window about weights.

        Parameters
        ----------
        entry : Entry, optional
            The row to select.
        """
        self.weights.refresh()
        if self.weights_window is None:
            self.weights_window = WeightsWindow(self.weights, self)
        if entry is not None:
            self.weights_window.choose(entry.name, entry.kind)
        self.weights_window.show()
        self.weights_window.raise_()

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        panels = (
            self.image_panel,
            self.model_panel,
            self.annotation_panel,
            self.prompt_panel,
            self.training_panel,
        )
        for panel in panels:
            column.addWidget(panel)
        column.addStretch(1)
        area = _ColumnArea()
        area.setWidget(content)
        layout = QVBoxLayout(self)
        layout.addWidget(area, 1)
        layout.addWidget(self.activity_panel)

    def _connect(self) -> None:
        controller = self.controller
        self.model_panel.model_chosen.connect(controller.choose_model)
        self.model_panel.load_pressed.connect(controller.load_model)
        self.model_panel.weights_pressed.connect(self.show_weights)
        self.annotation_panel.action_pressed.connect(self._on_action)
        self.annotation_panel.polarity_chosen.connect(controller.set_polarity)
        self.annotation_panel.object_chosen.connect(controller.choose_object)
        panel = self.prompt_panel
        panel.action_pressed.connect(self._on_action)
        panel.candidate_chosen.connect(self.candidates.choose)
        panel.background_press_chosen.connect(controller.tools.set_background_press)
        self.image_panel.image_chosen.connect(controller.choose_image)
        self.state.events.connect(self._on_state_changed)
        self.weights.state.events.entries.connect(self._on_weights_changed)
        self.destroyed.connect(controller.close)
        self.destroyed.connect(self.weights.close)
        controller.on_layers_changed()
        self._on_state_changed()

    def _connect_training(self) -> None:
        panel, training = self.training_panel, self.training
        panel.finished_pressed.connect(training.switch_finished)
        panel.layers_wanted.connect(training.list_layers)
        panel.layer_chosen.connect(training.choose_layer)
        panel.start_pressed.connect(training.start)
        panel.stop_pressed.connect(training.stop)
        panel.use_pressed.connect(self._on_use)
        self.training_state.events.connect(self._on_state_changed)

    def _on_action(self, name: str) -> None:
        self.controller.commands[name]()

    def _on_use(self, adapter: Path) -> None:
        self.model_panel.adapter.add_file(str(adapter))
        self.training.predict_again()

    def _on_state_changed(self) -> None:
        self.image_panel.show_state(self.state)
        self.model_panel.show_weights(self.state, self.weights.state)
        self.annotation_panel.show_state(self.state)
        self.prompt_panel.show_state(self.state)
        self.activity_panel.show_state(self.state)
        self.training_panel.show_state(self.training_state, self.state)

    def _on_weights_changed(self) -> None:
        self.model_panel.show_weights(self.state, self.weights.state)


class _ColumnArea(QScrollArea):
    """A scroll area that is never narrower than what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Leave room for the widest panel and the scroll bar."""
        hint = super().minimumSizeHint()
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return hint
        width = content.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(max(width, hint.width()), hint.height())
