from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack
from tests.plugin.test_manifest import MANIFEST

from napari_sam_adapter.plugin.session_menu import open_session, save_session
from napari_sam_adapter.plugin.sessions.session_saving import NewSession
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import SavableSession
from napari_sam_adapter.volume.saving.session_folder import (
    open_session as saved_session,
)

pytestmark = pytest.mark.slow

IMAGE = stack()


def start(make_scene, image=IMAGE, predictor=None):
    scene = make_scene(image, name="cells", predictor=predictor)
    if image.ndim == 3:
        scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    wait_for_header(scene)
    return scene


def wait_for_header(scene):
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)


def end(scene):
    """Close the widget, as with its window; the scene's viewer stays."""
    scene.viewer.window.remove_dock_widget(scene.widget)


@pytest.fixture
def scene(make_scene):
    return start(make_scene)


def offer(scene):
    return scene.widget.safekeeping.state.offer


def press_restore(scene):
    scene.widget.session_panel.bar.restore.click()
    scene.settle()


def test_nothing_is_written_before_the_first_edit(scene, autosaves):
    assert not autosaves.exists()
    assert not offer(scene)
    scene.click(LEFT_DISK)
    assert len(list(autosaves.glob("*.jsonl"))) == 1


def test_every_edit_is_in_the_file_at_once(scene, autosaves):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "K")
    scene.click(RIGHT_DISK)
    scene.press("undo")
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, IMAGE, scene.predictor)
    assert np.array_equal(again.labels, scene.labels)
    assert again.can_redo


def test_a_closed_session_is_offered_and_goes_on(scene, make_scene, autosaves):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "N")
    scene.click(RIGHT_DISK)
    labels = scene.labels.copy()
    end(scene)
    later = start(make_scene)
    assert "left without being saved" in later.widget.session_panel.bar.text.text()
    assert not later.widget.session_panel.bar.isHidden()
    assert not later.labels.any()
    press_restore(later)
    assert np.array_equal(later.labels, labels)
    assert later.workspace.layers.labels.data is later.labels
    assert "Restored: 2 objects" in later.state.message.text
    assert later.widget.object_panel.table.model().rowCount() == 2
    assert len(later.workspace.layers.points.data) == 1
    assert later.widget.session_panel.bar.isHidden()
    later.press("undo")
    assert later.value(3, *RIGHT_DISK) == 0
    later.press("redo")
    later.click((46, 62))
    end(later)
    (path,) = autosaves.glob("*.jsonl")
    assert np.array_equal(
        replay(path, IMAGE, scene.predictor).labels, later_labels(later)
    )


def later_labels(scene):
    return scene.viewer.layers["cells masks"].data


def test_a_discarded_session_is_gone(scene, make_scene, autosaves):
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    later.widget.session_panel.bar.discard.click()
    assert not offer(later)
    assert list(autosaves.iterdir()) == []


def test_a_session_discarded_while_it_is_restored_stays_away(
    scene, make_scene, autosaves
):
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    later.widget.session_panel.bar.restore.click()
    later.widget.session_panel.bar.discard.click()
    later.settle()
    assert "discarded" in later.state.message.text
    assert not later.labels.any()
    assert list(autosaves.iterdir()) == []
    later.click(RIGHT_DISK)
    assert len(list(autosaves.glob("*.jsonl"))) == 1


def test_a_session_in_another_window_is_not_offered(scene, make_scene):
    scene.click(LEFT_DISK)
    assert not offer(start(make_scene))


def test_sessions_of_other_images_are_not_offered(scene, make_scene):
    scene.click(LEFT_DISK)
    end(scene)
    assert not offer(start(make_scene, stack(first=5)))
    assert not offer(start(make_scene, disks()))


def test_edits_made_instead_of_restoring_are_kept_too(scene, make_scene):
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    later.click(RIGHT_DISK)
    press_restore(later)
    assert later.value(3, *LEFT_DISK) == 1
    end(later)
    last = start(make_scene)
    assert "1 more" in offer(last)


def test_edits_during_a_restore_are_not_lost(scene, make_scene):
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    later.predictor.gate.clear()
    asked = later.predictor.asked
    later.widget.session_panel.bar.restore.click()
    later.qtbot.waitUntil(lambda: later.predictor.asked > asked)
    mouse.click(later.viewer, RIGHT_DISK)
    later.predictor.gate.set()
    later.settle()
    later.qtbot.waitUntil(lambda: later.value(3, *RIGHT_DISK) == 1)
    assert later.value(3, *LEFT_DISK) == 0
    assert offer(later)


def test_a_stopped_restore_says_how_far_it_came(scene, make_scene):
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    later.predictor.gate.clear()
    later.widget.session_panel.bar.restore.click()
    later.qtbot.waitUntil(lambda: later.state.progress.done == 2)
    later.press("stop")
    later.predictor.gate.set()
    assert later.state.message.text == (
        "Stopped after 2 of 3 edits. The other session is not opened."
    )
    assert offer(later)
    assert not later.labels.any()


