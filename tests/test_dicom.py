from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.dicom_files import (
    AXIAL,
    CORNER,
    ENHANCED_CT,
    GAP,
    RLE,
    SPACING,
    ct_slices,
    header,
    hounsfield,
    pydicom,
    save,
    save_ct,
    with_pixels,
)

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image, save_labels
from napari_sam_adapter.image_io.series import Series

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

nibabel = pytest.importorskip("nibabel")

VALUES = hounsfield()
TURNED = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return save_ct(tmp_path / "scan", VALUES)


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


@pytest.mark.parametrize(
    ("directions", "step"),
    [(AXIAL, None), (TURNED, None), (AXIAL, (0.0, 0.7, GAP))],
    ids=["axial", "sagittal", "tilted gantry"],
)
def test_labels_lie_where_the_patient_lies(
    tmp_path: Path, directions: Any, step: Any
) -> None:
    scan = save_ct(tmp_path / "scan", VALUES, directions=directions, step=step)
    image = open_image(scan)
    save_labels(tmp_path / "out.nii.gz", VALUES > 0, like=image)
    written = nibabel.load(tmp_path / "out.nii.gz")
    first = {f.InstanceNumber: f for f in map(pydicom.dcmread, scan.iterdir())}
    z, y, x = 3, 7, 5
    corner = np.array(first[z + 1].ImagePositionPatient, float)
    rows, columns = np.reshape(directions, (2, 3))
    in_patient = corner + x * SPACING[1] * rows + y * SPACING[0] * columns
    found = (written.affine @ [x, y, z, 1])[:3]
    np.testing.assert_allclose(found, in_patient * (-1, -1, 1), atol=1e-5)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, VALUES > 0)
    assert image.scale[0] == pytest.approx(GAP)


def test_a_missing_slice_is_told(scan: Path, tmp_path: Path) -> None:
    values = hounsfield(6)
    scan = save_ct(tmp_path / "six", values)
    gone = next(p for p in scan.iterdir() if pydicom.dcmread(p).InstanceNumber == 3)
    gone.unlink()
    image = open_image(scan)
    assert "1 and 2 are 4 mm" in image.problem
    assert image.scale[0] == GAP
    np.testing.assert_array_equal(image.data, np.delete(values, 2, axis=0))


def test_a_scan_of_several_times_has_an_axis_for_them(tmp_path: Path) -> None:
    for time in range(3):
        for found in ct_slices(VALUES + time):
            found.InstanceNumber += 100 * time
            save(found, tmp_path / f"{found.InstanceNumber}.dcm")
    image = open_image(tmp_path)
    assert image.axes == "tzyx"
    np.testing.assert_array_equal(image.data, [VALUES, VALUES + 1, VALUES + 2])
    (tmp_path / "202.dcm").unlink()
    image = open_image(tmp_path)
    np.testing.assert_array_equal(image.data, [VALUES, VALUES + 1])
    assert "3 times, others only 2" in image.problem


def test_a_copied_file_counts_once(scan: Path) -> None:
    (scan / "copy.dcm").write_bytes((scan / "IM0001.dcm").read_bytes())
    np.testing.assert_array_equal(open_image(scan).data, VALUES)


def test_a_localiser_of_the_series_is_left_out(scan: Path) -> None:
    for found in ct_slices(VALUES[:1], directions=TURNED):
        save(found, scan / "scout.dcm")
    image = open_image(scan)
    np.testing.assert_array_equal(image.data, VALUES)
    assert "1 image of the series is left out" in image.problem


def test_one_of_several_series_is_chosen_by_a_file(scan: Path) -> None:
    for found in ct_slices(VALUES[:2] + 1, SeriesInstanceUID="1.2.4"):
        found.SeriesDescription = "Bone"
        save(found, scan / f"bone{found.InstanceNumber}.dcm")
    with pytest.raises(ImageError, match="got 2 in") as error:
        open_image(scan)
    assert "Thorax (IM0000.dcm, 4)" in str(error.value)
    assert "Bone (bone1.dcm, 2)" in str(error.value)
    np.testing.assert_array_equal(open_image(scan / "bone1.dcm").data, VALUES[:2] + 1)
    np.testing.assert_array_equal(open_image(scan / "IM0001.dcm").data, VALUES)


