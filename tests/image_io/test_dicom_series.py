"""Which DICOM files are one image."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.dicom_files import (
    AXIAL,
    GAP,
    SPACING,
    ct_slices,
    header,
    hounsfield,
    pydicom,
    save,
    save_ct,
    with_pixels,
)

from napari_sam_adapter.errors import DatasetError, ImageError
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.image_io.series.series import Series

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


nibabel = pytest.importorskip("nibabel")

VALUES = hounsfield()
TURNED = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_series_is_a_volume_in_the_order_of_its_places(scan: Path, what: str) -> None:
    image = open_image(scan if what == "folder" else scan / "IM0002.dcm")
    assert (image.axes, image.scale) == ("zyx", (GAP, *SPACING))
    assert (image.units, image.name) == (("mm",) * 3, "scan")
    assert image.data.dtype == np.int16
    np.testing.assert_array_equal(image.data, VALUES)
    np.testing.assert_array_equal(image.data[1:3, 4, ::2], VALUES[1:3, 4, ::2])
    np.testing.assert_array_equal(image.data[2], VALUES[2])
    assert not image.problem


def test_files_without_a_suffix_are_known_by_what_is_in_them(scan: Path) -> None:
    for path in scan.iterdir():
        path.rename(scan / path.stem)
    (scan / "notes.txt").write_text("not a scan")
    np.testing.assert_array_equal(open_image(scan).data, VALUES)
    np.testing.assert_array_equal(open_image(scan / "IM0000").data, VALUES)


def test_opening_a_series_reads_no_pixels(scan: Path) -> None:
    image = open_image(scan)
    for path in scan.iterdir():
        found = pydicom.dcmread(path)
        if found.InstanceNumber != 3:
            path.write_bytes(path.read_bytes()[:-100])
    np.testing.assert_array_equal(image.data[2], VALUES[2])
    with pytest.raises(ImageError, match=r"IM000\d\.dcm.*whole"):
        image.data[1]


def test_a_copied_file_counts_once(scan: Path) -> None:
    (scan / "copy.dcm").write_bytes((scan / "IM0001.dcm").read_bytes())
    np.testing.assert_array_equal(open_image(scan).data, VALUES)


@pytest.mark.parametrize(
    "other",
    [
        {"directions": TURNED},
        {"PixelSpacing": [1, 1]},
        {"ImagePositionPatient": None},
        {"Rows": 20, "Columns": 6},
    ],
    ids=["direction", "spacing", "place", "size"],
)
def test_an_image_of_another_kind_is_left_out(scan: Path, other: Any) -> None:
    turn = other.pop("directions", AXIAL)
    for found in ct_slices(VALUES[:1] + 5, directions=turn, **other):
        save(found, scan / "scout.dcm")
    image = open_image(scan)
    np.testing.assert_array_equal(image.data, VALUES)
    assert "1 image of the series is left out" in image.problem
    alone = open_image(scan / "scout.dcm")  # the one that is asked for is there
    np.testing.assert_array_equal(alone.data, VALUES[0].reshape(alone.data.shape) + 5)


@pytest.mark.parametrize("uid", ["", "1.2"])
def test_names_of_files_that_say_nothing_are_no_copies(
    tmp_path: Path, uid: str
) -> None:
    for found in ct_slices(VALUES):
        path = save(found, tmp_path / f"{found.InstanceNumber}.dcm")
        changed = pydicom.dcmread(path)
        changed.SOPInstanceUID = uid
        changed.save_as(path)
    np.testing.assert_array_equal(open_image(tmp_path).data, VALUES)


def test_pictures_in_one_folder_are_a_series_of_images(tmp_path: Path) -> None:
    for i in range(2):
        found = with_pixels(header(Modality="DX", InstanceNumber=i + 1), VALUES[i])
        save(found, tmp_path / f"x{i}.dcm")
    entries = Series.of_folder(tmp_path).entries
    assert [entry.path.name for entry in entries] == ["x0.dcm", "x1.dcm"]
    np.testing.assert_array_equal(entries[1].read().image.data, VALUES[1])


def test_a_broken_file_of_another_series_does_not_matter(scan: Path) -> None:
    for found in ct_slices(VALUES[:1], SeriesInstanceUID="1.2.4"):
        cut = save(found, scan / "zz.dcm").read_bytes()[:-100]
        (scan / "zz.dcm").write_bytes(cut)
    (scan / "empty.dcm").touch()
    image = open_image(scan / "IM0001.dcm")
    np.testing.assert_array_equal(image.data, VALUES)
    (scan / "zz.dcm").unlink()
    image = open_image(scan)
    np.testing.assert_array_equal(image.data, VALUES)
    assert "empty.dcm" in image.problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_beside_a_scan_is_not_read(scan: Path) -> None:
    os.mkfifo(scan / "a.dcm")
    np.testing.assert_array_equal(open_image(scan).data, VALUES)


def test_many_other_files_do_not_hide_a_scan(scan: Path) -> None:
    for i in range(150):
        (scan / f"A{i}.txt").touch()
    np.testing.assert_array_equal(open_image(scan).data, VALUES)


def test_labels_of_a_folder_and_of_a_file_made_of_it_are_two(scan: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VALUES.T, np.eye(4)), f"{scan}.nii.gz")
    labels = [e.labels_path.name for e in Series.of_folder(scan.parent).entries]
    assert labels == ["scan_dicom_labels.nii.gz", "scan_labels.nii.gz"]


def test_one_of_several_series_is_chosen_by_a_file(scan: Path) -> None:
    for found in ct_slices(VALUES[:2] + 1, SeriesInstanceUID="1.2.4"):
        found.SeriesDescription = "Bone"
        save(found, scan / f"bone{found.InstanceNumber}.dcm")
    with pytest.raises(ImageError, match="got 2 in") as error:
        open_image(scan)
    assert "Thorax (IM0000.dcm, 4 files)" in str(error.value)
    assert "Bone (bone1.dcm, 2 files)" in str(error.value)
    assert "this one by itself stands for all of them" in str(error.value)
    assert len(Series.of_folder(scan).entries) == 2
    np.testing.assert_array_equal(open_image(scan / "bone1.dcm").data, VALUES[:2] + 1)
    np.testing.assert_array_equal(open_image(scan / "IM0001.dcm").data, VALUES)


def test_what_lies_beside_a_scan_and_is_no_image_does_not_count(scan: Path) -> None:
    save(header("1.2.5", Modality="RTSTRUCT"), scan / "structures.dcm")
    mask = with_pixels(header("1.2.6", Modality="SEG"), np.zeros((4, 10, 12), np.uint8))
    save(mask, scan / "mask.dcm")
    np.testing.assert_array_equal(open_image(scan).data, VALUES)
    with pytest.raises(ImageError, match="modality SEG"):
        open_image(scan / "mask.dcm")


def test_films_of_one_series_are_two(tmp_path: Path) -> None:
    frames = np.arange(8, dtype=np.uint8)[:, None, None] * np.ones((1, 5, 6), np.uint8)
    for i, some in enumerate((frames[:4], frames[4:])):
        film = with_pixels(header(Modality="US"), some, NumberOfFrames=4, FrameTime=40)
        save(film, tmp_path / f"{i}.dcm")
    np.testing.assert_array_equal(open_image(tmp_path / "1.dcm").data, frames[4:])
    with pytest.raises(ImageError, match="got 2 in"):
        open_image(tmp_path)


def test_a_broken_file_of_a_folder_is_named(scan: Path) -> None:
    for found in ct_slices(VALUES[:1]):
        del found.BitsAllocated
        save(found, scan / "odd.dcm")
    with pytest.raises(ImageError, match=r"odd\.dcm"):
        open_image(scan)


def test_a_folder_of_reports_is_refused(tmp_path: Path) -> None:
    save(header(Modality="SR"), tmp_path / "report.dcm")
    with pytest.raises(ImageError, match="got none"):
        open_image(tmp_path)


def test_without_pydicom_it_is_said_what_to_install(
    scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    monkeypatch.setitem(sys.modules, "pydicom.pixels", None)
    with pytest.raises(ImageError, match=r"pip install .*\[medical\]"):
        open_image(scan)


def test_folders_of_scans_are_a_series_with_nifti_labels(
    scan: Path, tmp_path: Path
) -> None:
    save_ct(tmp_path / "scan2", VALUES[:2])
    (tmp_path / "notes").mkdir()
    series = Series.of_folder(tmp_path)
    assert [entry.path.name for entry in series.entries] == ["scan", "scan2"]
    found = series.entry.read()
    series.entry.save(VALUES > 0, found.image)
    assert (tmp_path / "scan_dicom_labels.nii.gz").exists()
    np.testing.assert_array_equal(series.entry.read().labels, VALUES > 0)
    assert len(Series.of_folder(tmp_path).entries) == 2


def test_a_folder_of_slices_is_one_image_of_a_series(scan: Path) -> None:
    assert [entry.path for entry in Series.of_folder(scan).entries] == [scan]


def test_chosen_files_of_a_series_are_one_image(scan: Path, tmp_path: Path) -> None:
    for found in ct_slices(VALUES + 1, SeriesInstanceUID="1.2.4"):
        save(found, scan / f"bone{found.InstanceNumber}.dcm")
    np.save(tmp_path / "a.npy", VALUES)
    files = sorted(scan.iterdir())
    series = Series.of_images([*files[4:], tmp_path / "a.npy", *files[:4], "gone.dcm"])
    names = [entry.path.name for entry in series.entries]
    assert names == ["bone1.dcm", "a.npy", "IM0000.dcm", "gone.dcm"]
    np.testing.assert_array_equal(series.entry.read().image.data, VALUES + 1)
    for found in ct_slices(VALUES[:1], SeriesInstanceUID="1.9", FrameTime="12"):
        odd = save(found, scan / "odd.dcm").read_bytes()
        (scan / "odd.dcm").write_bytes(odd.replace(b"DS\x02\x0012", b"DS\x02\x00xy"))
    assert len(Series.of_images(sorted(scan.iterdir())).entries) == 3


def test_a_series_in_two_folders_is_two_images(tmp_path: Path) -> None:
    for found in ct_slices(VALUES):
        folder = tmp_path / ("a" if found.InstanceNumber < 3 else "b")
        folder.mkdir(exist_ok=True)
        save(found, folder / f"{found.InstanceNumber}.dcm")
    entries = Series.of_images(sorted(tmp_path.glob("*/*.dcm"))).entries
    assert [entry.path.name for entry in entries] == ["1.dcm", "3.dcm"]
    seen = [entry.read().image.data for entry in entries]
    np.testing.assert_array_equal(np.concatenate(seen), VALUES)


def test_scans_two_folders_deeper_are_pointed_to(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "notes").mkdir(parents=True)
        for i in range(20):
            (tmp_path / name / "notes" / f"{i}.txt").touch()
    for path in save_ct(tmp_path / "b" / "scan", VALUES).iterdir():
        path.rename(path.with_suffix(""))
    with pytest.raises(DatasetError, match=r"There are some in .*b: choose"):
        Series.of_folder(tmp_path)
