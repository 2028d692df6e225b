from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog
from tests.plugin import mouse
from tests.plugin.conftest import (
    LEFT_DISK,
    RIGHT_DISK,
    MarkingPredictor,
    disks,
    settings,
    stack,
)

from napari_sam_adapter.image_io.files.opening import open_image, save_labels
from napari_sam_adapter.image_io.series.entries import SeriesEntry
from napari_sam_adapter.image_io.series.series import PROGRESS_NAME
from napari_sam_adapter.plugin.state import Tool
from napari_sam_adapter.volume.document.object_edits import MergeObjects
from napari_sam_adapter.volume.document.piece_search import PieceSearch
from napari_sam_adapter.volume.finding.finding import find_steps, finding, taking_in

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.tif", "c.tif"):
        save_labels(folder / name, disks())
    return folder


@pytest.fixture
def scene(make_scene, folder, monkeypatch):
    """A window in which the folder was just opened, with points in hand."""
    scene = make_scene(None)
    open_folder(scene, folder, monkeypatch)
    arrive(scene, 0)
    scene.press("use_points")
    return scene


def open_folder(scene, folder, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    scene.widget.series_panel.folder.click()


def wait_idle(scene):
    scene.qtbot.waitUntil(lambda: not scene.widget.series.is_busy, timeout=10_000)


def arrive(scene, position):
    wait_idle(scene)
    assert scene.widget.series.series.position == position
    scene.settle()


def turn(scene, key, position):
    mouse.press_key(scene.viewer, key)
    arrive(scene, position)


def saved(folder, name):
    return np.asarray(open_image(folder / name).data)


def names(scene):
    return [layer.name for layer in scene.viewer.layers]


def test_one_key_saves_the_labels_and_opens_the_next_image(scene, folder):
    scene.click(LEFT_DISK)
    labels = scene.labels.copy()
    turn(scene, "PageDown", 1)
    np.testing.assert_array_equal(saved(folder, "a_labels.png"), labels)
    # the outlines of candidates are laid over the new image a little later
    scene.qtbot.waitUntil(lambda: names(scene)[0] == "b.tif")
    assert "a.png" not in names(scene)
    assert scene.state.message.text == "Image 2 of 3: b.tif."


def test_another_folder_without_a_usable_image_is_no_end_of_the_series(
    scene, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.tif").write_bytes(b"II*\0broken")
    open_folder(scene, other, monkeypatch)
    wait_idle(scene)
    assert scene.state.message.text == "No image of this series can be opened."
    assert "a.png" in names(scene)
    turn(scene, "PageDown", 1)


def test_the_next_image_is_ready_for_the_next_click(scene, folder):
    scene.click(LEFT_DISK)
    turn(scene, "PageDown", 1)
    assert scene.state.tool is Tool.POINTS
    assert not scene.labels.any()
    scene.click(RIGHT_DISK)
    turn(scene, "PageDown", 2)
    assert saved(folder, "b_labels.tif")[RIGHT_DISK] == 1
    assert saved(folder, "b_labels.tif")[LEFT_DISK] == 0


def test_the_image_before_comes_back_with_its_labels(scene):
    scene.click(LEFT_DISK)
    scene.press("accept")
    turn(scene, "PageDown", 1)
    turn(scene, "PageUp", 0)
    assert scene.value(*LEFT_DISK) == 1
    assert scene.workspace.layers.labels.data is scene.labels
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    assert scene.value(*RIGHT_DISK) == 2
    assert scene.value(*LEFT_DISK) == 1


def test_a_series_goes_on_where_it_stopped(scene, make_scene, folder, monkeypatch):
    scene.click(LEFT_DISK)
    turn(scene, "PageDown", 1)
    scene.click(RIGHT_DISK)
    scene.viewer.window.remove_dock_widget(scene.widget)
    again = make_scene(None)
    open_folder(again, folder, monkeypatch)
    arrive(again, 1)
    assert again.value(*RIGHT_DISK) == 1
    assert again.widget.series_panel.place.text() == "2 of 3: b.tif\n1 finished"


def test_the_same_folder_opened_again_keeps_what_was_done(scene, folder, monkeypatch):
    scene.click(LEFT_DISK)
    open_folder(scene, folder, monkeypatch)
    arrive(scene, 0)
    assert scene.value(*LEFT_DISK) == 1
    scene.viewer.layers.remove("a.png")
    open_folder(scene, folder, monkeypatch)
    arrive(scene, 0)
    assert scene.value(*LEFT_DISK) == 1
    assert names(scene).count("a.png") == 1


def test_what_is_finished_is_told_and_can_be_changed(scene, folder):
    panel = scene.widget.series_panel
    scene.click(LEFT_DISK)
    turn(scene, "PageDown", 1)
    turn(scene, "PageUp", 0)
    assert panel.done.isChecked()
    panel.done.click()
    progress = json.loads((folder / PROGRESS_NAME).read_text())
    assert progress["done"] == []
    assert progress["current"] == "a.png"


def test_an_image_without_labels_leaves_no_file(scene, folder):
    turn(scene, "PageDown", 1)
    assert not (folder / "a_labels.png").exists()
    assert scene.widget.series.series.done_count == 0


def test_a_click_that_is_still_answered_is_saved_too(scene, folder):
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    mouse.press_key(scene.viewer, "PageDown")
    QApplication.processEvents()
    assert names(scene)[0] == "a.png"
    scene.predictor.gate.set()
    arrive(scene, 1)
    assert saved(folder, "a_labels.png")[LEFT_DISK] == 1


@pytest.mark.parametrize("is_edit", [False, True])
def test_labels_are_saved_again_only_if_they_changed(
    scene, folder, monkeypatch, is_edit
):
    gate, save, saves = threading.Event(), SeriesEntry.save, []

    def save_slowly(*args):
        saves.append(args)
        assert gate.wait(10)
        return save(*args)

    monkeypatch.setattr(SeriesEntry, "save", save_slowly)
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "PageDown")
    scene.qtbot.waitUntil(lambda: bool(saves))
    if is_edit:
        scene.press("next_object")
        scene.click(RIGHT_DISK)
    else:
        scene.controller.choose_object(1)
        scene.controller.on_view_changed()
    gate.set()
    arrive(scene, 1)
    assert len(saves) == 1 + is_edit
    assert saved(folder, "a_labels.png")[RIGHT_DISK] == 2 * is_edit


def test_a_split_under_way_is_saved_too(scene, folder, monkeypatch):
    gate, find = threading.Event(), PieceSearch.find
    monkeypatch.setattr(PieceSearch, "find", lambda s: gate.wait(10) and find(s))
    for disk in (LEFT_DISK, RIGHT_DISK):
        scene.press("next_object")
        scene.click(disk)
    scene.workspace.apply(MergeObjects((1, 2)))
    scene.controller.choose_object(1)
    scene.controller.do("split_object")
    mouse.press_key(scene.viewer, "PageDown")
    scene.qtbot.waitUntil((folder / "a_labels.png").exists)
    QApplication.processEvents()
    assert names(scene)[0] == "a.png"
    gate.set()
    arrive(scene, 1)
    assert np.unique(saved(folder, "a_labels.png")).tolist() == [0, 1, 2]


def test_a_split_that_waits_for_a_stroke_is_saved_too(scene, folder, monkeypatch):
    gate, find = threading.Event(), PieceSearch.find
    monkeypatch.setattr(PieceSearch, "find", lambda s: gate.wait(10) and find(s))
    for disk in (LEFT_DISK, RIGHT_DISK):
        scene.press("next_object")
        scene.click(disk)
    scene.workspace.apply(MergeObjects((1, 2)))
    scene.controller.choose_object(1)
    scene.controller.do("split_object")
    layers = scene.workspace.layers
    scene.viewer.layers.selection.active = layers.labels
    layers.labels.mode = "erase"  # where nothing is

    def found_under_the_stroke():
        gate.set()
        scene.qtbot.wait(100)
        scene.controller.do("next_image")
        scene.qtbot.wait(100)
        assert names(scene)[0] == "a.png"

    mouse.drag(scene.viewer, (4, 4), (4, 10), found_under_the_stroke)
    arrive(scene, 1)
    assert 2 in saved(folder, "a_labels.png")


def test_a_broken_image_is_told_and_passed_over(scene, folder):
    (folder / "b.tif").write_bytes(b"no image")
    turn(scene, "PageDown", 2)
    assert scene.state.image.name == "c.tif"
    turn(scene, "PageUp", 0)


def test_an_image_that_cannot_be_segmented_is_passed_over(scene, folder):
    np.save(folder / "b.npy", np.zeros((2, 3, 2, 3, 2, 8, 8), np.uint8))
    scene.widget.series.open_folder(folder)
    arrive(scene, 0)
    turn(scene, "PageDown", 2)
    assert scene.state.image.name == "b.tif"


def test_outlines_of_candidates_lie_on_the_next_image_too(scene):
    overlay, layers = scene.widget.candidates.overlay, scene.viewer.layers
    scene.click(LEFT_DISK)
    scene.qtbot.waitUntil(lambda: overlay.is_shown)
    turn(scene, "PageDown", 1)
    scene.qtbot.waitUntil(lambda: not overlay.is_shown)
    scene.click(RIGHT_DISK)
    scene.qtbot.waitUntil(lambda: overlay.is_shown)
    assert layers.index(overlay.layer) > layers.index("b.tif")
    assert layers.selection.active == scene.workspace.layers.points


def test_a_missing_image_gets_a_sentence(scene, folder):
    told = []
    scene.state.events.message.connect(told.append)
    (folder / "b.tif").unlink()
    turn(scene, "PageDown", 2)
    assert any(m.is_error and "does not exist" in m.text for m in told)


def test_at_the_end_the_labels_are_saved_and_the_image_stays(scene, folder):
    turn(scene, "PageDown", 1)
    turn(scene, "PageDown", 2)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    turn(scene, "PageDown", 2)
    assert saved(folder, "c_labels.tif")[LEFT_DISK] == 1
    assert scene.state.image.name == "c.tif"
    assert scene.value(*LEFT_DISK) == 1
    assert "no further image" in scene.state.message.text


def test_labels_that_cannot_be_saved_keep_the_image_open(scene, folder):
    scene.click(LEFT_DISK)
    (folder / "a_labels.png").mkdir()
    mouse.press_key(scene.viewer, "PageDown")
    wait_idle(scene)
    assert scene.state.message.is_error
    assert scene.state.image.name == "a.png"
    assert scene.value(*LEFT_DISK) == 1


def test_layers_of_the_user_stay(scene):
    mine = scene.viewer.add_points([[1, 1]], name="mine")
    turn(scene, "PageDown", 1)
    assert mine in scene.viewer.layers
    assert scene.state.image.name == "b.tif"


def test_an_image_of_a_series_is_seen_without_channels(scene):
    shown = scene.viewer.layers["a.png"]
    scene.viewer.add_image(shown.data * 2, name="mine", scale=shown.scale)
    assert scene.widget.image_panel.channels.isHidden()
    picker = scene.widget.image_panel.picker
    picker.activated.emit(picker.findText("mine"))
    assert not scene.widget.image_panel.channels.isHidden()


def test_a_closed_image_layer_is_saved_nevertheless(scene, folder):
    scene.click(LEFT_DISK)
    scene.viewer.layers.remove("a.png")
    turn(scene, "PageDown", 1)
    assert saved(folder, "a_labels.png")[LEFT_DISK] == 1


@pytest.mark.parametrize("leave", ["turn", "close"])
def test_masks_on_replaced_pixels_are_saved(scene, folder, leave):
    layer = scene.viewer.layers["a.png"]
    scene.click(LEFT_DISK)
    layer.data = layer.data.copy()
    assert layer in scene.controller.workspaces.fixed
    scene.click(RIGHT_DISK)
    if leave == "turn":
        turn(scene, "PageDown", 1)
        assert "a.png masks" in names(scene)  # those of the pixels before stay
    else:
        scene.controller.close()
    assert saved(folder, "a_labels.png")[RIGHT_DISK] == 1
    assert saved(folder, "a_labels.png")[LEFT_DISK] == 0


def test_pixels_replaced_before_a_click_leave_the_file_as_it_was(scene, folder):
    scene.click(LEFT_DISK)
    turn(scene, "PageDown", 1)
    turn(scene, "PageUp", 0)
    layer = scene.viewer.layers["a.png"]
    encoded = len(scene.predictor.encoded)
    layer.data = layer.data.copy()
    scene.qtbot.waitUntil(lambda: len(scene.predictor.encoded) > encoded)  # ahead
    scene.settle()
    turn(scene, "PageDown", 1)
    assert saved(folder, "a_labels.png")[LEFT_DISK] == 1
    assert "a.png" not in names(scene)


def test_a_list_of_volumes_is_a_series_too(make_scene, tmp_path, monkeypatch):
    paths = [str(tmp_path / "v.npy"), str(tmp_path / "w.npy")]
    for path in paths:
        np.save(path, stack())
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (paths, ""))
    scene = make_scene(None)
    scene.widget.series_panel.images.click()
    arrive(scene, 0)
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.widget.series_panel.next.click()
    arrive(scene, 1)
    assert np.load(tmp_path / "v_labels.npy")[3][LEFT_DISK] == 1


