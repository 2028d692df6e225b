"""The table of objects, driven with real clicks and keys."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.plugin.panels.object_table import (
    CLASS,
    COLUMNS,
    NAME,
    NUMBER,
    SIZE,
    SLICES,
    STATE,
    SURE,
    ObjectTableModel,
)
from napari_sam_adapter.volume.document.edits import DeleteObject, Paint
from napari_sam_adapter.volume.document.piece_search import PieceSearch
from napari_sam_adapter.volume.journal.journal_file import read_journal
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.session.session import Session

pytestmark = pytest.mark.slow

PLANE = Plane((1, 2), (3,))
TICK = Qt.ItemDataRole.CheckStateRole


class Table:
    """What a user does with the table."""

    def __init__(self, scene):
        self.scene, self.qtbot = scene, scene.qtbot
        self.panel = scene.widget.object_panel
        self.view, self.model = self.panel.table, self.panel.model

    def texts(self, column):
        rows = range(self.model.rowCount())
        return [self.model.index(row, column).data() for row in rows]

    def place(self, object_id, column=NUMBER):
        index = self.model.index(self.model.row_of(object_id), column)
        self.view.scrollTo(index)
        return index, self.view.visualRect(index).center()

    def click(self, object_id, column=SIZE, held=Qt.KeyboardModifier.NoModifier):
        _, place = self.place(object_id, column)
        button = Qt.MouseButton.LeftButton
        self.qtbot.mouseClick(self.view.viewport(), button, held, place)

    def double_click(self, object_id):
        _, place = self.place(object_id)
        button = Qt.MouseButton.LeftButton
        self.qtbot.mouseClick(self.view.viewport(), button, pos=place)
        self.qtbot.mouseDClick(self.view.viewport(), button, pos=place)

    def select(self, *objects):
        self.click(objects[0])
        for object_id in objects[1:]:
            self.click(object_id, held=Qt.KeyboardModifier.ControlModifier)

    def write(self, object_id, column, text):
        index, _ = self.place(object_id, column)
        flags = QItemSelectionModel.SelectionFlag.NoUpdate
        self.view.selectionModel().setCurrentIndex(index, flags)
        self.qtbot.keyClick(self.view, Qt.Key.Key_F2)
        editor = self.view.findChildren(QLineEdit)[-1]
        editor.selectAll()
        self.qtbot.keyClicks(editor, text)
        self.qtbot.keyClick(editor, Qt.Key.Key_Return)
        QApplication.processEvents()  # Qt takes the text over a moment later

    def tick(self, object_id):
        index, _ = self.place(object_id)
        flags = QItemSelectionModel.SelectionFlag.NoUpdate
        self.view.selectionModel().setCurrentIndex(index, flags)
        self.qtbot.keyClick(self.view, Qt.Key.Key_Space)

    def press(self, name):
        self.panel.buttons[name].click()


@pytest.fixture
def scene(make_scene):
    """Two objects on one slice; the second one is under work."""
    scene = make_scene(stack(), name="cells", scale=(2, 1, 1))
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "K")
    scene.click(RIGHT_DISK)
    return scene


@pytest.fixture
def table(scene):
    scene.widget.object_panel.table.resize(600, 160)
    return Table(scene)


@pytest.fixture
def session(scene):
    return scene.workspace.session


def paint(scene, rows, columns, value):
    """Paint with napari's own layer, as its brush does."""
    layer = scene.workspace.layers.labels
    grid = np.meshgrid(rows, columns, indexing="ij")
    indices = (np.full(grid[0].size, 3), grid[0].ravel(), grid[1].ravel())
    layer.data_setitem(indices, value)


def test_the_table_lists_what_the_session_has(scene, table, session):
    assert table.texts(NUMBER) == ["1", "2"]
    assert table.texts(SLICES) == ["1", "1"]
    assert table.texts(SURE) == ["0.90", "0.90"]
    assert table.texts(STATE) == ["finished", ""]
    voxels = np.count_nonzero(session.labels == 1)
    assert table.texts(SIZE)[0] == f"{voxels * 2:.4g}"
    # slices are 2 apart, of nothing
    assert table.model.headerData(SIZE, Qt.Orientation.Horizontal) == "?³"
    table.model.follow(session.objects, None, 100.0, "mm³")
    assert table.texts(SIZE)[0] == f"{voxels * 100:,}"


