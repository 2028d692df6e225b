"""Measure the images of a series into one table, by the button in the window."""

from __future__ import annotations

import csv

import pytest
from qtpy.QtWidgets import QFileDialog
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.image_io.files.opening import save_labels
from napari_sam_adapter.image_io.series.entries import SeriesEntry
from napari_sam_adapter.plugin.sessions.series_measuring import measuring_steps
from napari_sam_adapter.plugin.state import Phase, Progress

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """Three images, of which the second and the third have labels."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.tif", "c.tif"):
        save_labels(folder / name, disks())
    for name in ("b_labels.tif", "c_labels.tif"):
        save_labels(folder / name, 3 * (disks() > 0))
    return folder


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The file that is chosen in the dialog, without a suffix."""
    chosen = tmp_path / "objects"
    answer = str(chosen), "Measurements (*.csv)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    return chosen.with_name("objects.csv")


@pytest.fixture
def scene(make_scene, folder, monkeypatch):
    """A window in which the folder was just opened, with points in hand."""
    scene = make_scene(None)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    scene.widget.series_panel.folder.click()
    wait_idle(scene)
    scene.press("use_points")
    return scene


@pytest.fixture
def volumes(make_scene, tmp_path, monkeypatch):
    """A window with a series of stacks, in the first of which is an object."""
    folder = tmp_path / "volumes"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        save_labels(folder / name, stack())
    scene = make_scene(None)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    scene.widget.series_panel.folder.click()
    wait_idle(scene)
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    return scene


def when_measuring(scene, act):
    """Do something as soon as the series is being measured."""

    def on_change(is_measuring):
        if is_measuring:
            act()

    scene.state.events.is_measuring.connect(on_change)


def measure_to_the_end(scene):
    panel = scene.widget.series_panel
    panel.measure.click()
    scene.qtbot.waitUntil(lambda: is_still(scene))


def is_still(scene):
    return not (scene.widget.series.is_busy or scene.state.is_measuring)


def wait_idle(scene):
    scene.qtbot.waitUntil(lambda: not scene.widget.series.is_busy, timeout=10_000)
    scene.settle()


def measure(scene, ending):
    scene.widget.series_panel.measure.click()
    scene.qtbot.waitUntil(lambda: ending in scene.state.message.text, timeout=10_000)
    scene.qtbot.waitUntil(lambda: not scene.state.is_measuring)


