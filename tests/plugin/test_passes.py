"""Very many objects change in passes, and what the user does meanwhile is right."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel
from qtpy.QtWidgets import QApplication
from tests.fakes import MarkingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import MarkingPredictor, disks
from tests.plugin.monkey import is_shown

from napari_sam_adapter.plugin.state import NOTHING_OPEN
from napari_sam_adapter.plugin.viewing import passes
from napari_sam_adapter.volume.saving.replaying import replay

pytestmark = pytest.mark.slow

PITCH, ROWS, COLUMNS = 8, 12, 10
CENTRES = [
    (PITCH * row + 4, PITCH * column + 4)
    for row in range(ROWS)
    for column in range(COLUMNS)
]
COUNT = len(CENTRES)
IMAGE = disks((PITCH * ROWS, PITCH * COLUMNS), CENTRES, 2)


@pytest.fixture(autouse=True)
def short_passes(monkeypatch):
    """Every part of the work is a pass of its own."""
    monkeypatch.setattr(passes, "PASS", 0)


@pytest.fixture
def scene(make_scene):
    """All disks were found and taken in."""
    scene = make_scene(IMAGE, predictor=MarkingPredictor(), name="cells")
    scene.press("use_points")
    scene.press("find_objects")
    wait(scene, f"{COUNT} objects found.")
    return scene


def wait(scene, text):
    """Wait until something was told, and what was under way is shown."""
    scene.qtbot.waitUntil(lambda: scene.state.message.text == text)
    scene.qtbot.waitUntil(lambda: not scene.controller.objects.passes._works)
    scene.settle()


def is_busy(scene):
    return scene.workspace.session.under_way.is_busy


def find_again(scene):
    """Press undo, and the button for all objects until they begin to come in."""
    scene.press("undo")
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    scene.press("find_objects")
    until = time.monotonic() + 10
    while not is_busy(scene) and time.monotonic() < until:
        QApplication.processEvents()  # one turn does one pass; there are more
    assert is_busy(scene)


def count(labels):
    return len(np.unique(labels)) - 1


def assert_the_journal_says_so(scene, autosaves):
    labels = scene.labels
    scene.controller.close()
    (journal,) = autosaves.rglob("*.jsonl")
    again = replay(journal, IMAGE, MarkingDiskPredictor())
    assert np.array_equal(again.labels, labels)


def delete_all(scene):
    scene.widget.object_panel.table.selectAll()
    scene.controller.do("delete_objects")


def test_undo_and_redo_give_the_window_its_turn(scene):
    table = scene.widget.object_panel.table.model()
    scene.press("undo")
    assert is_busy(scene)
    assert scene.labels.any()
    assert table.rowCount() == 0
    wait(scene, f"Taken back: search that found {COUNT} objects.")
    assert not scene.labels.any()
    scene.press("redo")
    assert is_busy(scene)
    assert table.rowCount() == COUNT
    wait(scene, f"Done again: search that found {COUNT} objects.")
    assert count(scene.labels) == COUNT
    sizes = {table.index(row, 4).data() for row in range(COUNT)}
    assert sizes == {"13"}


def test_keys_pressed_fast_are_done_in_order(scene, autosaves):
    for name in ("undo", "redo", "undo", "redo"):
        scene.press(name)
    wait(scene, f"Done again: search that found {COUNT} objects.")
    assert count(scene.labels) == COUNT
    assert_the_journal_says_so(scene, autosaves)


def test_deleting_all_goes_on_with_a_new_object(scene, autosaves):
    delete_all(scene)
    assert is_busy(scene)
    assert scene.workspace.object_id == 1
    scene.click(CENTRES[5])
    assert list(np.unique(scene.labels)) == [0, 1]
    assert scene.value(*CENTRES[5]) == 1
    assert_the_journal_says_so(scene, autosaves)


def test_merging_all_is_one_step(scene, autosaves):
    scene.widget.object_panel.table.selectAll()
    scene.controller.do("merge_objects")
    assert scene.workspace.session.object_ids == [1]
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    assert list(np.unique(scene.labels)) == [0, 1]
    scene.press("undo")
    scene.press("undo")
    scene.press("redo")
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    assert count(scene.labels) == COUNT
    assert_the_journal_says_so(scene, autosaves)


def test_a_click_while_found_objects_come_in_is_an_object_of_its_own(scene, autosaves):
    find_again(scene)
    scene.click(CENTRES[0])
    assert len(scene.workspace.session.object_ids) == COUNT + 1
    assert scene.workspace.object_id == COUNT + 1
    assert count(scene.labels) == COUNT
    assert_the_journal_says_so(scene, autosaves)


def test_a_search_while_many_go_sees_them_gone(scene):
    scene.press("undo")
    assert is_busy(scene)
    scene.press("find_objects")
    wait(scene, f"{COUNT} objects found.")
    assert count(scene.labels) == COUNT


def test_undo_while_found_objects_come_in_is_told_last(scene):
    find_again(scene)
    scene.controller.do("undo")  # by its key: the button learns of it in a moment
    wait(scene, f"Taken back: search that found {COUNT} objects.")
    scene.qtbot.wait(50)
    assert scene.state.message.text == f"Taken back: search that found {COUNT} objects."
    assert not scene.labels.any()


def test_a_mask_that_comes_meanwhile_waits(scene, autosaves):
    scene.controller.choose_object(5)
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, CENTRES[-1])
    table = scene.widget.object_panel.table
    table.selectAll()
    flags = QItemSelectionModel.SelectionFlag
    table.selectionModel().select(
        table.model().index(4, 0), flags.Deselect | flags.Rows
    )
    scene.controller.do("delete_objects")
    assert is_busy(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: scene.value(*CENTRES[-1]) == 5)
    assert not is_busy(scene)
    assert_the_journal_says_so(scene, autosaves)


@pytest.mark.parametrize("name", ["undo", "delete"])
def test_closing_meanwhile_finishes_it(scene, name, autosaves):
    labels = scene.labels
    scene.press("undo") if name == "undo" else delete_all(scene)
    assert is_busy(scene)
    assert_the_journal_says_so(scene, autosaves)
    assert not labels.any()


@pytest.mark.parametrize(
    "go",
    [
        lambda scene: scene.controller.close(),
        lambda scene: scene.viewer.layers.remove(scene.workspace.image),
    ],
)
def test_labels_that_stay_show_all_of_it(scene, go):
    layer = scene.workspace.layers.labels
    scene.press("undo")
    assert is_busy(scene)
    go(scene)
    scene.qtbot.waitUntil(lambda: not layer.data.any())
    assert is_shown(layer)


def test_a_session_saved_meanwhile_has_all_of_it(scene, tmp_path):
    scene.press("undo")
    scene.widget.safekeeping.save(tmp_path / "a.session")
    wait(scene, f"Saved as {tmp_path / 'a.session'}.")
    assert not scene.labels.any()
    saved = replay(tmp_path / "a.session", IMAGE, MarkingDiskPredictor())
    assert not saved.labels.any()


def test_nothing_to_undo_is_told(scene):
    for _ in range(2):
        scene.controller.do("undo")
    wait(scene, "There is nothing to undo.")
    scene.controller.do("redo")
    scene.controller.do("redo")
    wait(scene, "There is nothing to redo.")
    assert count(scene.labels) == COUNT


def test_following_an_object_meanwhile_sees_all_of_it(make_scene, autosaves):
    volume = np.stack([IMAGE] * 3)
    scene = make_scene(volume, predictor=MarkingPredictor(), name="cells")
    scene.viewer.dims.set_current_step(0, 1)
    scene.press("find_objects")
    wait(scene, f"{COUNT} objects found.")
    scene.press("undo")
    scene.press("redo")
    scene.controller.choose_object(1)
    assert is_busy(scene)
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.state.message.text.startswith("Followed"))
    assert [count(plane) for plane in scene.labels] == [1, COUNT, 1]
    labels = scene.labels
    scene.controller.close()
    (journal,) = autosaves.rglob("*.jsonl")
    again = replay(journal, volume, MarkingDiskPredictor())
    assert np.array_equal(again.labels, labels)


def test_after_undo_and_redo_of_many_the_next_click_begins_a_new_object(scene):
    assert scene.workspace.object_id == COUNT + 1
    scene.press("undo")
    assert scene.workspace.object_id == 1
    scene.press("redo")
    assert scene.workspace.object_id == COUNT + 1
    scene.controller.choose_object(3)
    delete_all(scene)
    scene.press("undo")
    assert scene.workspace.object_id == COUNT + 1


def test_an_object_that_stays_under_work_stays_chosen(scene):
    scene.controller.choose_object(5)
    scene.press("undo")
    scene.press("redo")
    wait(scene, f"Done again: search that found {COUNT} objects.")
    scene.controller.choose_object(5)
    others = tuple(range(6, COUNT + 1))
    scene.widget.object_panel.class_given.emit(others, "cell")
    scene.press("undo")
    assert scene.workspace.object_id == 5


def test_asking_with_the_mask_of_an_object_that_is_coming_back(scene, autosaves):
    before = scene.labels.copy()
    delete_all(scene)
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    scene.press("undo")
    scene.controller.choose_object(1)  # the last one whose pixels come
    assert is_busy(scene)
    assert not (scene.labels == 1).any()
    scene.controller.do("ask_with_mask")
    assert scene.state.message.text == "Asking with the pixels of object 1 ..."
    scene.settle()
    assert np.array_equal(scene.labels != 0, before != 0)
    assert_the_journal_says_so(scene, autosaves)


def test_splitting_into_very_many_gives_the_window_its_turn(scene, autosaves):
    before = scene.labels.copy()
    scene.widget.object_panel.table.selectAll()
    scene.controller.do("merge_objects")
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    merged = scene.labels.copy()
    told = {}
    scene.state.events.message.connect(
        lambda message: told.update({message.text: is_busy(scene)})
    )
    scene.controller.do("split_object")
    text = "Object 1 was split: Objects 2, 3, 4, 5, 6 and 114 more new."
    scene.qtbot.waitUntil(lambda: text in told)
    assert told[text]  # not yet all of it
    assert len(scene.workspace.session.object_ids) == COUNT
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    assert count(scene.labels) == COUNT
    scene.press("undo")
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    assert np.array_equal(scene.labels, merged)
    scene.press("undo")
    scene.qtbot.waitUntil(lambda: not is_busy(scene))
    assert np.array_equal(scene.labels, before)
    scene.press("redo")
    scene.press("redo")
    assert_the_journal_says_so(scene, autosaves)


def test_a_refused_command_while_found_objects_come_in_shows_all_of_them(scene):
    find_again(scene)
    table = scene.widget.object_panel.table
    while not table.model().rowCount():
        QApplication.processEvents()  # shown in a turn of its own
    scene.select_row(0)
    assert is_busy(scene)
    scene.controller.do("merge_objects")  # one alone
    assert "two or more" in scene.state.message.text
    assert not is_busy(scene)
    assert count(scene.labels) == COUNT
    sizes = {table.model().index(row, 4).data() for row in range(COUNT)}
    assert sizes == {"13"}


def test_rows_of_objects_that_are_just_gone_are_empty(scene):
    find_again(scene)
    model = scene.widget.object_panel.table.model()
    while not model.rowCount():
        QApplication.processEvents()  # shown in a turn of its own
    assert is_busy(scene)
    scene.controller.do("undo")
    assert model.rowCount() == COUNT  # the next turn takes them out
    assert {model.index(row, 4).data() for row in range(COUNT)} == {""}
    model.sort(4)
    wait(scene, f"Taken back: search that found {COUNT} objects.")
    assert model.rowCount() == 0


def test_an_image_that_goes_while_found_objects_come_in_is_told_last(scene):
    find_again(scene)
    work = scene.workspace.session.under_way
    scene.viewer.layers.remove(scene.workspace.image)
    scene.qtbot.waitUntil(lambda: not scene.controller.objects.passes._works)
    assert not work.is_busy
    assert scene.state.message == NOTHING_OPEN


def test_that_found_objects_are_not_saved_is_told_last(make_scene, autosaves):
    autosaves.write_text("no folder")
    scene = make_scene(IMAGE, predictor=MarkingPredictor(), name="cells")
    scene.press("find_objects")
    scene.qtbot.waitUntil(lambda: count(scene.labels) == COUNT)
    scene.qtbot.waitUntil(lambda: not scene.controller.objects.passes._works)
    assert "Free some space" in scene.state.message.text