def test_the_table_follows_clicks_strokes_and_undo(scene, table, session):
    before = table.texts(SIZE)
    paint(scene, range(3), range(4), 9)
    assert table.texts(NUMBER) == ["1", "2", "9"]
    assert table.texts(SIZE)[2] == "24"
    mouse.press_key(scene.viewer, "Z", "Control")
    assert table.texts(SIZE) == before


def test_a_double_click_goes_to_the_object(scene, table):
    scene.viewer.dims.set_current_step(0, 0)
    scene.viewer.scene.camera.center = (0, 0, 0)
    table.double_click(1)
    assert scene.viewer.dims.current_step[0] == 3
    assert scene.viewer.scene.camera.center[1:] == pytest.approx(LEFT_DISK, abs=1)
    assert scene.workspace.object_id == 1
    assert len(scene.workspace.layers.points.data) == 1


def test_selecting_a_row_makes_it_the_object_under_work(scene, table):
    table.click(1)
    assert scene.state.object_id == 1
    scene.widget.annotation_panel.object_number.setValue(2)
    assert table.panel.selected == (2,)


def test_what_tells_how_good_an_object_is_stands_before_its_name(table):
    header = table.view.horizontalHeader()
    seen = sorted(range(len(COLUMNS)), key=header.visualIndex)
    assert seen == [NUMBER, SLICES, SIZE, SURE, STATE, NAME, CLASS]


def test_names_and_classes_are_written_into_the_table(scene, table, session):
    table.write(1, NAME, "left one")
    assert session.objects.names == {1: "left one"}
    assert table.texts(NAME) == ["left one", ""]
    table.select(1, 2)
    table.write(1, CLASS, "disk")
    assert session.objects.classes == {1: "disk", 2: "disk"}
    scene.press("undo")
    assert session.objects.classes == {}
    assert table.texts(CLASS) == ["", ""]


def test_an_empty_name_is_refused_in_a_sentence(scene, table, session):
    table.write(1, NAME, "left")
    table.write(1, NAME, " ")
    assert session.objects.names == {1: "left"}
    assert scene.state.message.is_error
    assert "Expected a name" in scene.state.message.text
    assert table.texts(NAME)[0] == "left"


def test_lock_key_protects_the_object_from_clicks(scene, table, session):
    mouse.press_key(scene.viewer, "K", "Shift")
    assert table.texts(STATE) == ["finished", "locked"]
    before = session.labels.copy()
    scene.click((44, 64))
    assert "Unlock it first" in scene.state.message.text
    np.testing.assert_array_equal(session.labels, before)
    points = scene.workspace.layers.points
    scene.qtbot.waitUntil(lambda: len(points.data) == 1)
    mouse.press_key(scene.viewer, "K", "Shift")
    assert table.texts(STATE) == ["finished", ""]


def test_the_brush_leaves_locked_objects_alone_and_says_so(scene, table, session):
    table.press("lock_objects")
    before = session.labels.copy()
    layer = scene.workspace.layers.labels
    scene.viewer.layers.selection.active = layer
    layer.mode, layer.selected_label, layer.brush_size = "paint", 1, 3
    mouse.click(scene.viewer, RIGHT_DISK)
    assert "locked" in scene.state.message.text
    assert np.array_equal(layer.data, before)