def test_a_removed_image_leaves_its_session_behind(scene, autosaves):
    scene.click(LEFT_DISK)
    scene.viewer.layers.remove("cells")
    assert not scene.widget.session_panel.save.isEnabled()
    scene.viewer.add_image(IMAGE, name="cells again")
    wait_for_header(scene)
    press_restore(scene)
    assert scene.value(3, *LEFT_DISK) == 1


def save_as(scene, path):
    scene.widget.safekeeping.save(path)
    wait_for_header(scene)


def test_a_saved_session_opens_with_its_history(scene, make_scene, tmp_path, autosaves):
    scene.click(LEFT_DISK)
    labels = scene.labels.copy()
    save_as(scene, tmp_path / "cells.session")
    assert "Saved" in scene.state.message.text
    end(scene)
    assert list(autosaves.iterdir()) == []
    later = start(make_scene)
    assert not offer(later)
    later.widget.safekeeping.open(tmp_path / "cells.session")
    later.settle()
    assert later.loads == []
    assert np.array_equal(later.labels, labels)
    assert len(later.workspace.layers.points.data) == 1
    later.click(RIGHT_DISK)
    assert later.value(3, *LEFT_DISK) == later.value(3, *RIGHT_DISK) == 1
    later.press("undo")
    later.press("undo")
    assert not later.labels.any()


def test_an_edit_after_saving_is_autosaved(scene, make_scene, tmp_path):
    scene.click(LEFT_DISK)
    save_as(scene, tmp_path / "cells.session")
    mouse.press_key(scene.viewer, "K")
    end(scene)
    assert offer(start(make_scene))


def test_saving_again_replaces_only_the_own_session(scene, tmp_path):
    path, other = tmp_path / "cells.session", tmp_path / "other.session"
    scene.click(LEFT_DISK)
    save_as(scene, path)
    scene.click(RIGHT_DISK)
    save_as(scene, path)
    assert not scene.state.message.is_error
    (other).mkdir()
    save_as(scene, other)
    assert scene.state.message.is_error
    assert not list(other.iterdir())
    assert sorted(p.name for p in tmp_path.glob("*session")) == [path.name, other.name]


def remove_image(scene):
    scene.viewer.layers.remove("cells")


@pytest.mark.parametrize("leave", [remove_image, end])
def test_a_save_that_is_cut_off_leaves_nothing_and_is_told(scene, tmp_path, leave):
    scene.click(LEFT_DISK)
    told = []
    scene.state.events.message.connect(told.append)
    scene.widget.safekeeping.save(tmp_path / "cells.session")
    scene.workspace.session.under_way.begin(iter("12"))  # it waits for its name
    wait_for_header(scene)
    assert len(list(tmp_path.iterdir())) == 1
    leave(scene)
    assert not list(tmp_path.iterdir())
    (error,) = [message.text for message in told if message.is_error]
    assert "cells.session" in error
    assert "Restore" in error


def test_a_second_save_that_is_cut_off_says_where_all_of_it_is(scene, tmp_path):
    scene.click(LEFT_DISK)
    scene.widget.safekeeping.save(tmp_path / "first.session")
    scene.qtbot.waitUntil(lambda: (tmp_path / "first.session").exists())
    told = []
    scene.state.events.message.connect(told.append)
    scene.widget.safekeeping.save(tmp_path / "second.session")
    remove_image(scene)
    (error,) = [message.text for message in told if message.is_error]
    assert "All of it is in first.session" in error


def test_a_session_on_its_way_to_the_disk_goes_with_its_image(scene, tmp_path):
    scene.click(LEFT_DISK)
    scene.widget.safekeeping.save(tmp_path / "cells.session")
    remove_image(scene)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert not list(tmp_path.iterdir())


def test_a_session_that_nobody_waits_for_any_more_is_removed(scene, tmp_path):
    scene.click(LEFT_DISK)
    session = SavableSession.of(scene.workspace.session)
    early, late = (NewSession(tmp_path / "cells.session", 1) for _ in range(2))
    early.discard()
    for new in (early, late):
        new.write(session)
    assert len(list(tmp_path.iterdir())) == 1
    late.discard()
    assert not list(tmp_path.iterdir())


def test_a_session_of_another_image_is_refused(scene, make_scene, tmp_path):
    scene.click(LEFT_DISK)
    save_as(scene, tmp_path / "cells.session")
    other = start(make_scene, disks())
    other.widget.safekeeping.open(tmp_path / "cells.session")
    other.settle()
    assert "Expected the image" in other.state.message.text
    assert not other.labels.any()


def test_the_methods_sentence_is_copied(scene):
    scene.click(LEFT_DISK)
    scene.widget.session_panel.methods.click()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("1 object was segmented with napari-sam-adapter")


def test_a_folder_that_cannot_be_written_is_told_once(make_scene, autosaves):
    autosaves.write_text("no folder")
    scene = start(make_scene)
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    scene.click(RIGHT_DISK)
    assert not scene.state.message.is_error


