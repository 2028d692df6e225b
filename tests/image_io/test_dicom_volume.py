"""DICOM slices and frames as volumes in space and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.dicom_files import (
    AXIAL,
    CORNER,
    ENHANCED_CT,
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

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image, save_labels

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


nibabel = pytest.importorskip("nibabel")
VALUES = hounsfield()
TURNED = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


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


def test_a_film_has_time(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 10, 12, 3)).astype(np.uint8)
    film = with_pixels(header(Modality="US"), frames, NumberOfFrames=5, FrameTime=40)
    image = open_image(save(film, tmp_path / "film.dcm"))
    assert (image.axes, image.scale) == ("tyxc", (40.0, 1.0, 1.0))
    assert image.units == ("ms", "pixel", "pixel")
    np.testing.assert_array_equal(image.data, frames)


def test_slices_without_places_are_in_the_order_of_the_scanner(tmp_path: Path) -> None:
    for number in (2, 1):
        pixels = np.full((10, 12), number, np.uint8)
        found = with_pixels(header(InstanceNumber=number), pixels)
        save(found, tmp_path / f"{3 - number}.dcm")
    image = open_image(tmp_path)
    assert (image.axes, image.units[0]) == ("zyx", "pixel")
    assert [plane.max() for plane in np.asarray(image.data)] == [1, 2]
    assert "do not tell where they lie" in image.problem
