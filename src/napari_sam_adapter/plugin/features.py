"""Every feature with its panel: built here, connected here, and nothing else.

Panels emit what was pressed; a feature does it and tells when there is news to show.
Each function returns the feature, unless that is the controller itself, and its panel.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.layers.channel_choice import ChannelChoice
from napari_sam_adapter.plugin.layers.image_window import ImageWindow
from napari_sam_adapter.plugin.layers.level_choice import LevelChoice
from napari_sam_adapter.plugin.layers.size_in_file import SizeInFile
from napari_sam_adapter.plugin.network.candidate_choice import CandidateChoice
from napari_sam_adapter.plugin.objects.object_editing import ObjectEditing
from napari_sam_adapter.plugin.objects.splitting_run import SplittingRun
from napari_sam_adapter.plugin.objects.tidying_run import TidyingRun
from napari_sam_adapter.plugin.objects.volume_review import VolumeReview
from napari_sam_adapter.plugin.panels.annotation_panel import AnnotationPanel
from napari_sam_adapter.plugin.panels.comparison_panel import ComparisonPanel
from napari_sam_adapter.plugin.panels.image_panel import ImagePanel
from napari_sam_adapter.plugin.panels.image_window_panel import ImageWindowPanel
from napari_sam_adapter.plugin.panels.model_panel import ModelPanel
from napari_sam_adapter.plugin.panels.object_panel import ObjectPanel
from napari_sam_adapter.plugin.panels.prompt_panel import PromptPanel
from napari_sam_adapter.plugin.panels.series_panel import SeriesPanel
from napari_sam_adapter.plugin.panels.session_panel import SessionPanel
from napari_sam_adapter.plugin.panels.training_panel import TrainingPanel
from napari_sam_adapter.plugin.panels.volume_panel import VolumePanel
from napari_sam_adapter.plugin.sessions.safekeeping import Safekeeping
from napari_sam_adapter.plugin.sessions.series_measuring import SeriesMeasuring
from napari_sam_adapter.plugin.sessions.series_run import SeriesRun
from napari_sam_adapter.plugin.state import NO_ADAPTER
from napari_sam_adapter.plugin.training.comparison import Comparison
from napari_sam_adapter.plugin.training.training_run import TrainingRun

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.network.network_loading import Loader
    from napari_sam_adapter.plugin.training.comparison_state import ComparisonState
    from napari_sam_adapter.plugin.training.training_state import TrainingState
    from napari_sam_adapter.plugin.training.training_task import Trainer


def image_feature(
    controller: Controller,
) -> tuple[LevelChoice, ChannelChoice, SizeInFile, ImagePanel]:
    """Choose the image, a level of it, the channels beside it, and its size."""
    levels, channels = LevelChoice(controller), ChannelChoice(controller)
    panel = ImagePanel()
    panel.image_chosen.connect(controller.choose_image)
    panel.level_chosen.connect(levels.choose)
    levels.changed.connect(lambda: panel.show_levels(levels.titles, levels.number))
    panel.channel_switched.connect(channels.switch)
    panel.channels.opening.connect(channels.changed.emit)
    channels.changed.connect(
        lambda: panel.show_channels(channels.offered, channels.partners)
    )
    channels.changed.connect(lambda: panel.show_state(controller.state))  # for names
    size = SizeInFile(controller)
    panel.size_taken.connect(size.use)
    size.changed.connect(lambda: panel.show_size(str(size.offered or "")))
    return levels, channels, size, panel


def image_window_feature(
    controller: Controller,
) -> tuple[ImageWindow, ImageWindowPanel]:
    """Choose what the network sees of its values."""
    window, panel = ImageWindow(controller), ImageWindowPanel()
    panel.rule_chosen.connect(window.choose)
    window.image_changed.connect(panel.picker.forget)
    window.changed.connect(partial(panel.show_window, window))
    controller.closed.connect(panel.picker.forget)
    return window, panel


def series_feature(
    controller: Controller,
) -> tuple[SeriesRun, SeriesMeasuring, SeriesPanel]:
    """Work on one image after the other, and measure them all."""
    series, panel = SeriesRun(controller), SeriesPanel()
    measuring = SeriesMeasuring(controller, series)
    panel.table_chosen.connect(measuring.measure)
    panel.folder_chosen.connect(series.open_folder)
    panel.images_chosen.connect(series.open_images)
    panel.done_chosen.connect(series.mark)
    panel.action_pressed.connect(controller.do)

    def show() -> None:
        panel.show_run(series, controller.state.is_measuring)

    series.changed.connect(show)
    controller.state.events.is_measuring.connect(show)
    show()
    return series, measuring, panel


def session_feature(
    controller: Controller, load: Loader
) -> tuple[Safekeeping, SessionPanel]:
    """Keep sessions, restore and discard them."""
    safekeeping, panel = Safekeeping(controller, load), SessionPanel()
    panel.restore_pressed.connect(safekeeping.restore)
    panel.discard_pressed.connect(safekeeping.discard)
    panel.methods_pressed.connect(safekeeping.copy_methods)
    return safekeeping, panel


def network_feature(controller: Controller) -> ModelPanel:
    """Choose and load the network."""
    panel = ModelPanel()
    panel.model_chosen.connect(controller.choose_model)
    panel.load_pressed.connect(controller.load_model)
    return panel


def annotation_feature(controller: Controller) -> AnnotationPanel:
    """Draw prompts, keep objects, go back and forth."""
    panel = AnnotationPanel()
    panel.action_pressed.connect(controller.do)
    panel.polarity_chosen.connect(controller.set_polarity)
    panel.object_chosen.connect(controller.choose_object)
    return panel


def prompt_feature(controller: Controller) -> tuple[CandidateChoice, PromptPanel]:
    """Choose among candidates, and how the mouse asks."""
    candidates, panel = CandidateChoice(controller), PromptPanel()
    panel.action_pressed.connect(controller.do)
    panel.candidate_chosen.connect(candidates.choose)
    panel.background_press_chosen.connect(controller.tools.set_background_press)
    return candidates, panel


def object_feature(controller: Controller) -> tuple[ObjectEditing, ObjectPanel]:
    """List and edit whole objects."""
    panel = ObjectPanel()
    editing = ObjectEditing(controller, panel)
    SplittingRun(controller, editing)
    TidyingRun(controller, editing)
    return editing, panel


def volume_feature(controller: Controller) -> tuple[VolumeReview, VolumePanel]:
    """Follow objects through slices, and look at what came of it."""
    review, panel = VolumeReview(controller), VolumePanel()
    panel.action_pressed.connect(controller.do)
    panel.index_chosen.connect(review.go_to)
    panel.follow_chosen.connect(review.choose)
    return review, panel


def training_feature(
    controller: Controller, models: ModelPanel, state: TrainingState, train: Trainer
) -> tuple[TrainingRun, TrainingPanel]:
    """Train an adapter, and use it."""
    viewer, panel = controller.viewer, TrainingPanel()
    training = TrainingRun(viewer, controller, controller.state, state, train)

    def use(adapter: Path) -> None:
        models.adapter.add_file(str(adapter))
        training.predict_again()

    panel.finished_pressed.connect(training.switch_finished)
    panel.layers_wanted.connect(training.list_layers)
    panel.layer_chosen.connect(training.choose_layer)
    panel.start_pressed.connect(training.start)
    panel.stop_pressed.connect(training.stop)
    panel.use_pressed.connect(use)
    return training, panel


def comparison_feature(
    controller: Controller,
    models: ModelPanel,
    state: ComparisonState,
    training: TrainingRun,
    trained: TrainingState,
) -> tuple[Comparison, ComparisonPanel]:
    """Compare two adapters, and use the other one."""
    comparison, panel = Comparison(controller, state), ComparisonPanel()

    def list_choices() -> None:
        comparison.list_choices((controller.state.model.adapter, trained.result))

    def use(other: str) -> None:
        before = controller.state.model.adapter or NO_ADAPTER
        models.adapter.choose(other)
        comparison.choose(before)
        training.predict_again()

    panel.switched.connect(comparison.switch)
    panel.other_chosen.connect(comparison.choose)
    panel.choices_wanted.connect(list_choices)
    panel.use_pressed.connect(use)
    return comparison, panel
