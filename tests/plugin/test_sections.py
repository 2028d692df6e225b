from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDockWidget,
    QLabel,
    QMainWindow,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QTableView,
    QWidget,
)
from tests.plugin.conftest import disks, settings, stack

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.panels.sections import Sections
from napari_sam_adapter.plugin.state import Message

LAPTOP = 300, 640


@pytest.fixture
def make_widget(qtbot):
    def make():
        widget = SegmentAnythingWidget(ViewerModel())
        qtbot.addWidget(widget)
        widget.resize(*LAPTOP)
        with qtbot.waitExposed(widget):
            widget.show()
        return widget

    return make


def title_of(widget, title):
    return widget.sections.sections[title].toggleButton()


def test_the_panel_fits_300_pixels(make_scene):
    widget = make_scene(disks()).widget
    for title in widget.sections.sections:
        widget.sections.fold(title, True)
    QApplication.processEvents()
    assert widget.minimumSizeHint().width() <= LAPTOP[0]


def room_for_text(box):
    """How many pixels of an entry a combo box shows."""
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    control, part = (
        QStyle.ComplexControl.CC_ComboBox,
        QStyle.SubControl.SC_ComboBoxEditField,
    )
    return box.style().subControlRect(control, option, part, box).width()


def test_short_choices_are_read_whole_at_300_pixels(make_scene):
    widget = make_scene(disks()).widget
    for title in ("Prompts", "Volume", "Training"):
        widget.sections.fold(title, True)
    widget.setFixedWidth(LAPTOP[0])
    QApplication.processEvents()
    assert widget.width() == LAPTOP[0]
    boxes = (
        widget.prompt_panel.background,
        widget.volume_panel.method,
        widget.training_panel.masks,
    )
    for box in boxes:
        texts = [box.itemText(number) for number in range(box.count())]
        longest = max(map(box.fontMetrics().horizontalAdvance, texts))
        assert longest <= room_for_text(box), texts


def test_a_press_on_a_title_folds_its_panel(make_widget, qtbot):
    widget = make_widget()
    assert widget.annotation_panel.isVisible()
    QTest.mouseClick(title_of(widget, "Annotate"), Qt.MouseButton.LeftButton)
    assert not widget.annotation_panel.isVisible()
    QTest.keyClick(title_of(widget, "Annotate"), Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: widget.annotation_panel.height() > 100)


@pytest.mark.parametrize("title", ["Comparison", "Training"])
def test_a_section_that_opens_below_the_edge_is_scrolled_into_view(
    make_widget, qtbot, title
):
    widget = make_widget()
    widget.sections.fold(title, False)
    QApplication.processEvents()
    bar, section = widget.sections.verticalScrollBar(), widget.sections.sections[title]
    bar.setValue(bar.maximum())
    before = bar.value()
    title_of(widget, title).click()

    def is_seen():
        most = min(widget.sections.viewport().height(), section.height())
        return section.visibleRegion().boundingRect().height() >= most

    qtbot.waitUntil(lambda: bar.value() > before and is_seen())


def test_a_section_that_is_seen_whole_stays_where_it_is(make_widget, qtbot):
    widget = make_widget()
    title_of(widget, "Session").click()
    qtbot.waitUntil(lambda: widget.session_panel.height() > 20)
    assert widget.sections.verticalScrollBar().value() == 0


def test_sections_stay_as_the_user_left_them(make_widget):
    settings()
    first = make_widget()
    title_of(first, "Annotate").click()
    title_of(first, "Training").click()
    first.stop()
    second = make_widget()
    assert not second.annotation_panel.isVisible()
    assert second.training_panel.isVisible()
    assert second.object_panel.isVisible()


def test_a_panel_that_grows_is_shown_whole(make_widget, qtbot):
    widget = make_widget()
    panel = widget.model_panel
    for title in widget.sections.sections:
        widget.sections.fold(title, title == "Network")
    panel.missing.setText("a long sentence about what is missing " * 3)
    panel.missing.show()

    def is_whole():
        seen = panel.missing.visibleRegion().boundingRect()
        return 10 < seen.height() == panel.missing.height()

    qtbot.waitUntil(is_whole)


def test_tab_reaches_everything_that_can_be_used(make_scene):
    """Walk the focus chain as Tab does; folded panels are passed over."""
    scene = make_scene(disks())
    widget = scene.widget
    widget.activateWindow()
    title_of(widget, "Training").setChecked(False)
    usable = {
        child
        for kind in (QAbstractButton, QComboBox, QSpinBox)
        for child in widget.findChildren(kind)
        if child.isVisibleTo(widget) and child.isEnabled()
    }
    assert widget.annotation_panel.buttons["accept"] in usable
    first = title_of(widget, "Image")
    first.setFocus(Qt.FocusReason.TabFocusReason)
    reached, current = {first}, first.nextInFocusChain()
    while current is not first:
        if current.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.add(current)
        current = current.nextInFocusChain()
    assert usable <= reached
    assert not widget.training_panel.start.isVisibleTo(widget)