def test_what_lies_beside_a_scan_and_is_no_image_does_not_count(scan: Path) -> None:
    save(header("1.2.5", Modality="RTSTRUCT"), scan / "structures.dcm")
    mask = with_pixels(header("1.2.6", Modality="SEG"), np.zeros((4, 10, 12), np.uint8))
    save(mask, scan / "mask.dcm")
    np.testing.assert_array_equal(open_image(scan).data, VALUES)
    with pytest.raises(ImageError, match="modality SEG"):
        open_image(scan / "mask.dcm")


def enhanced(values: np.ndarray) -> Any:
    """Return a file with a frame for each slice, in an order that is not theirs."""
    order = [2, 0, 3, 1]
    found = with_pixels(header(), (values[order].astype(int) + 1024).astype(np.uint16))
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = ENHANCED_CT
    found.NumberOfFrames = len(values)
    shared, measures, turn, numbers = (pydicom.Dataset() for _ in range(4))
    measures.PixelSpacing, turn.ImageOrientationPatient = list(SPACING), list(AXIAL)
    numbers.RescaleSlope, numbers.RescaleIntercept = 1, -1024
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [turn]
    shared.PixelValueTransformationSequence = [numbers]
    found.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for i in order:
        frame, place = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [*CORNER[:2], CORNER[2] + GAP * i]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    found.PerFrameFunctionalGroupsSequence = frames
    return found


def test_the_frames_of_one_file_are_a_volume(tmp_path: Path) -> None:
    image = open_image(save(enhanced(VALUES), tmp_path / "scan.dcm"))
    assert (image.axes, image.scale, image.name) == (
        "zyx",
        (GAP, *SPACING),
        "scan.dcm",
    )
    np.testing.assert_array_equal(image.data, VALUES)
    np.testing.assert_allclose(image.affine[:3, 3], CORNER * (-1, -1, 1))


def test_a_film_has_time(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 10, 12, 3)).astype(np.uint8)
    film = with_pixels(header(Modality="US"), frames, NumberOfFrames=5, FrameTime=40)
    image = open_image(save(film, tmp_path / "film.dcm"))
    assert (image.axes, image.scale) == ("tyxc", (40.0, 1.0, 1.0))
    assert image.units == ("ms", "pixel", "pixel")
    np.testing.assert_array_equal(image.data, frames)


def test_films_of_one_series_are_not_a_volume_without_places(tmp_path: Path) -> None:
    for number in (2, 1):
        pixels = np.full((10, 12), number, np.uint8)
        found = with_pixels(header(InstanceNumber=number), pixels)
        save(found, tmp_path / f"{3 - number}.dcm")
    image = open_image(tmp_path)
    assert (image.axes, image.units[0]) == ("zyx", "pixel")
    assert [plane.max() for plane in np.asarray(image.data)] == [1, 2]


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "dtype"),
    [
        (np.uint16, 1, 0, np.uint16),
        (np.int16, 1, -1024, np.int16),
        (np.uint16, 1, -1024, np.int32),
        (np.int16, 0.5, 0, np.float32),
        (np.uint8, 2, 0.25, np.float32),
    ],
)
def test_values_are_rescaled_in_a_type_that_holds_them(
    tmp_path: Path, stored: Any, slope: float, intercept: float, dtype: Any
) -> None:
    limits = np.iinfo(stored)
    pixels = np.array([[limits.min, 0], [7, limits.max]], stored)
    scale = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    path = save(with_pixels(header(**scale), pixels), tmp_path / "a.dcm")
    data = np.asarray(open_image(path).data)
    assert data.dtype == dtype
    exact = pixels.astype(float) * slope + intercept
    if np.issubdtype(dtype, np.integer):
        exact = exact.clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    np.testing.assert_array_equal(data, exact)