def test_letters_are_keys_of_napari_in_the_table_too(scene, table, session):
    main_window, view = scene.widget.window(), scene.widget.object_panel.table
    main_window.show()
    main_window.activateWindow()
    scene.qtbot.waitUntil(main_window.isActiveWindow)
    view.setFocus()
    scene.select_row(1)
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert scene.widget.object_panel.selected == (1,)
    QTest.keyClick(view, Qt.Key.Key_N)
    assert scene.workspace.object_id == 3
    scene.select_row(0)
    QTest.keyClick(view, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    scene.qtbot.waitUntil(lambda: session.object_ids == [2])


def test_a_number_of_four_digits_can_be_read(scene, table):
    view = scene.widget.object_panel.table
    digits = view.fontMetrics().horizontalAdvance("1024")
    assert view.columnWidth(0) >= digits + 2 * view.rowHeight(0)


def test_locked_objects_are_neither_deleted_nor_merged(scene, table, session):
    table.press("lock_objects")
    table.press("delete_objects")
    assert "Unlock it first" in scene.state.message.text
    table.select(1, 2)
    table.press("merge_objects")
    assert "Unlock it first" in scene.state.message.text
    assert session.object_ids == [1, 2]


@pytest.mark.parametrize("press", ["button", "key"])
def test_accept_keeps_all_selected_objects_as_one_step(scene, table, session, press):
    table.click(1)
    table.press("reopen_object")
    scene.press("next_object")
    table.view.selectAll()
    assert table.panel.selected == (1, 2)
    assert scene.workspace.object_id == 3
    if press == "button":
        scene.press("accept")
    else:
        mouse.press_key(scene.viewer, "K")
    assert table.texts(STATE) == ["finished", "finished"]
    assert scene.state.message.text == "2 objects are kept."
    assert scene.workspace.object_id == 3
    scene.press("undo")
    assert table.texts(STATE) == ["", ""]
    assert "acceptance of objects 1, 2" in scene.state.message.text


def test_accept_without_an_object_says_what_can_be_accepted(scene, table, session):
    scene.press("next_object")
    assert table.panel.selected == ()
    scene.press("accept")
    assert scene.state.message.text == (
        "Object 3 has no mask yet. Click on an object, or choose one in the table, or "
        "several with Shift or Ctrl+A."
    )


def test_deletion_says_how_to_get_back_what_was_deleted(scene, table, session):
    table.press("delete_objects")
    assert scene.state.message.text == "Object 2: deleted. Undo brings it back."
    scene.press("undo")
    table.select(1, 2)
    table.press("delete_objects")
    assert scene.state.message.text == "Objects 1, 2: deleted. Undo brings them back."


def test_reopen_key_takes_a_finished_object_up_with_its_prompts(scene, table, session):
    scene.viewer.dims.set_current_step(0, 0)
    table.click(1)
    mouse.press_key(scene.viewer, "O", "Shift")
    assert session.accepted_ids == []
    assert scene.viewer.dims.current_step[0] == 3
    assert len(scene.workspace.layers.points.data) == 1
    scene.click((20, 25), button=2)
    assert scene.value(3, 20, 25) == 0
    assert scene.value(3, *LEFT_DISK) == 1


def test_reopen_leaves_the_view_where_the_object_is_in_it(scene, table, session):
    scene.viewer.dims.set_current_step(0, 2)
    table.click(1)
    scene.click(LEFT_DISK)
    scene.viewer.dims.set_current_step(0, 3)
    scene.viewer.scene.camera.center = centre = (0, 25, 25)
    mouse.press_key(scene.viewer, "O", "Shift")
    assert session.accepted_ids == []
    assert scene.state.object_id == 1
    assert scene.viewer.dims.current_step[0] == 3
    assert scene.viewer.scene.camera.center == centre


def test_merge_key_makes_the_selected_one_and_undo_two(scene, table, session):
    table.select(2, 1)
    mouse.press_key(scene.viewer, "G", "Shift")
    assert session.object_ids == [2]
    assert scene.value(3, *LEFT_DISK) == 2
    assert table.texts(NUMBER) == ["2"]
    assert scene.state.object_id == 2
    mouse.press_key(scene.viewer, "Z", "Control")
    assert table.texts(NUMBER) == ["1", "2"]
    assert scene.value(3, *LEFT_DISK) == 1


def test_one_object_cannot_be_merged(scene, table, session):
    table.press("merge_objects")
    assert "two or more" in scene.state.message.text
    assert session.object_ids == [1, 2]


def test_split_key_cuts_a_merged_pair_at_its_waist(scene, table, session):
    paint(scene, range(20, 47), [23, 24, 25], 2)
    paint(scene, [45, 46], range(23, 60), 2)
    mouse.press_key(scene.viewer, "S", "Shift")
    scene.settle()
    assert session.object_ids == [1, 2, 3]
    assert scene.value(3, 44, 60) == 2
    assert scene.value(3, 26, 24) == 3


def test_split_key_cuts_along_an_erased_line(scene, table, session):
    mouse.press_key(scene.viewer, "S", "Shift")
    scene.settle()
    assert "several pieces" in scene.state.message.text
    paint(scene, [44], range(80), 0)
    mouse.press_key(scene.viewer, "S", "Shift")
    scene.settle()
    assert session.object_ids == [1, 2, 3]
    assert {scene.value(3, 40, 60), scene.value(3, 48, 60)} == {2, 3}
    assert table.texts(NUMBER) == ["1", "2", "3"]


@pytest.fixture
def held(monkeypatch):
    """The search for pieces waits, as for a large object, until this is set."""
    gate, find = threading.Event(), PieceSearch.find

    def find_later(search):
        assert gate.wait(10)
        return find(search)

    monkeypatch.setattr(PieceSearch, "find", find_later)
    yield gate
    gate.set()


def test_the_window_goes_on_while_pieces_are_looked_for(scene, table, session, held):
    paint(scene, [44], range(80), 0)
    mouse.press_key(scene.viewer, "S", "Shift")
    assert "Looking for the pieces of object 2" in scene.state.message.text
    assert scene.widget.activity_panel.stop.isEnabled()
    table.click(1)
    scene.press("next_object")
    assert session.object_ids == [1, 2]
    held.set()
    scene.settle()
    assert session.object_ids == [1, 2, 3]
    assert not scene.widget.activity_panel.stop.isEnabled()
    mouse.press_key(scene.viewer, "Z", "Control")
    assert session.object_ids == [1, 2]


def test_a_split_uses_the_scale_of_now(scene, table, session, autosaves):
    scene.workspace.image.scale = (3, 1, 1)
    paint(scene, [44], range(80), 0)
    mouse.press_key(scene.viewer, "S", "Shift")
    scene.settle()
    (path,) = autosaves.rglob("*.jsonl")
    _, entries = read_journal(path)
    assert entries[-1].spacing == (3, 1, 1)


def test_stop_leaves_an_object_whole(scene, table, session, held):
    paint(scene, [44], range(80), 0)
    mouse.press_key(scene.viewer, "S", "Shift")
    scene.press("stop")
    assert not scene.state.is_busy
    held.set()
    scene.settle()
    assert session.object_ids == [1, 2]


def test_an_object_that_changed_meanwhile_is_not_split(scene, table, session, held):
    paint(scene, [44], range(80), 0)
    mouse.press_key(scene.viewer, "S", "Shift")
    paint(scene, [44], range(80), 2)
    held.set()
    scene.settle()
    assert session.object_ids == [1, 2]
    assert "changed meanwhile" in scene.state.message.text


def test_two_objects_are_split_one_after_the_other(scene, table, session, held):
    paint(scene, [20], range(80), 0)
    paint(scene, [44], range(80), 0)
    for object_id in (1, 2):
        table.click(object_id)
        mouse.press_key(scene.viewer, "S", "Shift")
    held.set()
    scene.settle()
    assert session.object_ids == [1, 2, 3, 4]


def test_a_session_opened_meanwhile_is_left_alone(
    scene, table, session, held, tmp_path
):
    paint(scene, [44], range(80), 0)
    scene.widget.safekeeping.save(tmp_path / "work.session")
    scene.qtbot.waitUntil(lambda: (tmp_path / "work.session").exists())
    mouse.press_key(scene.viewer, "S", "Shift")
    scene.widget.safekeeping.open(tmp_path / "work.session")
    scene.qtbot.waitUntil(lambda: scene.workspace.session is not session)
    held.set()
    scene.settle()
    assert scene.workspace.session.object_ids == session.object_ids == [1, 2]
    assert "changed meanwhile" in scene.state.message.text


def test_delete_key_removes_the_object_and_undo_brings_it_back(scene, table, session):
    mouse.press_key(scene.viewer, "D", "Shift")
    assert session.object_ids == [1]
    assert table.texts(NUMBER) == ["1"]
    assert not (session.labels == 2).any()
    assert scene.state.object_id == 2
    assert len(scene.workspace.layers.points.data) == 0
    mouse.press_key(scene.viewer, "Z", "Control")
    assert table.texts(NUMBER) == ["1", "2"]
    assert scene.value(3, *RIGHT_DISK) == 2


def test_a_finished_object_that_undo_brings_back_is_not_under_work(
    scene, table, session
):
    table.click(1)
    mouse.press_key(scene.viewer, "D", "Shift")
    mouse.press_key(scene.viewer, "Z", "Control")
    assert session.accepted_ids == [1]
    assert scene.state.object_id == 3


def test_an_object_that_redo_finishes_is_not_under_work_any_more(scene, table, session):
    scene.press("accept")
    scene.press("undo")
    table.click(2)
    scene.press("redo")
    assert session.accepted_ids == [1, 2]
    assert scene.state.object_id == 3


def test_undo_leaves_a_finished_object_that_was_chosen_under_work(
    scene, table, session
):
    table.click(1)
    scene.click((20, 25), button=2)
    scene.press("undo")
    assert session.accepted_ids == [1]
    assert scene.state.object_id == 1


def test_commands_without_an_object_say_so(make_scene):
    scene = make_scene(None)
    for name in ("delete_objects", "measure", "export"):
        scene.controller.commands[name]()
        assert "Expected an image" in scene.state.message.text


def test_unticked_objects_are_hidden_and_come_back(scene, table):
    layer = scene.workspace.layers.labels
    own, colour = layer.colormap, tuple(layer.get_color(1))
    table.tick(1)
    assert layer.get_color(1)[3] == 0
    assert layer.get_color(2)[3] == 1
    paint(scene, range(3), range(4), 9)
    assert layer.get_color(9)[3] == 1
    table.tick(1)
    assert layer.colormap is own
    assert tuple(layer.get_color(1)) == colour


def test_objects_of_a_session_that_is_opened_are_all_seen(
    scene, table, session, tmp_path
):
    layer = scene.workspace.layers.labels
    colours = [tuple(layer.get_color(i)) for i in (1, 2)]
    scene.widget.safekeeping.save(tmp_path / "work.session")
    scene.qtbot.waitUntil(lambda: (tmp_path / "work.session").exists())
    table.tick(1)
    scene.widget.safekeeping.open(tmp_path / "work.session")
    scene.qtbot.waitUntil(lambda: scene.workspace.session is not session)
    index, _ = table.place(1)
    assert Qt.CheckState(index.data(TICK)) is Qt.CheckState.Checked
    assert [tuple(layer.get_color(i)) for i in (1, 2)] == colours
    table.tick(1)
    assert [layer.get_color(i)[3] for i in (1, 2)] == [0, 1]


def test_hidden_objects_stay_hidden_when_colours_are_shuffled(scene, table):
    layer = scene.workspace.layers.labels
    index, _ = table.place(2)

    def in_table():
        return index.data(Qt.ItemDataRole.DecorationRole).getRgbF()

    table.tick(1)
    for seed in (5, 7):
        before = tuple(layer.get_color(2))
        layer.new_colormap(seed)
        assert layer.get_color(1)[3] == 0
        assert tuple(layer.get_color(2)) != before
        assert in_table() == pytest.approx(tuple(layer.get_color(2)), abs=1e-3)
    table.tick(1)
    assert layer.get_color(1)[3] == 1
    repainted = []
    table.model.dataChanged.connect(lambda *_: repainted.append(in_table()))
    layer.new_colormap(9)
    assert repainted[-1] == pytest.approx(tuple(layer.get_color(2)), abs=1e-3)


def test_an_object_more_leaves_the_colours_of_a_hidden_one_alone(scene, table):
    layer = scene.workspace.layers.labels
    table.tick(1)
    colormap = layer.colormap
    paint(scene, range(3), range(4), 9)
    assert layer.colormap is colormap  # else all is drawn again
    assert layer.get_color(9)[3] == 1
    paint(scene, range(3), range(4), 5000)
    assert layer.get_color(5000)[3] == 1
    assert layer.get_color(1)[3] == 0


def test_objects_are_hidden_while_only_the_selected_one_is_shown(scene, table):
    layer = scene.workspace.layers.labels
    layer.show_selected_label = True
    table.tick(1)
    assert layer.colormap.use_selection
    layer.show_selected_label = False
    assert [layer.get_color(i)[3] for i in (1, 2)] == [0, 1]
    table.tick(1)
    assert not layer.colormap.use_selection


def test_every_object_is_seen_on_black_and_differs_from_the_next(scene):
    layer = scene.workspace.layers.labels
    colours = np.array([layer.get_color(i)[:3] for i in range(1, 60)])
    linear = np.where(
        colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4
    )
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (luminance + 0.05).min() / 0.05 >= 3  # the contrast that WCAG 2.1 asks for
    assert np.abs(np.diff(colours, axis=0)).max(1).min() > 0.2


def test_a_colour_is_chosen_and_shown(scene, table, monkeypatch):
    red = QColor.fromRgbF(1, 0, 0, 1)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: red)
    table.panel.ask_colour((1,))
    layer = scene.workspace.layers.labels
    assert tuple(layer.get_color(1)) == (1, 0, 0, 1)
    index, _ = table.place(1)
    assert index.data(Qt.ItemDataRole.DecorationRole).name() == "#ff0000"