def test_every_control_has_words(make_scene):
    """A screen reader, or a user who hovers, learns what each control is."""
    widget = make_scene(disks()).widget
    for kind in (QAbstractButton, QComboBox, QSpinBox):
        for child in widget.findChildren(kind):
            if child.isVisibleTo(widget):
                assert child.toolTip() or child.accessibleName(), child


def test_every_field_has_a_name(make_scene):
    """A screen reader tells what is chosen, and of what."""
    scene = make_scene(stack())
    widget = scene.widget
    titled = {label.buddy() for label in widget.findChildren(QLabel)}
    for kind in (QComboBox, QSpinBox, QSlider, QTableView):
        for child in widget.findChildren(kind):
            if child not in titled:
                assert child.accessibleName(), child.toolTip()


@pytest.mark.parametrize(("image", "has_slices"), [(disks(), False), (stack(), True)])
def test_what_belongs_to_volumes_is_shown_for_volumes_alone(
    make_scene, image, has_slices
):
    panel = make_scene(image, name="cells").widget.annotation_panel
    for name in ("propagate", "find_in_volume"):
        assert panel.buttons[name].isVisibleTo(panel) == has_slices
    for name in ("find_objects", "find_similar", "stop"):
        assert panel.buttons[name].isVisibleTo(panel)


def test_long_names_of_images_are_told_apart(make_scene):
    names = [f"2024-05-17 plate 3 well B07 field 2 {kind}" for kind in ("a", "b")]
    scene = make_scene(disks(), name=names[0])
    scene.viewer.add_image(disks(), name=names[1])
    picker, pictures = scene.widget.image_panel.picker, []
    for row in range(2):
        picker.setCurrentIndex(row)
        picker.activated.emit(row)
        scene.settle()
        assert picker.toolTip().endswith(f"Now {names[row]}.")
        pictures.append(picker.grab().toImage())
    assert pictures[0] != pictures[1]


def test_icons_follow_the_theme(make_scene):
    scene = make_scene(disks())
    button = scene.widget.activity_panel.stop
    dark = button.icon().pixmap(16).toImage()
    scene.viewer.theme = "light"
    light = button.icon().pixmap(16).toImage()
    assert dark != light
    scene.widget.stop()
    scene.viewer.theme = "dark"
    assert button.icon().pixmap(16).toImage() == light


def contrast(*colours):
    """How far two colours differ in brightness, as WCAG 2.1 measures it."""
    values = np.array([colour.getRgbF()[:3] for colour in colours])
    linear = np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_errors_can_be_read_in_both_themes(make_scene):
    scene = make_scene(disks())
    label = scene.widget.activity_panel.status
    scene.state.message = Message("Expected a cat, got a dog.", is_error=True)
    for theme in ("dark", "light", "dark"):
        scene.viewer.theme = theme
        drawn = label.palette()
        assert contrast(drawn.windowText().color(), drawn.window().color()) >= 4.5


def test_a_panel_that_grows_is_not_cut_off(qtbot):
    label = QLabel("level")
    column = Sections([("Image", label, True)])
    window, dock = QMainWindow(), QDockWidget()
    qtbot.addWidget(window)
    dock.setWidget(column)
    window.setCentralWidget(QWidget())
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.resize(900, 300)
    window.show()
    window.resizeDocks([dock], [100], Qt.Orientation.Horizontal)
    label.setMinimumWidth(400)
    qtbot.waitUntil(lambda: column.viewport().width() >= 400)


def test_with_nothing_open_the_widget_says_how_to_begin(make_widget):
    widget = make_widget()
    assert "Open an image" in widget.activity_panel.status.text()


def turn_wheel_over(field):
    """Turn the wheel down by a notch; returns whether the field took it."""
    middle = QPointF(field.rect().center())
    turn = QWheelEvent(
        middle,
        QPointF(field.mapToGlobal(middle.toPoint())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, turn)
    return turn.isAccepted()


def test_the_wheel_scrolls_past_fields_that_are_not_in_use(make_widget):
    widget = make_widget()
    model, steps = widget.model_panel.model, widget.training_panel.findChild(QSpinBox)
    rule = widget.object_panel.rule
    rule.setEnabled(True)
    widget.object_panel.setEnabled(True)
    for title in widget.sections.sections:
        widget.sections.fold(title, True)
    before = model.currentText(), steps.value(), rule.currentText()
    for field in (model, steps, rule):
        assert not turn_wheel_over(field)
        assert not field.hasFocus()
        assert field.focusPolicy() == Qt.FocusPolicy.StrongFocus
    assert (model.currentText(), steps.value(), rule.currentText()) == before


def test_the_wheel_changes_the_field_that_has_the_focus(make_widget, qtbot):
    widget = make_widget()
    widget.sections.fold("Training", True)
    steps = widget.training_panel.findChild(QSpinBox)
    widget.activateWindow()
    steps.setFocus()
    qtbot.waitUntil(steps.hasFocus)
    before = steps.value()
    turn_wheel_over(steps)
    assert steps.value() < before
