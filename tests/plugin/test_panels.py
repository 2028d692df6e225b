from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QEvent, QObject

from napari_sam_adapter.plugin.actions import ACTIONS
from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.panels.activity_panel import ActivityPanel
from napari_sam_adapter.plugin.panels.annotation_panel import AnnotationPanel
from napari_sam_adapter.plugin.panels.model_panel import ModelPanel
from napari_sam_adapter.plugin.state import (
    Message,
    ModelChoice,
    Phase,
    PluginState,
    Progress,
    Tool,
)
from napari_sam_adapter.predictions import Capabilities


@pytest.fixture
def annotation(qtbot):
    panel = AnnotationPanel()
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def model(qtbot):
    panel = ModelPanel()
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def activity(qtbot):
    panel = ActivityPanel()
    qtbot.addWidget(panel)
    return panel


def test_every_button_tells_its_key(annotation):
    for name, button in annotation.buttons.items():
        assert button.toolTip() == ACTIONS[name].tooltip
        if ACTIONS[name].key:
            assert f"({ACTIONS[name].key.replace('-', '+')}" in button.toolTip()


def test_buttons_report_their_action_by_name(annotation):
    pressed = []
    annotation.action_pressed.connect(pressed.append)
    annotation.show_state(PluginState(object_id=1, object_ids=(1,), can_undo=True))
    annotation.buttons["next_object"].click()
    annotation.buttons["undo"].click()
    annotation.buttons["redo"].click()
    assert pressed == ["next_object", "undo"]


def test_annotation_panel_shows_what_the_state_says(annotation):
    state = PluginState(
        object_id=2,
        object_ids=(1, 2, 3),
        score=0.876,
        tool=Tool.BOXES,
        positive=False,
        phase=Phase.PROPAGATING,
    )
    annotation.show_state(state)
    assert annotation.object_number.value() == 2
    assert annotation.score.text() == "0.88"
    assert annotation.buttons["use_boxes"].isChecked()
    assert annotation.negative.isChecked()
    assert annotation.buttons["stop"].isEnabled()
    assert not annotation.buttons["propagate"].isEnabled()


@pytest.mark.parametrize("phase", Phase)
def test_stop_can_be_pressed_while_something_runs(annotation, phase):
    annotation.show_state(PluginState(object_id=1, object_ids=(1,), phase=phase))
    assert annotation.buttons["stop"].isEnabled() == (phase is not Phase.READY)


def test_both_stop_buttons_can_be_pressed_while_a_series_is_measured(
    annotation, activity
):
    state = PluginState(is_measuring=True, measured=Progress(3, 7, "images"))
    for panel, stop in ((annotation, annotation.buttons["stop"]), (activity, None)):
        panel.show_state(state)
        assert (stop or activity.stop).isEnabled()
    assert activity.bar.format() == "%v of %m images"
    activity.show_state(
        replace(state, phase=Phase.PROPAGATING, progress=Progress(1, 2))
    )
    assert activity.bar.format() == "%v of %m slices"


def test_showing_an_object_is_not_choosing_it(annotation):
    chosen = []
    annotation.object_chosen.connect(chosen.append)
    annotation.show_state(PluginState(object_id=2, object_ids=(1, 2)))
    assert chosen == []
    annotation.object_number.setValue(1)
    assert chosen == [1]


def test_model_panel_says_what_is_chosen(model):
    choices = []
    model.model_chosen.connect(choices.append)
    model.adapter.add_file("/somewhere/mine.safetensors")
    assert choices == [ModelChoice("tiny", "/somewhere/mine.safetensors", "auto")]
    model.device.setCurrentText("cpu")
    assert model.choice().device == "cpu"


@pytest.mark.parametrize(
    ("platform", "gpu"), [("darwin", "mps"), ("linux", "cuda"), ("win32", "cuda")]
)
def test_only_devices_of_the_system_are_offered(platform, gpu, monkeypatch, qtbot):
    monkeypatch.setattr(sys, "platform", platform)
    panel = ModelPanel()
    qtbot.addWidget(panel)
    offered = [panel.device.itemText(i) for i in range(panel.device.count())]
    assert offered == ["auto", "cpu", gpu]


def test_model_panel_waits_while_something_runs(model):
    model.show_state(PluginState(phase=Phase.LOADING))
    assert not model.model.isEnabled()
    assert not model.load.isEnabled()
    model.show_state(PluginState(loaded=ModelChoice()))
    assert model.model.isEnabled()
    assert model.load.text() == "Loaded"