def rows_of(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_all_labelled_images_are_measured_into_one_table(scene, table):
    measure(scene, "1 without labels")
    assert [(row["image"], row["object"]) for row in rows_of(table)] == [
        ("b.tif", "3"),
        ("c.tif", "3"),
    ]
    assert scene.state.message.text == (
        f"Measured 2 objects of 2 images, passed over 1 without labels: see {table}."
    )
    assert scene.state.progress == Progress()


def test_the_open_image_is_measured_as_it_is_now(scene, table):
    scene.click(LEFT_DISK)
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    measure(scene, "Measured 4 objects of 3 images")
    mine = [row for row in rows_of(table) if row["image"] == "a.png"]
    assert [row["object"] for row in mine] == ["1", "2"]
    assert int(mine[0]["voxels"]) == (scene.labels == 1).sum()
    assert scene.value(*RIGHT_DISK) == 2


def test_an_image_that_cannot_be_used_is_told_once_and_passed_over(
    scene, table, folder, monkeypatch
):
    (folder / "b_labels.tif").write_bytes(b"II*\0broken")
    told = []
    monkeypatch.setattr("napari_sam_adapter.plugin.controller.show_error", told.append)
    measure(scene, "1 that cannot be used")
    assert [text.partition(" ")[0] for text in told] == ["b.tif"]
    assert [row["image"] for row in rows_of(table)] == ["c.tif"]


def test_nothing_is_written_where_nothing_is_labelled(scene, table, folder):
    for name in ("b_labels.tif", "c_labels.tif"):
        (folder / name).unlink()
    measure(scene, "Expected a series with labels to measure, got 3 images")
    assert scene.state.message.is_error
    assert not table.exists()


def test_a_table_that_the_dialog_did_not_ask_about_stays(scene, table):
    table.write_text("mine")
    measure(scene, "Expected a new file")
    assert table.read_text() == "mine"


def test_stop_leaves_no_table(scene, table):
    states = []
    stop = scene.widget.activity_panel.stop

    def on_progress(progress):
        if progress.total == 2 and not states:
            states.append(stop.isEnabled())
            stop.click()

    scene.state.events.measured.connect(on_progress)
    scene.widget.series_panel.measure.click()
    ending = "No table was written."
    scene.qtbot.waitUntil(lambda: ending in scene.state.message.text, timeout=10_000)
    assert states == [True]
    assert not scene.state.is_measuring
    assert not table.exists()
    measure(scene, "Measured 2 objects")


def test_stop_ends_a_propagation_that_began_later_and_measuring_goes_on(volumes, table):
    phases = []

    def follow_and_stop():
        volumes.predictor.gate.clear()
        volumes.press("propagate")
        phases.append(volumes.state.phase)
        volumes.press("stop")
        phases.append(volumes.state.phase)
        volumes.predictor.gate.set()

    when_measuring(volumes, follow_and_stop)
    measure_to_the_end(volumes)
    assert phases == [Phase.PROPAGATING, Phase.READY]
    assert [row["image"] for row in rows_of(table)] == ["a.tif"]


def test_stop_ends_measuring_that_began_later_and_a_propagation_goes_on(volumes, table):
    volumes.predictor.gate.clear()
    volumes.press("propagate")
    when_measuring(volumes, lambda: volumes.press("stop"))
    volumes.widget.series_panel.measure.click()
    assert not volumes.state.is_measuring
    assert volumes.state.message.text == "Stopped. No table was written."
    assert volumes.state.phase is Phase.PROPAGATING
    volumes.predictor.gate.set()
    wait_idle(volumes)
    assert volumes.value(5, *LEFT_DISK) == 1
    assert not table.exists()


def test_the_bar_tells_of_a_propagation_as_long_as_there_is_one(volumes, table):
    bar, told = volumes.widget.activity_panel.bar, []
    volumes.predictor.gate.clear()
    volumes.press("propagate")
    volumes.qtbot.waitUntil(lambda: "slices" in bar.format())
    volumes.state.events.connect(lambda *_: told.append(bar.format()))
    measure_to_the_end(volumes)
    assert all("slices" in text for text in told)
    assert "slices" in bar.format()
    assert table.exists()


def test_the_bar_tells_of_measuring_where_nothing_else_runs(scene, table):
    bar, told = scene.widget.activity_panel.bar, []
    scene.state.events.connect(lambda *_: told.append(bar.format()))
    measure_to_the_end(scene)
    assert any("images" in text for text in told)
    assert not bar.isTextVisible()


def test_while_labels_are_saved_it_says_so_and_can_be_stopped(volumes, table):
    told, panels = [], (volumes.widget.annotation_panel, volumes.widget.activity_panel)

    def stop():
        told.append(volumes.state.message.text)
        told.extend([panels[0].buttons["stop"].isEnabled(), panels[1].stop.isEnabled()])
        told.append(volumes.widget.series_panel.measure.isEnabled())
        panels[1].stop.click()

    when_measuring(volumes, stop)
    volumes.widget.series_panel.measure.click()
    assert told == ["Saving the labels ...", True, True, False]
    wait_idle(volumes)
    assert volumes.state.message.text == "Stopped. No table was written."
    assert not table.exists()
    assert volumes.widget.series_panel.measure.isEnabled()


def test_labels_that_nobody_edited_are_not_written(scene, table, folder):
    mouse.press_key(scene.viewer, "PageDown")
    wait_idle(scene)
    labels = folder / "b_labels.tif"
    before = labels.stat()
    measure(scene, "Measured 2 objects")
    assert labels.stat().st_ino == before.st_ino
    assert labels.stat().st_mtime_ns == before.st_mtime_ns
    scene.click(LEFT_DISK)
    measure(scene, "Expected a new file")  # the table
    table.unlink()
    measure(scene, "Measured")
    saved = labels.stat().st_mtime_ns
    assert saved > before.st_mtime_ns
    table.unlink()
    measure(scene, "Measured")
    assert labels.stat().st_mtime_ns == saved


def test_masks_of_a_running_propagation_are_written(volumes, table):
    measure(volumes, "Measured 1 object")
    table.unlink()
    labels = table.with_name("volumes") / "a_labels.tif"
    before = labels.stat().st_mtime_ns
    volumes.predictor.gate.clear()
    volumes.press("propagate")
    measure(volumes, "Measured 1 object")
    assert labels.stat().st_mtime_ns > before


def test_labels_that_cannot_be_saved_are_told_with_what_that_means(
    scene, table, folder
):
    scene.click(LEFT_DISK)
    (folder / "a_labels.png").mkdir()
    measure(scene, "Nothing was measured.")
    assert scene.state.message.is_error
    assert not table.exists()
    assert scene.widget.series_panel.measure.isEnabled()


def test_images_of_one_name_are_told_apart_by_their_folders(tmp_path):
    entries = []
    for place in ("one/a.tif", "two/a.tif", "b.tif"):
        entries.append(SeriesEntry(tmp_path / place))
        entries[-1].path.parent.mkdir(exist_ok=True)
        save_labels(entries[-1].path, disks())
        save_labels(entries[-1].labels_path, disks() > 100)
    list(measuring_steps(entries, tmp_path / "objects.csv"))
    names = [row["image"] for row in rows_of(tmp_path / "objects.csv")]
    assert names == ["one/a.tif", "two/a.tif", "b.tif"]


def test_pages_are_turned_meanwhile(scene, table):
    turned = []

    def on_progress(progress):
        if progress.total == 2 and not turned:
            turned.append(True)
            mouse.press_key(scene.viewer, "PageDown")

    scene.state.events.measured.connect(on_progress)
    scene.widget.series_panel.measure.click()
    scene.qtbot.waitUntil(table.exists, timeout=10_000)
    wait_idle(scene)
    assert scene.widget.series.series.position == 1


def test_the_button_waits_for_a_series(make_scene):
    scene = make_scene(disks())
    assert not scene.widget.series_panel.measure.isEnabled()


def test_several_channels_are_passed_over_with_a_way_out(folder, tmp_path):
    import tifffile

    channels = folder / "d.ome.tif"
    tifffile.imwrite(channels, [disks()] * 2, metadata={"axes": "CYX"})
    save_labels(SeriesEntry(channels).labels_path, disks() > 0)
    entries = [SeriesEntry(channels), SeriesEntry(folder / "b.tif")]
    steps = list(measuring_steps(entries, tmp_path / "objects.csv"))
    (problem,) = [step for step in steps if isinstance(step, Exception)]
    assert "d.ome.tif is passed over" in str(problem)
    assert "--channel" in str(problem)
    assert steps[-1].refused == 1