@pytest.mark.parametrize("rule", ["keep", "cut", "overwrite"])
def test_the_rule_is_chosen_and_undone(scene, table, session, rule):
    box = table.panel.rule
    for _ in range(["keep", "cut", "overwrite"].index(rule)):
        scene.qtbot.keyClick(box, Qt.Key.Key_Down)
    assert session.overlap_rule == rule
    scene.press("next_object")
    scene.click(LEFT_DISK)
    scene.click(RIGHT_DISK)
    finished, open_one = scene.value(3, *LEFT_DISK), scene.value(3, *RIGHT_DISK)
    expected = {"keep": (1, 2), "cut": (1, 3), "overwrite": (3, 3)}
    assert (finished, open_one) == expected[rule]
    while session.can_undo:
        scene.press("undo")
    assert box.currentText() == "keep"


def test_another_image_has_another_table(scene, table):
    scene.viewer.add_image(stack(), name="more")
    scene.controller.choose_image(scene.viewer.layers["more"])
    assert table.texts(NUMBER) == []
    scene.controller.choose_image(scene.viewer.layers["cells"])
    assert table.texts(NUMBER) == ["1", "2"]


@pytest.fixture
def many():
    """A session with 10,000 objects."""
    labels = np.arange(10_000, dtype=np.int32).reshape(1, 100, 100) + 1
    return Session(np.zeros((1, 100, 100)), labels=labels)


