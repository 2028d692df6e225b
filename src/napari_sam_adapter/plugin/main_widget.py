"""The dock widget: builds panels, state and controller, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam_adapter.plugin.activity_panel import ActivityPanel
from napari_sam_adapter.plugin.annotation_panel import AnnotationPanel
from napari_sam_adapter.plugin.candidate_choice import CandidateChoice
from napari_sam_adapter.plugin.comparison import Comparison
from napari_sam_adapter.plugin.comparison_panel import ComparisonPanel
from napari_sam_adapter.plugin.comparison_state import NO_ADAPTER, ComparisonState
from napari_sam_adapter.plugin.controller import Controller
from napari_sam_adapter.plugin.exports import Exports
from napari_sam_adapter.plugin.hover_preview import HoverPreview
from napari_sam_adapter.plugin.image_panel import ImagePanel
from napari_sam_adapter.plugin.image_window import ImageWindow
from napari_sam_adapter.plugin.image_window_panel import ImageWindowPanel
from napari_sam_adapter.plugin.key_settings import KeySettings
from napari_sam_adapter.plugin.key_table import KeyHelp
from napari_sam_adapter.plugin.model_panel import ModelPanel
from napari_sam_adapter.plugin.network_loading import Loader, NetworkLoader
from napari_sam_adapter.plugin.object_editing import ObjectEditing
from napari_sam_adapter.plugin.object_panel import ObjectPanel
from napari_sam_adapter.plugin.preferences import FoldedSections
from napari_sam_adapter.plugin.prompt_commands import PromptCommands
from napari_sam_adapter.plugin.prompt_panel import PromptPanel
from napari_sam_adapter.plugin.safekeeping import Safekeeping
from napari_sam_adapter.plugin.sections import Sections
from napari_sam_adapter.plugin.series_panel import SeriesPanel
from napari_sam_adapter.plugin.series_run import SeriesRun
from napari_sam_adapter.plugin.session_panel import SessionPanel
from napari_sam_adapter.plugin.state import PluginState
from napari_sam_adapter.plugin.training_panel import TrainingPanel
from napari_sam_adapter.plugin.training_run import TrainingRun
from napari_sam_adapter.plugin.training_state import TrainingState
from napari_sam_adapter.plugin.training_task import Trainer, train_on_layers
from napari_sam_adapter.plugin.volume_panel import VolumePanel
from napari_sam_adapter.plugin.volume_review import VolumeReview
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
    load : callable or None
        Makes a predictor of a `ModelChoice`; called on the worker thread.
    train : callable
        Trains an adapter; called on the worker thread.
    """

    def __init__(
        self,
        napari_viewer: ViewerModel,
        load: Loader | None = None,
        train: Trainer = train_on_layers,
    ) -> None:
        super().__init__()
        self.state = PluginState()
        load = load or NetworkLoader()
        self.controller = Controller(napari_viewer, self.state, load)
        self.safekeeping = Safekeeping(self.controller, load)
        self.session_panel = SessionPanel()
        self.weights = WeightsController()
        self.weights_window: WeightsWindow | None = None
        self.image_panel = ImagePanel()
        self.model_panel = ModelPanel()
        self.annotation_panel = AnnotationPanel()
        self.review = VolumeReview(self.controller)
        self.volume_panel = VolumePanel()
        self.object_panel = ObjectPanel()
        self.object_editing = ObjectEditing(self.controller, self.object_panel)
        self.exports = Exports(self.controller, self)
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
        self.comparison_state = ComparisonState()
        self.comparison = Comparison(self.controller, self.comparison_state)
        self.comparison_panel = ComparisonPanel()
        self.image_window = ImageWindow(self.controller)
        self.image_window_panel = ImageWindowPanel()
        self.series = SeriesRun(self.controller)
        self.series_panel = SeriesPanel()
        self.sections = Sections(self._panels())
        self.folded_sections = FoldedSections()
        self.key_settings = KeySettings(self.controller)
        self.key_help = KeyHelp(self.controller, self)
        self._is_docked = False
        self._lay_out()
        self._connect_training()
        self._connect_comparison()
        self._connect_image()
        self._connect_comfort()
        self._connect_session()
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

    def save_session(self) -> None:
        """Ask for a name and save the session of the image in use."""
        if self.safekeeping.state.has_session:
            name = self.safekeeping.suggested_name()
            self.session_panel.ask_where_to_save(name, self.safekeeping.save)

    def open_session(self) -> None:
        """Ask for a saved session of the image in use and open it."""
        if self.safekeeping.state.has_session:
            self.session_panel.ask_what_to_open(self.safekeeping.open)

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

    def _panels(self) -> list[tuple[str, QWidget, bool]]:
        """Every panel, from top to bottom: title, panel, open at first."""
        return [
            ("Image", self.image_panel, True),
            ("What the network sees", self.image_window_panel, True),
            ("Series", self.series_panel, False),
            ("Session", self.session_panel, True),
            ("Network", self.model_panel, True),
            ("Annotate", self.annotation_panel, True),
            ("Prompts", self.prompt_panel, True),
            ("Objects", self.object_panel, True),
            ("Volume", self.volume_panel, True),
            ("Training", self.training_panel, False),
            ("Comparison", self.comparison_panel, False),
        ]

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.sections, 1)
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
        self.volume_panel.action_pressed.connect(self._on_action)
        self.volume_panel.index_chosen.connect(self.review.go_to)
        self.volume_panel.follow_chosen.connect(self.review.choose)
        controller.updated.connect(self._show_volume)
        self.state.events.connect(self._on_state_changed)
        self.weights.state.events.entries.connect(self._on_weights_changed)
        self.destroyed.connect(controller.close)
        self.destroyed.connect(self.weights.close)
        controller.on_layers_changed()
        self._on_safekeeping_changed()
        self._on_state_changed()
        self.key_settings.apply()

    def _connect_image(self) -> None:
        window, panel = self.image_window, self.image_window_panel
        panel.rule_chosen.connect(window.choose)
        window.changed.connect(lambda: panel.show_window(window))
        series, pages = self.series, self.series_panel
        pages.folder_chosen.connect(series.open_folder)
        pages.images_chosen.connect(series.open_images)
        pages.done_chosen.connect(series.mark)
        pages.action_pressed.connect(self._on_action)
        series.changed.connect(lambda: pages.show_run(series))
        pages.show_run(series)

    def _connect_comfort(self) -> None:
        self.activity_panel.action_pressed.connect(self._on_action)
        self.key_settings.changed.connect(self.key_help.show_keys)
        for title, is_open in self.folded_sections.items().items():
            self.sections.fold(title, is_open)
        self.sections.folded.connect(self.folded_sections.keep)
        self.controller.viewer.events.theme.connect(self._show_theme)
        self.controller.closed.connect(self._forget_theme)
        self._show_theme()

    def _connect_training(self) -> None:
        panel, training = self.training_panel, self.training
        panel.finished_pressed.connect(training.switch_finished)
        panel.layers_wanted.connect(training.list_layers)
        panel.layer_chosen.connect(training.choose_layer)
        panel.start_pressed.connect(training.start)
        panel.stop_pressed.connect(training.stop)
        panel.use_pressed.connect(self._on_use)
        self.training_state.events.connect(self._on_state_changed)

    def _show_volume(self) -> None:
        review = self.review
        self.volume_panel.show_axes(review.axes, review.axis, review.length)
        self.volume_panel.show_slices(review.length, review.slices(), review.index)

    def _connect_session(self) -> None:
        panel, safekeeping = self.session_panel, self.safekeeping
        panel.restore_pressed.connect(safekeeping.restore)
        panel.discard_pressed.connect(safekeeping.discard)
        panel.methods_pressed.connect(safekeeping.copy_methods)
        panel.save_pressed.connect(self.save_session)
        panel.open_pressed.connect(self.open_session)
        safekeeping.state.events.connect(self._on_safekeeping_changed)

    def _on_safekeeping_changed(self) -> None:
        self.session_panel.show_state(self.safekeeping.state)

    def _connect_comparison(self) -> None:
        panel, comparison = self.comparison_panel, self.comparison
        panel.switched.connect(comparison.switch)
        panel.other_chosen.connect(comparison.choose)
        panel.choices_wanted.connect(self._on_choices_wanted)
        panel.use_pressed.connect(self._on_use_other)
        self.comparison_state.events.connect(self._on_state_changed)

    def _on_choices_wanted(self) -> None:
        used, trained = self.state.model.adapter, self.training_state.result
        self.comparison.list_choices((used, trained))

    def _on_use_other(self, other: str) -> None:
        before = self.state.model.adapter or NO_ADAPTER
        self.model_panel.adapter.choose(other)
        self.comparison.choose(before)
        self.training.predict_again()

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
        self.comparison_panel.show_state(self.comparison_state, self.state)

    def _on_weights_changed(self) -> None:
        self.model_panel.show_weights(self.state, self.weights.state)

    def _show_theme(self) -> None:
        for part in (self.sections, self.activity_panel, self.series_panel):
            part.show_theme(self.controller.viewer.theme)

    def _forget_theme(self) -> None:
        self.controller.viewer.events.theme.disconnect(self._show_theme)
