from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox
from tests.conftest import CONTENT
from tests.plugin.conftest import LEFT_DISK, disks

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.inference.predictor.weights import EXPORTS
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.families.preparation import SAM_ADAPTER
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.model.variants import MODELS
from napari_sam_adapter.plugin.network.network_loading import load_from_disk
from napari_sam_adapter.plugin.network.weights_state import WeightsController
from napari_sam_adapter.plugin.panels.weights_dialogs import LAYOUTS, NO_BASE
from napari_sam_adapter.plugin.panels.weights_window import WeightsWindow
from napari_sam_adapter.plugin.state import ModelChoice
from napari_sam_adapter.weight_store.entries import Kind, State


@pytest.fixture
def web(entry, monkeypatch):
    """A download that is in the table."""
    wanted = entry()
    monkeypatch.setitem(MODELS, "web", wanted.variant)
    return wanted


@pytest.fixture
def window(web, qtbot):
    """The window about weights, with the download selected."""
    controller = WeightsController()
    window = WeightsWindow(controller)
    window.controller = controller
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    window.choose("web", Kind.MODEL)
    yield window
    controller.close()


@pytest.fixture
def press(qtbot):
    def press(button):
        assert button.isEnabled()
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return press


def settle(window, qtbot):
    qtbot.waitUntil(lambda: not window.controller.state.busy, timeout=20_000)


def state_of(window, name):
    return window.controller.state.find(name, Kind.MODEL).state


def names(picker):
    return [picker.itemText(row) for row in range(picker.count())]


def test_the_licence_is_shown_beside_the_download_button(window):
    assert "Licence: CC0" in window.details.text()
    assert "accept the licence" in window.details.text()
    assert window.download.isEnabled()
    window.choose("tiny", Kind.MODEL)
    assert not window.download.isEnabled()
    assert not window.remove.isEnabled()
    window.choose("sam_med2d", Kind.MODEL)
    assert not window.download.isEnabled()
    assert "by hand from https://" in window.details.text()


def test_a_download_shows_bytes_and_ends_in_the_list(window, web, press, server, qtbot):
    server.gate.clear()
    press(window.download)
    assert window.bar.isVisible()
    qtbot.waitUntil(lambda: window.controller.state.progress.done > 0)
    assert window.bar.format().endswith(" of 1 MB")
    assert not window.download.isEnabled()
    server.gate.set()
    settle(window, qtbot)
    assert web.path.read_bytes() == CONTENT
    assert state_of(window, "web") is State.DOWNLOADED
    assert "1 MB" in window.folder.text()
    assert not window.bar.isVisible()
    assert window.chosen().name == "web"


def test_a_stopped_download_leaves_no_file_and_goes_on(
    window, web, press, server, qtbot
):
    server.gate.clear()
    press(window.download)
    assert server.half_sent.wait(20)
    qtbot.waitUntil(lambda: web.part.exists() and web.part.stat().st_size > 400_000)
    press(window.stop)
    assert window.status.text() == "Stopped."
    assert window.download.isEnabled()
    server.gate.set()
    press(window.download)
    settle(window, qtbot)
    assert web.path.read_bytes() == CONTENT


def test_a_failed_download_is_told_in_the_window(window, web, press, server, qtbot):
    server.files.clear()
    press(window.download)
    settle(window, qtbot)
    assert "404" in window.status.text()
    assert window.status.text().endswith(str(web.path))
    assert "color" in window.status.styleSheet()
    assert window.download.isEnabled()


def test_removing_waits_for_a_yes(window, web, press, qtbot, monkeypatch):
    press(window.download)
    settle(window, qtbot)
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    press(window.remove)
    assert web.path.exists()
    press(window.remove)
    assert not web.path.exists()
    assert state_of(window, "web") is State.TO_DOWNLOAD


def test_all_downloads_are_removed_at_once(window, web, press, qtbot, monkeypatch):
    press(window.download)
    settle(window, qtbot)
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
    press(window.remove_downloads)
    assert not web.path.exists()
    assert "(0 bytes)" in window.folder.text()