@pytest.fixture
def model(many, qtbot):
    model = ObjectTableModel()
    model.follow(many.objects, None, 1.0, "px³")
    return model


def test_only_changed_rows_are_told(many, model):
    told = []
    model.dataChanged.connect(lambda a, b: told.append((a.row(), b.row())))
    many.apply(Paint(Plane((1, 2), (0,)), np.array([[5, 5]]), np.array([7])))
    model.refresh()
    assert sorted(told) == [(6, 6), (505, 505)]
    assert [model.index(row, SIZE).data() for row in (6, 505)] == ["2", "0"]
    many.apply(DeleteObject(506))
    model.refresh()
    assert (model.rowCount(), model.row_of(506)) == (9999, -1)
    many.undo()
    model.refresh()
    assert model.index(505, NUMBER).data() == "506"


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_ten_thousand_objects_are_sorted_by_any_column(model, column):
    model.sort(column, Qt.SortOrder.DescendingOrder)
    assert model.rowCount() == 10_000
    assert model.object_at(0) == 10_000
    model.sort(NUMBER)
    assert model.object_at(0) == 1


def test_an_object_without_a_pixel_is_not_kept(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    scene.click((2, 2))
    assert not (scene.labels == 1).any()
    assert scene.widget.annotation_panel.score.text() == "-"
    scene.controller.do("accept")
    assert scene.state.message.text.startswith("Object 1 has no pixels yet.")
    assert not scene.workspace.session.accepted_ids


def test_after_the_largest_label_the_smallest_free_one_is_next(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    largest = int(np.iinfo(scene.labels.dtype).max)
    scene.workspace.layers.labels.fill((2, 2), largest)
    scene.settle()
    scene.press("next_object")
    assert scene.state.object_id == 1


def test_an_object_that_is_not_there_is_told_in_short(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    scene.controller.choose_object(7)
    assert scene.state.message.text.startswith("Object 7 is not there; object 1 is.")