def test_slopes_of_each_slice_are_applied(tmp_path: Path) -> None:
    for i, found in enumerate(ct_slices(VALUES)):
        found.RescaleSlope, found.RescaleIntercept = 0.5 * (i + 1), 3
        save(found, tmp_path / f"{i}.dcm")
    slopes = np.array([0.5, 1.0, 1.5, 2.0])[:, None, None]
    expected = (VALUES.astype(float) + 1024) * slopes + 3
    np.testing.assert_allclose(open_image(tmp_path).data, expected)


def test_inverted_pictures_are_bright_where_they_are_shown_bright(
    tmp_path: Path,
) -> None:
    pixels = np.array([[0, 1], [1000, 4095]], np.uint16)
    found = with_pixels(
        header(WindowCenter=1000, WindowWidth=200),
        pixels,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
    )
    image = open_image(save(found, tmp_path / "xray.dcm"))
    np.testing.assert_array_equal(image.data, 4095 - pixels)
    assert image.window == (2995.0, 3195.0)


def test_the_window_of_the_file_is_kept(tmp_path: Path) -> None:
    window = {"WindowCenter": [40, 500], "WindowWidth": [400, 2000]}
    assert open_image(save_ct(tmp_path / "a", VALUES, **window)).window == (-160, 240)
    assert open_image(save_ct(tmp_path / "b", VALUES)).window is None


def test_compressed_pixels_are_decoded(tmp_path: Path) -> None:
    for i, found in enumerate(ct_slices(VALUES)):
        found.compress(RLE)
        save(found, tmp_path / f"{i}.dcm")
    np.testing.assert_array_equal(open_image(tmp_path).data, VALUES)


def test_colours_of_a_palette_are_colours() -> None:
    path = pydicom.data.get_testdata_file("examples_palette.dcm", download=False)
    image = open_image(path)
    assert (image.axes, image.data.shape[-1]) == ("yxc", 3)
    assert len(np.unique(np.asarray(image.data).reshape(-1, 3), axis=0)) > 100


def test_pixels_that_nobody_can_decode_are_refused(tmp_path: Path) -> None:
    found = with_pixels(header(), VALUES[0])
    found.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8nothing"])
    found["PixelData"].is_undefined_length = True
    found.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
    with pytest.raises(ImageError, match=r"MPEG2.*Run: pip install"):
        open_image(save(found, tmp_path / "a.dcm"))
    found.file_meta.TransferSyntaxUID = RLE
    image = open_image(save(found, tmp_path / "b.dcm"))
    with pytest.raises(ImageError, match=r"b\.dcm.*more kinds of compression"):
        np.asarray(image.data)


def test_a_file_that_is_cut_off_is_refused(scan: Path) -> None:
    path = scan / "IM0001.dcm"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ImageError, match="IM0001"):
        open_image(path)


def test_a_broken_file_of_a_folder_is_named(scan: Path) -> None:
    for found in ct_slices(VALUES[:1]):
        del found.BitsAllocated
        save(found, scan / "odd.dcm")
    with pytest.raises(ImageError, match=r"odd\.dcm"):
        open_image(scan)


@pytest.mark.parametrize("content", [b"", b"\0" * 128 + b"DICM", b"\0" * 400])
def test_what_is_no_dicom_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.dcm"):
        open_image(path)


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
    assert (tmp_path / "scan_labels.nii.gz").exists()
    np.testing.assert_array_equal(series.entry.read().labels, VALUES > 0)
    assert len(Series.of_folder(tmp_path).entries) == 2


def test_a_folder_of_slices_is_one_image_of_a_series(scan: Path) -> None:
    assert [entry.path for entry in Series.of_folder(scan).entries] == [scan]
