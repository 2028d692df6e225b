"""What the numbers of DICOM files mean, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.dicom_files import (
    RLE,
    ct_slices,
    header,
    hounsfield,
    pydicom,
    save,
    save_ct,
    with_pixels,
)

from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


VALUES = hounsfield()


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


def test_deflated_files_are_whole(tmp_path: Path) -> None:
    path = pydicom.data.get_testdata_file("image_dfl.dcm", download=False)
    expected = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(open_image(path).data, expected)


def test_a_table_of_values_is_told(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [1, 0, 16], "HU"
    scan = save_ct(tmp_path / "scan", VALUES, ModalityLUTSequence=[table])
    assert "Modality LUT" in open_image(scan).problem


def test_the_window_is_that_of_the_middle_slice(tmp_path: Path) -> None:
    for i, found in enumerate(ct_slices(VALUES)):
        found.WindowCenter, found.WindowWidth = i, 2
        save(found, tmp_path / f"{i}.dcm")
    assert open_image(tmp_path).window == (1, 3)


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