def dialog_of(scene):
    return scene.widget.session_panel.findChild(QFileDialog)


def open_saved(scene, path):
    scene.widget.safekeeping.open(path)
    scene.settle()


def test_opening_a_session_keeps_what_was_not_saved_at_hand(
    scene, make_scene, tmp_path, autosaves
):
    scene.click(LEFT_DISK)
    save_as(scene, tmp_path / "left.session")
    scene.press("undo")
    scene.click(RIGHT_DISK)
    open_saved(scene, tmp_path / "left.session")
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.state.message.text == (
        "Opened left.session: 1 object. What was here before was not saved: Restore "
        "brings it back."
    )
    assert offer(scene)
    press_restore(scene)
    assert scene.value(3, *RIGHT_DISK) == 1
    assert scene.state.message.text == "Restored: 1 object."
    assert not offer(scene)
    end(scene)
    assert len(list(autosaves.glob("*.jsonl"))) == 1
    assert "more" not in offer(start(make_scene))


def test_what_the_disk_does_not_take_is_not_given_up(
    scene, make_scene, tmp_path, autosaves
):
    scene.click(LEFT_DISK)
    save_as(scene, tmp_path / "left.session")
    end(scene)
    autosaves.rmdir()
    autosaves.write_text("no folder")
    later = start(make_scene)
    later.click(RIGHT_DISK)
    open_saved(later, tmp_path / "left.session")
    assert "Press Save ... first" in later.state.message.text
    assert later.value(3, *RIGHT_DISK) == 1


@pytest.mark.parametrize("way", ["open", "restore"])
def test_a_session_shows_the_slice_of_its_last_edit(scene, make_scene, tmp_path, way):
    scene.click(LEFT_DISK)
    scene.viewer.dims.set_current_step(0, 5)
    scene.click(RIGHT_DISK)
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("propagate")
    scene.settle()
    if way == "open":
        save_as(scene, tmp_path / "cells.session")
    end(scene)
    later = start(make_scene)
    centre = later.viewer.scene.camera.center
    if way == "open":
        open_saved(later, tmp_path / "cells.session")
    else:
        press_restore(later)
    assert later.viewer.dims.current_step[0] == 5
    assert later.viewer.scene.camera.center == centre
    assert later.state.message.text.endswith("You see the slice of the last edit.")


def test_a_widget_closed_as_a_session_opens_leaves_its_masks(
    scene, make_scene, tmp_path
):
    scene.click(LEFT_DISK)
    save_as(scene, tmp_path / "cells.session")
    end(scene)
    later = start(make_scene)
    layer = later.workspace.layers.labels

    def close():
        if "Opened" in later.state.message.text:
            QTimer.singleShot(0, lambda: end(later))  # before the masks are shown

    later.state.events.message.connect(close)
    later.widget.safekeeping.open(tmp_path / "cells.session")
    later.qtbot.waitUntil(lambda: later.controller.workspace is None)
    later.settle()
    assert layer.data[3][LEFT_DISK]
    assert np.array_equal(layer._slice.image.raw, layer.data[3])


def test_a_restored_session_has_nothing_more_to_show(scene, make_scene):
    scene.click(LEFT_DISK)
    end(scene)
    later = start(make_scene)
    press_restore(later)
    assert later.labels.any()
    assert later.workspace.session.written.take() is None


def test_menu_entries_ask_and_act(scene, tmp_path):
    scene.click(LEFT_DISK)
    save_session(scene.viewer)
    dialog_of(scene).fileSelected.emit(str(tmp_path / "menu.session"))
    dialog_of(scene).reject()
    wait_for_header(scene)
    scene.press("undo")
    scene.qtbot.waitUntil(lambda: dialog_of(scene) is None)
    open_session(scene.viewer)
    dialog_of(scene).fileSelected.emit(str(tmp_path / "menu.session"))
    dialog_of(scene).reject()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 1


def test_a_session_is_saved_again_under_the_name_that_is_proposed(scene, tmp_path):
    saved = tmp_path / "mine.session"
    for count, point in enumerate((LEFT_DISK, RIGHT_DISK), start=1):
        scene.press("next_object")
        scene.click(point)
        save_session(scene.viewer)
        dialog = dialog_of(scene)
        if count == 1:
            dialog.setDirectory(str(tmp_path))
            dialog.selectFile(saved.name)
        dialog.accept()
        scene.qtbot.waitUntil(lambda: dialog_of(scene) is None)
        scene.qtbot.waitUntil(lambda: "Saved as" in scene.state.message.text)
        assert [path.name for path in tmp_path.glob("**/*.session")] == [saved.name]
        image = scene.workspace.volume
        assert len(saved_session(saved, image).object_ids) == count


def test_menu_entries_are_under_file():
    menus = PluginManifest.from_file(MANIFEST).contributions.menus
    commands = {item.command for item in menus["napari/file/io_utilities"]}
    assert commands == {
        "napari-sam-adapter.save_session",
        "napari-sam-adapter.open_session",
    }