def choose_file(monkeypatch, path, name, images="as its file says", base=NO_BASE):
    """Answer the four dialogs of an import."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, text: (name or text, True))

    def choose(parent, title, label, items, *_):
        chosen = base if "base" in label else images
        assert chosen in items
        return chosen, True

    monkeypatch.setattr(QInputDialog, "getItem", choose)


def choose_export(monkeypatch, path, layout):
    """Answer the two dialogs of an export."""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))

    def choose(parent, title, label, items, *_):
        return next(item for item in items if layout in item), True

    monkeypatch.setattr(QInputDialog, "getItem", choose)


@pytest.fixture
def own_file(tmp_path):
    """A small network with random weights."""
    path = tmp_path / "own.pth"
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return path


def test_an_imported_file_is_listed(window, press, qtbot, monkeypatch, own_file):
    choose_file(monkeypatch, own_file, None)
    press(window.import_file)
    settle(window, qtbot)
    assert state_of(window, "own") is State.IMPORTED
    assert window.status.text() == "Done."


def test_how_images_are_wanted_is_asked_and_kept(
    window, press, qtbot, monkeypatch, own_file
):
    choose_file(monkeypatch, own_file, "mine", "medsam")
    press(window.import_file)
    settle(window, qtbot)
    window.choose("mine", Kind.MODEL)
    assert "Images: medsam" in window.details.text()
    choose_file(monkeypatch, own_file, "other", "efficient-sam")
    press(window.import_file)
    settle(window, qtbot)
    assert "fits own.pth" in window.status.text()
    assert window.controller.state.find("other", Kind.MODEL) is None


def test_a_model_is_exported(window, press, qtbot, monkeypatch, own_file, tmp_path):
    choose_file(monkeypatch, own_file, "mine")
    press(window.import_file)
    settle(window, qtbot)
    window.choose("mine", Kind.MODEL)
    target = tmp_path / "plain.pth"
    choose_export(monkeypatch, target, "segment-anything")
    press(window.export)
    settle(window, qtbot)
    assert window.status.text() == "Done."
    exported, own = torch.load(target), torch.load(own_file)
    assert exported.keys() == own.keys()
    assert all(torch.equal(exported[key], own[key]) for key in own)


def test_an_adapter_is_exported_on_its_model(
    window, press, qtbot, monkeypatch, own_file, tmp_path
):
    choose_file(monkeypatch, own_file, "mine")
    press(window.import_file)
    settle(window, qtbot)
    base = load_checkpoint(own_file)
    adapter, file = SamAdapter(32, 2, published_order=True), tmp_path / "a.safetensors"
    save_adapter(adapter, base.sam, file, "mine", base.sha256)
    choose_file(monkeypatch, file, "adapted")
    press(window.import_file)
    settle(window, qtbot)
    window.choose("adapted", Kind.ADAPTER)
    target = tmp_path / "published.pth"
    choose_export(monkeypatch, target, "SAM-Adapter")
    press(window.export)
    settle(window, qtbot)
    assert window.status.text() == "Done."
    assert load_checkpoint(target).family.name == "sam-adapter"


def test_what_cannot_be_exported_is_told(window, press, qtbot, monkeypatch, tmp_path):
    assert not window.export.isEnabled()  # it is not here yet
    window.choose("tiny", Kind.MODEL)
    target = tmp_path / "tiny.pth"
    choose_export(monkeypatch, target, "segment-anything")
    press(window.export)
    settle(window, qtbot)
    assert "other programs" in window.status.text()
    assert not target.exists()


def test_every_layout_can_be_chosen():
    assert set(LAYOUTS.values()) == set(EXPORTS)


def test_a_published_adapter_is_imported_for_its_base(
    window, press, qtbot, monkeypatch, own_file, tmp_path
):
    choose_file(monkeypatch, own_file, "mine")
    press(window.import_file)
    settle(window, qtbot)
    base = load_checkpoint(own_file)
    adapter = SamAdapter(32, 2, published_order=True)
    published = tmp_path / "published.pth"
    whole = replace(base, adapter=adapter, family=SAM_ADAPTER)
    EXPORTS["sam-adapter"](whole, published, False)
    choose_file(monkeypatch, published, "adapted", base="mine")
    press(window.import_file)
    settle(window, qtbot)
    assert window.status.text() == "Done."
    entry = window.controller.state.find("adapted", Kind.ADAPTER)
    assert read_adapter_header(entry.path).base == "mine"


def test_a_broken_file_is_not_imported(window, press, qtbot, monkeypatch, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no weights")
    choose_file(monkeypatch, path, "notes")
    press(window.import_file)
    settle(window, qtbot)
    assert "another format" in window.status.text()
    assert window.controller.state.find("notes", Kind.MODEL) is None


def test_missing_weights_are_offered_in_the_panel(web, make_scene, press, qtbot):
    scene = make_scene(disks())
    panel = scene.widget.model_panel
    panel.model.setCurrentText("web")
    assert panel.missing.text() == "web is not here yet: 1 MB, licence CC0."
    press(panel.load)
    window = scene.widget.weights_window
    assert window.isVisible()
    assert window.chosen().name == "web"
    press(window.download)
    qtbot.waitUntil(web.path.exists)
    qtbot.waitUntil(panel.missing.isHidden)
    assert scene.loads == []
    press(panel.load)
    scene.settle()
    assert [choice.model for choice in scene.loads] == ["web"]


def test_nothing_is_downloaded_without_consent(web, server):
    with pytest.raises(CheckpointError, match="Get it"):
        load_from_disk(ModelChoice("web"))
    assert server.asked == []


def test_a_removed_model_is_no_longer_chosen(cache, make_scene):
    own = cache / "models" / "mine" / "own.pth"
    own.parent.mkdir(parents=True)
    own.touch()
    scene = make_scene(disks())
    panel = scene.widget.model_panel
    assert "mine" in names(panel.model)
    panel.model.setCurrentText("mine")
    assert scene.state.model.model == "mine"
    own.unlink()
    scene.widget.weights.refresh()
    assert "mine" not in names(panel.model)
    assert scene.state.model.model == "tiny"


def test_a_file_from_disk_stays_chosen_when_the_list_changes(cache, make_scene):
    scene = make_scene(disks())
    panel = scene.widget.model_panel
    panel.model.add_file("/somewhere/friend.pth")
    panel.adapter.add_file("/somewhere/adapter.safetensors")
    own = cache / "models" / "mine" / "own.pth"
    own.parent.mkdir(parents=True)
    own.touch()
    scene.widget.weights.refresh()
    expected = ModelChoice("/somewhere/friend.pth", "/somewhere/adapter.safetensors")
    assert panel.choice() == scene.state.model == expected
    assert names(panel.model)[-3:] == ["mine", "friend.pth", "from file ..."]
    assert names(panel.model)[0] == "tiny"
    assert "works offline" in panel.model.itemData(0, Qt.ItemDataRole.ToolTipRole)


def test_clicks_are_answered_while_a_download_waits(web, make_scene, server, press):
    scene = make_scene(disks())
    server.gate.clear()
    scene.widget.show_weights(web)
    press(scene.widget.weights_window.download)
    assert server.half_sent.wait(20)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(*LEFT_DISK) == 1
    assert scene.widget.weights.state.busy


def test_closing_the_widget_stops_a_download(web, make_scene, server, press, qtbot):
    scene = make_scene(disks())
    server.gate.clear()
    scene.widget.show_weights(web)
    window = scene.widget.weights_window
    press(window.download)
    assert server.half_sent.wait(20)
    scene.viewer.window.remove_dock_widget(scene.widget)
    assert not window.isVisible()
    server.gate.set()
    queue = scene.widget.weights._queue
    qtbot.waitUntil(lambda: queue._worker is None)
    assert not web.path.exists()
