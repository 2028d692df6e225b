"""DICOM series as layers, and their labels back in the patient."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QFileDialog
from tests.dicom_files import (
    CORNER,
    GAP,
    SPACING,
    ct_slices,
    hounsfield,
    save,
    save_ct,
)

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.plugin.image_files import get_reader, path_of

WINDOW = {"WindowCenter": 40, "WindowWidth": 400}


def open_files(scene, paths):
    """Open files one after the other, as napari does for a choice of several."""
    for path in map(str, paths):
        for data in get_reader(path)(path):
            if data[0] is not None:
                scene.viewer.add_layer(Layer.create(*data))


def test_all_files_of_a_series_are_one_layer(make_scene, tmp_path):
    values = hounsfield()
    save_ct(tmp_path / "scan", values, **WINDOW)
    scene = make_scene(None)
    open_files(scene, sorted((tmp_path / "scan").iterdir()))
    (layer,) = scene.viewer.layers
    np.testing.assert_array_equal(layer.data, values)
    assert (layer.name, tuple(layer.scale)) == ("scan", (GAP, *SPACING))
    assert layer.axis_labels == ("z", "y", "x")
    assert tuple(layer.contrast_limits) == (-160, 240)
    assert "IM0003.dcm belongs to scan" in scene.viewer.status
    scene.viewer.layers.clear()
    open_files(scene, [tmp_path / "scan" / "IM0003.dcm"])
    assert len(scene.viewer.layers) == 1


def test_files_of_series_chosen_as_a_stack_are_a_layer_for_each(make_scene, tmp_path):
    values = hounsfield()
    for i in range(2):
        for found in ct_slices(values + i, SeriesInstanceUID=f"1.{i}"):
            save(found, tmp_path / f"{i}{found.InstanceNumber}.dcm")
    scene = make_scene(None)
    paths = sorted(map(str, tmp_path.iterdir()))
    scene.viewer.open(paths[:4], stack=True, plugin="napari-sam-adapter")
    (layer,) = scene.viewer.layers
    np.testing.assert_array_equal(layer.data, values)
    scene.viewer.open(paths, stack=True, plugin="napari-sam-adapter")
    np.testing.assert_array_equal(scene.viewer.layers[1].data, values + 1)
    assert [path_of(one).name for one in scene.viewer.layers] == ["01.dcm", "11.dcm"]
    assert len(scene.viewer.open(paths, stack=True, plugin="napari-sam-adapter")) == 0


def test_several_series_opened_as_one_stack_know_their_files(make_scene, tmp_path):
    for i in range(2):
        for found in ct_slices(hounsfield(), SeriesInstanceUID=f"1.{i}"):
            save(found, tmp_path / f"{i}{found.InstanceNumber}.dcm")
    scene = make_scene(None)
    paths = sorted(map(str, tmp_path.iterdir()))
    scene.viewer.open(paths, stack=True, plugin="napari-sam-adapter")
    assert [path_of(one).name for one in scene.viewer.layers] == ["01.dcm", "11.dcm"]


def test_a_stack_from_two_folders_is_a_layer_for_each(make_scene, tmp_path):
    values = hounsfield()
    for i, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        for found in list(ct_slices(values))[2 * i : 2 * i + 2]:
            save(found, tmp_path / folder / f"{found.InstanceNumber}.dcm")
    scene = make_scene(None)
    paths = sorted(map(str, tmp_path.glob("*/*.dcm")))
    scene.viewer.open(paths, stack=True, plugin="napari-sam-adapter")
    seen = [layer.data for layer in scene.viewer.layers]
    np.testing.assert_array_equal(np.concatenate(seen), values)


def test_nifti_files_are_no_stack(make_scene, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    paths = [str(tmp_path / f"{name}.nii") for name in "ab"]
    for path in paths:
        nibabel.save(nibabel.Nifti1Image(hounsfield().T, np.eye(4)), path)
    scene = make_scene(None)
    with pytest.raises(ImageError, match=r"a\.nii.*Open File"):
        scene.viewer.open(paths, stack=True, plugin="napari-sam-adapter")
    scene.viewer.open(paths[:1], stack=True, plugin="napari-sam-adapter")
    scene.viewer.open(paths[1:], stack=False, plugin="napari-sam-adapter")
    assert len(scene.viewer.layers) == 2


@pytest.mark.parametrize("way", ["file", "folder"])
def test_labels_of_a_series_lie_in_the_patient(make_scene, tmp_path, way):
    nibabel = pytest.importorskip("nibabel")
    values = hounsfield()
    scan = save_ct(tmp_path / "scan", values)
    scene = make_scene(None)
    if way == "file":
        open_files(scene, [scan / "IM0000.dcm"])
    else:
        scene.widget.series.open_folder(scan)
        scene.qtbot.waitUntil(lambda: bool(scene.viewer.layers))
    scene.workspace.session.new_object()
    scene.labels[...] = values > 1000
    scene.widget.exports.save(tmp_path / "out.nii.gz")
    scene.qtbot.waitUntil(lambda: not scene.widget.exports.is_busy, timeout=20_000)
    written = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, values > 1000)
    np.testing.assert_allclose(written.affine[:3, 3], CORNER * (-1, -1, 1))


def test_a_missing_slice_is_told_where_a_series_is_opened(make_scene, tmp_path):
    for found in ct_slices(hounsfield(6)):
        if found.InstanceNumber != 3:
            save(found, tmp_path / f"{found.InstanceNumber}.dcm")
    scene = make_scene(None)
    open_files(scene, [tmp_path / "1.dcm"])
    assert "1 and 2 are 4 mm" in notification_manager.records[-1].message
    scene.viewer.layers.clear()
    scene.widget.series.open_folder(tmp_path)
    scene.qtbot.waitUntil(lambda: bool(scene.viewer.layers))
    assert "1 and 2 are 4 mm" in scene.state.message.text


def test_all_files_of_a_series_chosen_as_images_are_one(
    make_scene, tmp_path, monkeypatch
):
    paths = [str(path) for path in save_ct(tmp_path / "scan", hounsfield()).iterdir()]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (paths, ""))
    scene = make_scene(None)
    scene.widget.series_panel.images.click()
    scene.qtbot.waitUntil(lambda: bool(scene.viewer.layers))
    assert len(scene.widget.series.series.entries) == 1
