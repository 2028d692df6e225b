from __future__ import annotations

import os
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
from napari_sam_adapter.image_io.series.series import Series

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


def save_times(folder: Path, is_told: bool, count: int = 3) -> None:
    """Write a scan several times; what tells the time is told, or the count goes on."""
    for time in range(count):
        for found in ct_slices(VALUES + time):
            name = f"{found.InstanceNumber}{time}.dcm"
            if is_told:
                found.AcquisitionNumber = time
            else:
                found.InstanceNumber += 100 * time
            save(found, folder / name)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_scan_of_several_times_has_an_axis_for_them(
    tmp_path: Path, is_told: bool
) -> None:
    save_times(tmp_path, is_told)
    image = open_image(tmp_path)
    assert image.axes == "tzyx"
    np.testing.assert_array_equal(image.data, [VALUES, VALUES + 1, VALUES + 2])


def test_a_time_that_lacks_a_slice_is_left_out(tmp_path: Path) -> None:
    save_times(tmp_path, is_told=True)
    (tmp_path / "31.dcm").unlink()
    image = open_image(tmp_path)
    np.testing.assert_array_equal(image.data, [VALUES, VALUES + 2])
    assert "1 time of 3" in image.problem


def test_times_are_not_mixed_where_nothing_tells_them_apart(tmp_path: Path) -> None:
    save_times(tmp_path, is_told=False)
    (tmp_path / "31.dcm").unlink()
    with pytest.raises(ImageError, match="got 2 to 3, and nothing tells"):
        open_image(tmp_path)


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


def test_slices_of_a_few_micrometres_are_no_times(tmp_path: Path) -> None:
    scan = save_ct(tmp_path / "scan", VALUES, step=(0, 0, 0.005))
    image = open_image(scan)
    assert (image.axes, image.scale[0]) == ("zyx", pytest.approx(0.005))


def test_slices_beside_the_line_are_told(tmp_path: Path) -> None:
    for found, aside in zip(ct_slices(VALUES), (0, 0, 5, 0), strict=True):
        found.ImagePositionPatient[0] += aside
        save(found, tmp_path / f"{found.InstanceNumber}.dcm")
    assert "by up to 5 mm" in open_image(tmp_path).problem


@pytest.mark.parametrize(
    "nonsense",
    [
        {"ImageOrientationPatient": [0] * 6},
        {"ImageOrientationPatient": [2, 0, 0, 0, 2, 0]},
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": 1},
        {"ImagePositionPatient": [1, 2]},
    ],
)
def test_places_that_make_no_sense_are_not_used(tmp_path: Path, nonsense: Any) -> None:
    image = open_image(save_ct(tmp_path / "scan", VALUES, **nonsense))
    np.testing.assert_array_equal(image.data, VALUES)
    assert image.affine is None


@pytest.mark.parametrize(("width", "center"), [("nan", 1), ("inf", 1), (1e-300, 40)])
def test_windows_that_make_no_sense_are_not_used(
    tmp_path: Path, width: Any, center: int
) -> None:
    scan = save_ct(tmp_path / "a", VALUES, WindowCenter=center, WindowWidth=1)
    for path in scan.iterdir():
        found = pydicom.dcmread(path)
        found["WindowWidth"]._value = pydicom.valuerep.DSfloat(float(width))
        found["WindowWidth"]._value.original_string = str(width)
        found.save_as(path)
    assert open_image(scan).window is None


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


def test_deflated_files_are_whole(tmp_path: Path) -> None:
    path = pydicom.data.get_testdata_file("image_dfl.dcm", download=False)
    expected = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(open_image(path).data, expected)


@pytest.mark.parametrize("count", [-1, 10**6, 2**31 - 1])
def test_more_frames_than_a_file_can_hold_are_refused(
    tmp_path: Path, count: int
) -> None:
    for syntax in (None, RLE):
        found = with_pixels(header(), VALUES[0][:1, :1])
        if syntax:
            found.compress(syntax)
        found.NumberOfFrames = count
        with pytest.raises(ImageError, match="cut off"):
            open_image(save(found, tmp_path / "a.dcm"))


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


