"""Exports and measurements from the widget."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from napari.layers import Image, Layer
from qtpy.QtWidgets import QFileDialog, QMessageBox
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.plugin.image_files import get_reader

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells", scale=(2, 0.5, 0.5), units=("um",) * 3)
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click((LEFT_DISK[0] / 2, LEFT_DISK[1] / 2))
    scene.press("accept")
    scene.click((RIGHT_DISK[0] / 2, RIGHT_DISK[1] / 2))
    return scene


def finish(scene):
    scene.qtbot.waitUntil(lambda: not scene.widget.exports.is_busy, timeout=20_000)


def export(scene, monkeypatch, path, kind=""):
    """Press the button and give the dialog this answer."""
    answer = str(path), kind
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    scene.widget.object_panel.buttons["export"].click()
    finish(scene)


@pytest.mark.parametrize("name", ["out.tif", "out.zarr", "out.nii.gz"])
def test_labels_are_saved_with_scale_and_unit(scene, monkeypatch, tmp_path, name):
    export(scene, monkeypatch, tmp_path / name)
    written = open_image(tmp_path / name)
    np.testing.assert_array_equal(written.data[...], scene.labels)
    assert (written.axes, written.scale) == ("zyx", (2, 0.5, 0.5))
    assert written.units == ("um",) * 3
    assert scene.state.message.text == f"Saved {tmp_path / name}."


def test_annotations_have_the_classes(scene, monkeypatch, tmp_path):
    scene.widget.object_editing.set_class((1,), "nucleus")
    export(scene, monkeypatch, tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    names = [category["name"] for category in content["categories"]]
    assert names == ["nucleus", "object"]
    assert [a["object_id"] for a in content["annotations"]] == [1, 2]


def test_a_name_without_an_end_gets_that_of_its_kind(scene, monkeypatch, tmp_path):
    export(scene, monkeypatch, tmp_path / "out", "COCO annotations (*.json)")
    assert (tmp_path / "out.json").exists()


def test_a_file_that_was_not_named_is_replaced_only_on_demand(
    scene, monkeypatch, tmp_path
):
    there, asked = tmp_path / "out.tif", []
    there.write_text("before")
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]

    def answer(parent, title, question):
        asked.append(question)
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "question", answer)
    export(scene, monkeypatch, tmp_path / "out")
    assert there.read_text() == "before"
    export(scene, monkeypatch, tmp_path / "out")
    assert open_image(there).data.shape == scene.labels.shape
    export(scene, monkeypatch, there)  # the dialog has asked itself
    assert len(asked) == 2


@pytest.mark.parametrize("name", ["b.tif", "exp 1.5", "a/b: c", ""])
def test_the_suggested_name_can_be_taken(make_scene, monkeypatch, tmp_path, name):
    scene = make_scene(disks(), name=name)
    scene.press("use_points")
    scene.click(LEFT_DISK)

    def accept(parent, title, suggested, filters):
        return str(tmp_path / suggested), filters.split(";;")[0]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", accept)
    scene.widget.object_panel.buttons["export"].click()
    finish(scene)
    (written,) = tmp_path.iterdir()
    np.testing.assert_array_equal(open_image(written).data[...], scene.labels)


@pytest.mark.parametrize("name", ["out.tif", "out.zarr", "out.nii.gz", "out.csv"])
def test_an_axis_with_a_unit_of_time_is_time(make_scene, monkeypatch, tmp_path, name):
    units = "min", "um", "um"
    scene = make_scene(stack(), name="movie", scale=(60, 0.5, 0.5), units=units)
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click((LEFT_DISK[0] / 2, LEFT_DISK[1] / 2))
    scene.press("propagate")
    scene.settle()
    assert scene.workspace.session.spacing == (0.5, 0.5, 0.5)
    export(scene, monkeypatch, tmp_path / name)
    if name.endswith(".csv"):
        with (tmp_path / name).open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        pixels = np.count_nonzero(scene.labels[3])
        assert [row["t"] for row in rows] == [str(t) for t in range(1, 7)]
        assert float(rows[0]["area"]) == pytest.approx(pixels / 4)
    else:
        written = open_image(tmp_path / name)
        in_seconds = name.endswith(".gz")
        step, unit = (3600, "s") if in_seconds else (60, "min")
        assert (written.axes, written.scale) == ("tyx", (step, 0.5, 0.5))
        assert written.units == (unit, "um", "um")


def test_an_axis_that_is_called_time_is_time(make_scene, monkeypatch, tmp_path):
    scene = make_scene(stack(), name="movie", axis_labels=("T", "y", "x"))
    scene.press("use_points")
    scene.viewer.dims.set_current_step(0, 3)
    scene.click(LEFT_DISK)
    export(scene, monkeypatch, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        assert [row["t"] for row in csv.DictReader(file)] == ["3"]


def test_a_dialog_that_is_closed_saves_nothing(scene, monkeypatch, tmp_path):
    export(scene, monkeypatch, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/out.tif", "folder to write"),
        ("missing/out.csv", "folder to write"),
        ("missing/out.json", "folder to write"),
        ("out.docx", "file name that ends"),
        ("out.docx", ".json, .csv, got"),
        ("out.png", "2-D"),
    ],
)
def test_what_cannot_be_written_is_told(scene, monkeypatch, tmp_path, name, message):
    export(scene, monkeypatch, tmp_path / name)
    assert scene.state.message.is_error
    assert message in scene.state.message.text
    assert list(tmp_path.iterdir()) == []


def test_what_is_painted_meanwhile_is_not_saved(scene, monkeypatch, tmp_path):
    before = scene.labels.copy()
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "out.tif"), "")
    )
    scene.widget.object_panel.buttons["export"].click()
    scene.press("undo")
    finish(scene)
    assert not np.array_equal(scene.labels, before)
    np.testing.assert_array_equal(open_image(tmp_path / "out.tif").data[...], before)


def test_measurements_become_features_and_a_file(scene, monkeypatch, tmp_path):
    scene.widget.object_editing.rename(1, "left")
    scene.widget.object_panel.buttons["measure"].click()
    finish(scene)
    features = scene.workspace.layers.labels.features
    assert list(features["index"]) == [1, 2]
    assert list(features["name"]) == ["left", ""]
    voxels = np.count_nonzero(scene.labels == 1)
    assert features["volume"][0] == pytest.approx(voxels * 0.5)
    assert features["centroid_y"][0] == pytest.approx(LEFT_DISK[0] / 2)
    assert features["intensity_mean"][0] == 200
    assert scene.state.message.text == (
        "Measured 2 objects: see Layers > Metadata > Features table widget."
    )
    export(scene, monkeypatch, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["object"] for row in rows] == ["1", "2"]
    assert rows[0]["unit"] == "um"


def test_measurements_follow_a_scale_that_is_given_later(scene):
    scene.workspace.image.scale = (4, 1, 1)
    scene.widget.object_panel.buttons["measure"].click()
    finish(scene)
    voxels = np.count_nonzero(scene.labels == 1)
    features = scene.workspace.layers.labels.features
    assert features["volume"][0] == pytest.approx(voxels * 4)


def opened_scan(make_scene, data, source):
    """Return a scene with a layer that napari opened from a file."""

    def open_scan(viewer):
        from napari.layers._source import layer_source

        with layer_source(path=str(source)):
            viewer.add_layer(Image(data, name="scan"))

    scene = make_scene(None, before=open_scan)
    scene.controller.choose_image(scene.viewer.layers["scan"])
    scene.workspace.session.new_object()
    return scene


@pytest.mark.parametrize("has_holes", [False, True], ids=["", "with NaN"])
@pytest.mark.parametrize("turned", [False, True], ids=["z, y, x", "x, y, z"])
def test_nifti_keeps_the_affine_of_the_file(
    make_scene, monkeypatch, tmp_path, turned, has_holes
):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[-1, 0, 0, 7], [0, -1, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    source = tmp_path / "scan.nii.gz"
    pixels = stack().astype(np.float32) if has_holes else stack()
    pixels[:, :2] = np.nan if has_holes else 0
    nibabel.save(nibabel.Nifti1Image(pixels.T, affine), source)
    data = pixels.T.copy() if turned else pixels
    scene = opened_scan(make_scene, data, source)
    scene.labels[...] = data == 200
    export(scene, monkeypatch, tmp_path / "out.nii.gz")
    written = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_allclose(written.affine, affine)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, stack() == 200)


class ReadPlaneByPlane:
    """Notes what is read; may fail, as a disk on the network does."""

    dtype, ndim = np.dtype(np.uint8), 3

    def __init__(self, data):
        self.data, self.shape = data, data.shape
        self.is_noted = self.is_gone = False
        self.most = 0

    def __getitem__(self, key):
        if self.is_gone:
            raise OSError("the drive is gone")
        part = self.data[key]
        if self.is_noted:
            self.most = max(self.most, part.size)
        return part

    def __array__(self, dtype=None, copy=None):
        return self[...]


def test_a_slice_of_a_large_image_tells_how_it_lies_in_its_file(
    make_scene, monkeypatch, tmp_path
):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[-1, 0, 0, 7], [0, -1, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    source = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(stack().T, affine), source)
    data = ReadPlaneByPlane(stack().T)
    scene = opened_scan(make_scene, data, source)
    data.is_noted = True
    export(scene, monkeypatch, tmp_path / "out.nii.gz")
    np.testing.assert_allclose(nibabel.load(tmp_path / "out.nii.gz").affine, affine)
    assert data.most <= stack()[0].size
    data.is_gone = True
    export(scene, monkeypatch, tmp_path / "again.nii.gz")
    assert scene.state.message.is_error
    assert "the drive is gone" in scene.state.message.text
    assert not (tmp_path / "again.nii.gz").exists()


@pytest.mark.parametrize("way", ["series", "file"])
def test_an_opened_nifti_keeps_its_affine(make_scene, monkeypatch, tmp_path, way):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[0, -1, 0, 7], [1, 0, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    source = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(stack().T, affine), source)
    scene = make_scene(None)
    if way == "series":
        scene.widget.series.open_folder(tmp_path)
        scene.qtbot.waitUntil(lambda: bool(scene.viewer.layers))
    else:
        assert get_reader([str(source), "scan.tif"]) is get_reader("scan.tif") is None
        for data in get_reader(str(source))(str(source)):
            scene.viewer.add_layer(Layer.create(*data))
    assert scene.viewer.layers[0].axis_labels == ("z", "y", "x")
    scene.workspace.session.new_object()
    scene.labels[...] = stack() == 200
    export(scene, monkeypatch, tmp_path / "out.nii.gz")
    written = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_allclose(written.affine, affine)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, stack() == 200)


def test_a_nifti_whose_file_is_gone_is_told_and_nothing_is_written(
    make_scene, monkeypatch, tmp_path
):
    nibabel = pytest.importorskip("nibabel")
    source = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(stack().T, np.eye(4)), source)
    scene = make_scene(None)
    for data in get_reader(str(source))(str(source)):
        scene.viewer.add_layer(Layer.create(*data))
    source.unlink()
    scene.workspace.session.new_object()
    export(scene, monkeypatch, tmp_path / "out.nii.gz")
    assert "position of the labels in space" in scene.state.message.text
    assert not (tmp_path / "out.nii.gz").exists()


class UnreadableLabels(np.ndarray):
    """Lie on a disk that is gone."""

    def copy(self, order="C"):
        raise OSError("the drive is gone")


def test_labels_that_cannot_be_copied_do_not_keep_it_busy(make_scene, tmp_path):
    scene = make_scene(None)
    labels = np.zeros((64, 80), np.int32).view(UnreadableLabels)
    image = Image(disks())
    scene.controller.workspaces.starting_labels[image] = labels
    scene.viewer.add_layer(image)
    assert scene.labels is labels
    with scene.qtbot.capture_exceptions() as errors:
        scene.widget.exports.save(tmp_path / "out.tif")
        finish(scene)
    assert [str(error) for _, error, _ in errors] == ["the drive is gone"]
    assert not scene.workspace.session._document.recordings


def test_an_edit_right_after_the_command_is_not_in_the_file(
    scene, monkeypatch, tmp_path
):
    before = scene.labels.copy()
    scene.widget.exports.save(tmp_path / "out.tif")
    scene.widget.object_editing.delete()
    assert not np.array_equal(scene.labels, before)
    finish(scene)
    written = open_image(tmp_path / "out.tif")
    np.testing.assert_array_equal(written.data[...], before)


def test_a_stroke_under_way_is_not_measured(scene):
    layer, before = scene.workspace.layers.labels, scene.labels.copy()
    scene.viewer.layers.selection.active = layer
    layer.mode, layer.brush_size = "paint", 6
    queue = scene.widget.exports._queue

    def measure():
        scene.widget.object_panel.buttons["measure"].click()
        scene.qtbot.waitUntil(lambda: not queue.jobs)
        assert not np.array_equal(scene.labels, before)

    row, column = np.divide(BETWEEN, 2)
    mouse.drag(scene.viewer, (row, column), (row, column + 4), measure)
    finish(scene)
    voxels = [np.count_nonzero(before == object_id) for object_id in (1, 2)]
    assert list(layer.features["voxels"]) == voxels
    assert scene.state.message.text.startswith("Measured 2 objects")


def test_a_file_without_all_objects_says_so(make_scene, monkeypatch, tmp_path):
    scene = make_scene(disks(), name="cells")
    export(scene, monkeypatch, tmp_path / "out.tif")
    assert scene.state.message.text.endswith("It holds no object: none has a mask yet.")
    scene.press("use_points")
    scene.click(LEFT_DISK)
    export(scene, monkeypatch, tmp_path / "one.tif")
    assert scene.state.message.text == f"Saved {tmp_path / 'one.tif'}."
    scene.workspace.session.new_object()
    export(scene, monkeypatch, tmp_path / "out.csv")
    told = scene.state.message.text
    assert told.endswith("Object 2 is not in it: it has no mask yet.")