def test_an_empty_folder_gets_a_sentence(make_scene, tmp_path, monkeypatch):
    scene = make_scene(disks(), name="open")
    empty = tmp_path / "empty"
    empty.mkdir()
    open_folder(scene, empty, monkeypatch)
    assert scene.widget.series.is_busy  # a worker looks: files may be many, and slow
    wait_idle(scene)
    assert "got none" in scene.state.message.text
    assert names(scene) == ["open"]


def test_without_a_series_the_keys_say_so(make_scene):
    scene = make_scene(disks())
    mouse.press_key(scene.viewer, "PageDown")
    assert "Expected a series" in scene.state.message.text


def test_the_keys_can_be_changed(scene):
    settings().keys.next_image = "Shift-F4"
    scene.widget.key_settings.apply()
    mouse.press_key(scene.viewer, "F4", "Shift")
    arrive(scene, 1)


@pytest.mark.parametrize("how", ["turned", "closed"])
def test_found_objects_on_their_way_are_saved(make_scene, folder, monkeypatch, how):
    scene = make_scene(None, predictor=MarkingPredictor())
    open_folder(scene, folder, monkeypatch)
    arrive(scene, 0)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    session = scene.workspace.session
    *_, found = find_steps(finding(session, scene.workspace.plane_in_view()))
    session.under_way.begin(taking_in(session, found))
    if how == "turned":
        turn(scene, "PageDown", 1)
    else:
        scene.viewer.window.remove_dock_widget(scene.widget)
    assert saved(folder, "a_labels.png")[RIGHT_DISK] == 2
