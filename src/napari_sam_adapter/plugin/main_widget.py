"""The dock widget: puts all features and their panels together, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam_adapter.plugin.controller import Controller
from napari_sam_adapter.plugin.features import (
    annotation_feature,
    comparison_feature,
    image_feature,
    image_window_feature,
    network_feature,
    object_feature,
    prompt_feature,
    series_feature,
    session_feature,
    training_feature,
    volume_feature,
)
from napari_sam_adapter.plugin.key_settings import KeySettings
from napari_sam_adapter.plugin.layers.hidden_layers import HiddenLayers
from napari_sam_adapter.plugin.layers.point_size import PointSize
from napari_sam_adapter.plugin.layers.replaced_data import ReplacedData
from napari_sam_adapter.plugin.network.encoding_ahead import EncodingAhead
from napari_sam_adapter.plugin.network.hover_preview import HoverPreview
from napari_sam_adapter.plugin.network.mouse_ahead import MouseAhead
from napari_sam_adapter.plugin.network.network_loading import Loader, NetworkLoader
from napari_sam_adapter.plugin.network.weights_state import WeightsController
from napari_sam_adapter.plugin.objects.exports import Exports
from napari_sam_adapter.plugin.objects.labels_taking import LabelsTaking
from napari_sam_adapter.plugin.objects.object_finding import ObjectFinding
from napari_sam_adapter.plugin.objects.prompt_commands import PromptCommands
from napari_sam_adapter.plugin.objects.volume_finding import VolumeFinding
from napari_sam_adapter.plugin.panels.activity_panel import ActivityPanel
from napari_sam_adapter.plugin.panels.key_table import KeyHelp
from napari_sam_adapter.plugin.panels.sections import Sections
from napari_sam_adapter.plugin.panels.weights_window import WeightsWindow
from napari_sam_adapter.plugin.preferences import FoldedSections
from napari_sam_adapter.plugin.state import PluginState
from napari_sam_adapter.plugin.training.comparison_state import ComparisonState
from napari_sam_adapter.plugin.training.training_state import TrainingState
from napari_sam_adapter.plugin.training.training_task import Trainer, train_on_layers
from napari_sam_adapter.plugin.viewing.early_imports import begin_early_imports
from napari_sam_adapter.plugin.viewing.frames import Frames
from napari_sam_adapter.plugin.viewing.freed_programs import let_go_of_freed_programs
from napari_sam_adapter.plugin.viewing.keys_in_strokes import KeysInStrokes

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam_adapter.weight_store.entries import Entry

SESSION = "Session"
"""Section that opens when there is something to restore."""


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
        let_go_of_freed_programs()
        load = load or NetworkLoader()
        self.state = PluginState()
        self.controller = controller = Controller(napari_viewer, self.state, load)
        self.safekeeping, self.session_panel = session_feature(controller, load)
        self.weights = WeightsController()
        self.weights_window: WeightsWindow | None = None
        self.levels, self.channels, self.size_in_file, self.image_panel = image_feature(
            controller
        )
        self.replaced_data = ReplacedData(controller)
        self.model_panel = models = network_feature(controller)
        self.annotation_panel = annotation_feature(controller)
        self.review, self.volume_panel = volume_feature(controller)
        self.object_editing, self.object_panel = object_feature(controller)
        self.exports = Exports(controller, self)
        self.encoding = EncodingAhead(controller)
        self.finding = ObjectFinding(controller, self.object_panel)
        self.volume_finding = VolumeFinding(controller)
        self.taking = LabelsTaking(controller)
        self.prompting = PromptCommands(controller)
        self.candidates, self.prompt_panel = prompt_feature(controller)
        self.preview = HoverPreview(controller)
        self.mouse_ahead = MouseAhead(controller)
        self.frames = Frames(self, controller.segmenter)
        self.training_state = trained = TrainingState()
        self.training, self.training_panel = training_feature(
            controller, models, trained, train
        )
        self.comparison_state = ComparisonState()
        self.comparison, self.comparison_panel = comparison_feature(
            controller, models, self.comparison_state, self.training, trained
        )
        self.image_window, self.image_window_panel = image_window_feature(controller)
        self.series, self.series_measuring, self.series_panel = series_feature(
            controller
        )
        self.key_settings = KeySettings(controller)
        self.keys_in_strokes = KeysInStrokes(controller)
        self.point_size = PointSize(controller)
        self.hidden_layers = HiddenLayers(controller)
        self.key_help = KeyHelp(controller, self)
        self.activity_panel = ActivityPanel()
        self.sections = Sections(self._panels())
        self.folded_sections = FoldedSections()
        self._is_docked = False
        self._lay_out()
        self._connect_sections()
        self._connect_theme()
        self._connect()
        self._show_first()

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
            (SESSION, self.session_panel, False),
            ("Annotate", self.annotation_panel, True),
            ("Prompts", self.prompt_panel, False),
            ("Objects", self.object_panel, True),
            ("Volume", self.volume_panel, True),
            ("Network", self.model_panel, False),
            ("What the network sees", self.image_window_panel, False),
            ("Series", self.series_panel, False),
            ("Training", self.training_panel, False),
            ("Comparison", self.comparison_panel, False),
        ]

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.sections, 1)
        layout.addWidget(self.activity_panel)

    def _connect_sections(self) -> None:
        for title, is_open in self.folded_sections.items().items():
            self.sections.fold(title, is_open)
        self.sections.folded.connect(self.folded_sections.keep)

    def _connect_theme(self) -> None:
        self.controller.viewer.events.theme.connect(self._show_theme)
        self.controller.closed.connect(self._forget_theme)
        self._show_theme()

    def _connect(self) -> None:
        self.activity_panel.action_pressed.connect(self.controller.do)
        self.key_settings.changed.connect(self.key_help.show_keys)
        self.session_panel.save_pressed.connect(self.save_session)
        self.session_panel.open_pressed.connect(self.open_session)
        self.model_panel.weights_pressed.connect(self.show_weights)
        self.safekeeping.state.events.connect(self._show_safekeeping)
        self.training_state.events.connect(self._show_states)
        self.comparison_state.events.connect(self._show_states)
        self.controller.updated.connect(self._show_volume)
        self.mouse_ahead.looked.connect(self.preview.look_again)
        self.preview.drawing.connect(self.frames.give_turn)
        self.frames.mask_shown.connect(self.candidates.on_mask_shown)
        self.controller.closed.connect(self.frames.close)
        self.state.events.connect(self._show_states)
        self.weights.state.events.entries.connect(self._show_networks)
        self.destroyed.connect(self.controller.close)
        self.destroyed.connect(self.weights.close)

    def _show_first(self) -> None:
        self.controller.on_layers_changed()
        self._show_safekeeping()
        self._show_states()
        self.key_settings.apply()
        begin_early_imports()

    def _show_volume(self) -> None:
        review = self.review
        self.volume_panel.show_axes(review.axis_names, review.axis, review.length)
        self.volume_panel.show_slices(review.length, review.slices(), review.index)

    def _show_safekeeping(self) -> None:
        state = self.safekeeping.state
        self.session_panel.show_state(state)
        if state.offer:
            self.sections.fold(SESSION, is_open=True)

    def _show_states(self) -> None:
        self.image_panel.show_state(self.state)
        self._show_networks()
        self.annotation_panel.show_state(self.state)
        self.prompt_panel.show_state(self.state)
        self.activity_panel.show_state(self.state)
        self.training_panel.show_state(self.training_state, self.state)
        self.comparison_panel.show_state(self.comparison_state, self.state)

    def _show_networks(self) -> None:
        self.model_panel.show_weights(self.state, self.weights.state)

    def _show_theme(self) -> None:
        for part in (self.sections, self.activity_panel, self.series_panel):
            part.show_theme(self.controller.viewer.theme)

    def _forget_theme(self) -> None:
        self.controller.viewer.events.theme.disconnect(self._show_theme)