def test_activity_panel_counts_planes_and_shows_errors(activity):
    activity.show_state(PluginState(phase=Phase.PROPAGATING, progress=Progress(3, 12)))
    assert (activity.bar.value(), activity.bar.maximum()) == (3, 12)
    activity.show_state(PluginState(message=Message("No image.", is_error=True)))
    assert activity.status.text() == "No image."
    assert "color" in activity.status.styleSheet()
    assert activity.bar.maximum() == 1


def test_activity_panel_tells_how_long_and_can_stop(activity, qtbot):
    pressed = []
    activity.action_pressed.connect(pressed.append)
    activity.show_state(PluginState())
    assert not activity.stop.isEnabled()
    for done in range(3):
        progress = Progress(done, 1000)
        activity.show_state(PluginState(phase=Phase.PROPAGATING, progress=progress))
    assert activity.bar.text().startswith("2 of 1000 slices, ")
    assert activity.bar.text().endswith(" left")
    activity.stop.click()
    assert pressed == ["stop"]


def test_activity_panel_moves_while_nobody_knows_how_long(activity):
    activity.show_state(PluginState(phase=Phase.LOADING))
    assert activity.bar.maximum() == 0


def test_activity_panel_is_not_drawn_at_every_change(activity, qtbot):
    with qtbot.waitExposed(activity):
        activity.show()
    paints = []

    class Watch(QObject):
        def eventFilter(self, watched, event):  # noqa: N802  Qt's name
            if event.type() == QEvent.Type.Paint:
                paints.append(watched)
            return False

    watch = Watch()
    activity.bar.installEventFilter(watch)
    for done in range(3):
        progress = Progress(done, 3)
        activity.show_state(PluginState(phase=Phase.PROPAGATING, progress=progress))
    activity.show_state(PluginState())
    assert not paints
    qtbot.waitUntil(lambda: bool(paints))


def test_background_is_hidden_where_the_network_has_no_negative_points(annotation):
    annotation.show_state(PluginState(object_id=1, object_ids=(1,)))
    assert not annotation.negative.isHidden()
    assert annotation.only_objects.isHidden()
    only_positive = Capabilities(negative_points=False)
    known = PluginState(object_id=1, capabilities=only_positive, loaded=ModelChoice())
    annotation.show_state(known)
    assert annotation.negative.isHidden()
    assert not annotation.only_objects.isHidden()
    assert "not understand" in annotation.only_objects.toolTip()


def test_preprocessing_is_part_of_the_choice(model):
    chosen = []
    model.model_chosen.connect(chosen.append)
    assert model.choice().preprocessing is None
    model.preprocessing.setCurrentText("medsam")
    assert [choice.preprocessing for choice in chosen] == ["medsam"]


def test_nothing_is_cut_off_at_the_narrowest_width(qtbot):
    widget = SegmentAnythingWidget(ViewerModel())
    qtbot.addWidget(widget)
    widget.resize(0, 700)
    with qtbot.waitExposed(widget):
        widget.show()
    for panel in (widget.image_panel, widget.annotation_panel):
        seen = panel.visibleRegion().boundingRect().width()
        assert seen >= panel.minimumSizeHint().width()


def test_the_box_of_objects_steps_over_gaps(annotation):
    chosen, box = [], annotation.object_number
    annotation.object_chosen.connect(chosen.append)
    state = PluginState(object_id=3, object_ids=(1, 3, 7, 9))
    annotation.show_state(state)
    box.stepUp()
    annotation.show_state(replace(state, object_id=7))
    box.stepDown()
    annotation.show_state(replace(state, object_id=3))
    box.stepBy(-5)
    assert chosen == [7, 3, 1]


def test_a_number_that_is_refused_does_not_stay_in_the_box(annotation):
    annotation.show_state(PluginState(object_id=3, object_ids=(1, 3, 7)))
    annotation.object_number.setValue(5)
    assert annotation.object_number.value() == 3


def test_numbers_that_qt_cannot_hold_raise_nothing(annotation):
    annotation.show_state(PluginState(object_id=2**40, object_ids=(1, 2**40)))
    assert annotation.object_number.value() == 2**31 - 1


def test_a_long_message_does_not_squeeze_the_panels(activity):
    text = "word " * 1000
    activity.show_state(PluginState(message=Message(text)))
    assert len(activity.status.text()) < 500
    assert activity.status.toolTip() == text