def test_a_table_of_values_is_told(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [1, 0, 16], "HU"
    scan = save_ct(tmp_path / "scan", VALUES, ModalityLUTSequence=[table])
    assert "Modality LUT" in open_image(scan).problem


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


def test_a_frame_says_more_than_all_frames(tmp_path: Path) -> None:
    found = enhanced(VALUES)
    for frame in found.PerFrameFunctionalGroupsSequence:
        own, shown = pydicom.Dataset(), pydicom.Dataset()
        own.RescaleSlope, own.RescaleIntercept = 1, -24
        shown.WindowCenter, shown.WindowWidth = 40, 400
        frame.PixelValueTransformationSequence = [own]
        frame.FrameVOILUTSequence = [shown]
    image = open_image(save(found, tmp_path / "scan.dcm"))
    np.testing.assert_array_equal(image.data, VALUES + 1000)
    assert image.window == (-160, 240)


def test_a_single_slice_has_a_place_and_a_thickness(tmp_path: Path) -> None:
    thick = {"SliceThickness": 5, "SpacingBetweenSlices": 3}
    image = open_image(save_ct(tmp_path / "scan", VALUES[:1], **thick))
    assert image.axes == "yx"
    np.testing.assert_allclose(image.affine[:3, 2], (0, 0, 3))
    np.testing.assert_allclose(image.affine[:3, 3], CORNER * (-1, -1, 1))


def test_the_window_is_that_of_the_middle_slice(tmp_path: Path) -> None:
    for i, found in enumerate(ct_slices(VALUES)):
        found.WindowCenter, found.WindowWidth = i, 2
        save(found, tmp_path / f"{i}.dcm")
    assert open_image(tmp_path).window == (1, 3)


def test_a_film_has_time(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 10, 12, 3)).astype(np.uint8)
    film = with_pixels(header(Modality="US"), frames, NumberOfFrames=5, FrameTime=40)
    image = open_image(save(film, tmp_path / "film.dcm"))
    assert (image.axes, image.scale) == ("tyxc", (40.0, 1.0, 1.0))
    assert image.units == ("ms", "pixel", "pixel")
    np.testing.assert_array_equal(image.data, frames)


def test_films_of_one_series_are_two(tmp_path: Path) -> None:
    frames = np.arange(8, dtype=np.uint8)[:, None, None] * np.ones((1, 5, 6), np.uint8)
    for i, some in enumerate((frames[:4], frames[4:])):
        film = with_pixels(header(Modality="US"), some, NumberOfFrames=4, FrameTime=40)
        save(film, tmp_path / f"{i}.dcm")
    np.testing.assert_array_equal(open_image(tmp_path / "1.dcm").data, frames[4:])
    with pytest.raises(ImageError, match="got 2 in"):
        open_image(tmp_path)


def test_slices_without_places_are_in_the_order_of_the_scanner(tmp_path: Path) -> None:
    for number in (2, 1):
        pixels = np.full((10, 12), number, np.uint8)
        found = with_pixels(header(InstanceNumber=number), pixels)
        save(found, tmp_path / f"{3 - number}.dcm")
    image = open_image(tmp_path)
    assert (image.axes, image.units[0]) == ("zyx", "pixel")
    assert [plane.max() for plane in np.asarray(image.data)] == [1, 2]
    assert "do not tell where they lie" in image.problem


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "dtype"),
    [
        (np.uint16, 1, 0, np.uint16),
        (np.int16, 1, -1024, np.int16),
        (np.uint16, 1, -1024, np.int32),
        (np.int16, 1, 32768, np.int32),
        (np.int16, 1, -31768, np.int32),
        (np.uint32, 1, -1, np.int64),
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
    if (stored, intercept) == (np.int16, -1024):
        exact[0, 0] = -(2**15)  # what surrounds a scan
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
    found.RescaleIntercept = -1000  # values with a meaning stay
    (tmp_path / "dose").mkdir()
    image = open_image(save(found, tmp_path / "dose" / "a.dcm"))
    np.testing.assert_array_equal(image.data, pixels.astype(int) - 1000)
    assert image.window == (900.0, 1100.0)


def test_inverted_signed_pictures_are_turned_around_zero(tmp_path: Path) -> None:
    pixels = np.array([[-2048, -1], [0, 2047]], np.int16)
    inverted = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12}
    found = with_pixels(header(), pixels, HighBit=11, **inverted)
    image = open_image(save(found, tmp_path / "xray.dcm"))
    np.testing.assert_array_equal(image.data, -1 - pixels)


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
    with pytest.raises(ImageError, match=r"MPEG2.*in another way"):
        open_image(save(found, tmp_path / "a.dcm"))
    found.file_meta.TransferSyntaxUID = RLE
    image = open_image(save(found, tmp_path / "a.dcm"))
    with pytest.raises(ImageError, match=r"a\.dcm.*more kinds of compression"):
        np.asarray(image.data)


def test_a_file_that_is_cut_off_is_refused(scan: Path) -> None:
    path = scan / "IM0001.dcm"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ImageError, match="IM0001"):
        open_image(path)


def test_a_size_that_no_compression_reaches_is_refused(tmp_path: Path) -> None:
    found = next(iter(ct_slices(VALUES)))
    found.compress(RLE)
    found.Rows = found.Columns = 60000  # decoding would take 7 GB before it fails
    with pytest.raises(ImageError, match="cut off"):
        open_image(save(found, tmp_path / "a.dcm"))


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
    assert (tmp_path / "scan_dicom_labels.nii.gz").exists()
    np.testing.assert_array_equal(series.entry.read().labels, VALUES > 0)
    assert len(Series.of_folder(tmp_path).entries) == 2


def test_a_folder_of_slices_is_one_image_of_a_series(scan: Path) -> None:
    assert [entry.path for entry in Series.of_folder(scan).entries] == [scan]
