from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDoubleSpinBox, QSpinBox
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, settings

from napari_sam_adapter.plugin.actions import ACTIONS
from napari_sam_adapter.plugin.key_settings import choose_keys


def keys():
    return settings().keys


@pytest.fixture
def scene(make_scene):
    scene = make_scene(disks())
    scene.press("use_points")
    return scene


def field_of(scene, name):
    widget = scene.widget
    return {
        "list": widget.object_panel.rule,
        "names": widget.image_panel.picker,
        "number": widget.annotation_panel.object_number,
        "fraction": widget.training_panel.findChild(QDoubleSpinBox),
    }[name]


@pytest.mark.parametrize("name", ["list", "names", "number", "fraction"])
def test_letters_are_commands_also_where_a_field_has_the_focus(scene, name):
    scene.click(LEFT_DISK)
    field, widget = field_of(scene, name), scene.widget
    before = widget.object_panel.rule.currentText(), scene.state.image
    QTest.keyClick(field, Qt.Key.Key_K)
    assert scene.state.message.text == "Object 1 is kept."
    QTest.keyClick(field, Qt.Key.Key_O, Qt.KeyboardModifier.ShiftModifier)
    assert (widget.object_panel.rule.currentText(), scene.state.image) == before


def test_digits_and_arrows_are_for_the_field_that_has_the_focus(scene):
    steps, rule = (
        scene.widget.training_panel.findChild(QSpinBox),
        field_of(scene, "list"),
    )
    steps.selectAll()
    QTest.keyClicks(steps, "42")
    assert steps.value() == 42
    QTest.keyClick(rule, Qt.Key.Key_Down)
    assert scene.workspace.session.overlap_rule == rule.currentText() == "cut"


def test_tab_leaves_the_table_of_objects(scene):
    for point in (LEFT_DISK, RIGHT_DISK):
        scene.click(point)
        QTest.keyClick(field_of(scene, "number"), Qt.Key.Key_N)
    table = scene.widget.object_panel.table
    cell = table.model().index(0, 0)
    table.setCurrentIndex(cell)
    QTest.keyClick(table, Qt.Key.Key_Tab)
    assert table.currentIndex() == cell
    QTest.keyClick(table, Qt.Key.Key_Down)
    assert table.currentIndex().row() == 1


def rows_of(table):
    return {
        table.item(row, 1).text(): table.item(row, 0).text()
        for row in range(table.rowCount())
    }


def test_the_question_mark_lists_all_keys(scene, qtbot):
    main_window = scene.widget.window()
    main_window.show()
    main_window.activateWindow()
    qtbot.waitUntil(main_window.isActiveWindow)
    canvas = mouse.canvas_of(scene.viewer).native
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Question)  # Qt takes Shift off by itself
    window = scene.widget.key_help.table
    assert window.isVisible()
    rows = rows_of(window.table)
    assert rows[ACTIONS["accept"].tip] == "K"
    assert rows[ACTIONS["undo"].tip] == "U or Ctrl+Z"
    assert len(rows) == len([a for a in ACTIONS.values() if a.key or a.own_key])
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


def test_the_button_lists_all_keys_too(scene):
    scene.widget.activity_panel.keys.click()
    assert scene.widget.key_help.table.isVisible()
    scene.widget.stop()
    assert not scene.widget.key_help.table.isVisible()


def test_a_key_changed_in_the_preferences_is_bound_at_once(scene, qtbot):
    button = scene.widget.annotation_panel.buttons["next_object"]
    with qtbot.waitSignal(scene.widget.key_settings._timer.timeout):
        keys().next_object = "Shift-F2"
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "N")
    assert scene.state.object_id == 1
    mouse.press_key(scene.viewer, "F2", "Shift")
    assert scene.state.object_id == 2
    assert button.toolTip().endswith("(Shift+F2)")
    scene.widget.key_help.show()
    rows = rows_of(scene.widget.key_help.table.table)
    assert rows[ACTIONS["next_object"].tip] == "Shift+F2"


def test_a_key_of_the_preferences_is_there_after_the_next_start(make_scene):
    keys().accept = "Shift-F3"
    scene = make_scene(disks())
    scene.press("use_points")
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "F3", "Shift")
    assert scene.state.object_id == 2
    assert "(Shift+F3)" in scene.widget.annotation_panel.buttons["accept"].toolTip()


def test_a_key_that_does_not_exist_gets_a_sentence(make_scene):
    keys().accept = "Bananas"
    scene = make_scene(disks())
    assert scene.state.message.is_error
    assert "'Bananas'" in scene.state.message.text
    scene.press("use_points")
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "K")
    assert scene.state.object_id == 2


@pytest.mark.parametrize("key", ["Bananas", "Shift-", "ctrl", "K K", "ö"])
def test_nonsense_keeps_the_default(key):
    actions, problems = choose_keys({"accept": key})
    assert [type(problem).__name__ for problem in problems] == ["SettingError"]
    assert actions["accept"].key == "K"


def test_a_key_of_napari_is_refused_with_its_owner():
    actions, (problem,) = choose_keys({"accept": "V"})
    assert "toggle selected visibility" in str(problem)
    assert actions["accept"].key == "K"


def test_a_key_is_given_only_once():
    actions, (problem,) = choose_keys({"accept": "n"})
    assert "got n" in str(problem) or "got N" in str(problem)
    assert (actions["accept"].key, actions["next_object"].key) == ("n", "")


def test_an_action_may_have_no_key():
    actions, problems = choose_keys({"accept": " "})
    assert (actions["accept"].keys, problems) == ("", [])


def test_without_choices_the_keys_are_those_of_the_table():
    assert choose_keys({}) == (ACTIONS, [])


def test_every_action_has_its_key_in_the_preferences():
    expected = {name: action.key for name, action in ACTIONS.items()}
    expected |= {
        f"{name}_on_layers": action.own_key
        for name, action in ACTIONS.items()
        if action.own_key
    }
    assert keys().model_dump() == expected, "bring napari.yaml in line with ACTIONS"


def test_napari_shows_the_keys_in_its_preferences(scene):
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    settings()
    dialog = PreferencesDialog()
    pages = [dialog._list.item(i).text() for i in range(dialog._list.count())]
    assert "SAM Adapter" in pages
    dialog.close()
    dialog.deleteLater()
