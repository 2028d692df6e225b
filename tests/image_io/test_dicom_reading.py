"""What is read of DICOM files: headers once, pixels from threads, whole numbers."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.dicom_files import (
    LITTLE_ENDIAN,
    ct_slices,
    header,
    hounsfield,
    pydicom,
    save,
    save_ct,
    with_pixels,
)

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.image_io.series.series import Series

if TYPE_CHECKING:
    from pathlib import Path

VALUES = hounsfield()
IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def count_headers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that the names of files go into whose headers are read."""
    read, asked = pydicom.dcmread, []

    def counted(file: Any, **options: Any) -> Any:
        asked.append(os.path.basename(file.name))
        return read(file, **options)

    monkeypatch.setattr(pydicom, "dcmread", counted)
    return asked


def test_a_picture_is_opened_without_reading_those_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        found = with_pixels(header(series=f"1.{i}", Modality="DX"), VALUES[i])
        save(found, tmp_path / f"{i}.dcm")
    asked = count_headers(monkeypatch)
    for i in range(3):
        image = open_image(tmp_path / f"{i}.dcm")
        np.testing.assert_array_equal(image.data, VALUES[i])
    assert asked == ["0.dcm", "1.dcm", "2.dcm"]


def test_warnings_are_heard_after_several_threads_have_read(tmp_path: Path) -> None:
    for found in ct_slices(VALUES):
        found.PixelData += bytes(8)  # of which pydicom warns
        save(found, tmp_path / f"{found.InstanceNumber}.dcm")
    paths = sorted(tmp_path.iterdir())
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for image in pool.map(open_image, paths * 8):
            np.testing.assert_array_equal(image.data, VALUES)
        data = open_image(paths[0]).data
        list(pool.map(lambda i: data[i % 4], range(400)))
    assert warnings.filters == before


def test_a_copy_of_a_slice_is_a_part_of_its_image(tmp_path: Path) -> None:
    scan = save_ct(tmp_path / "scan", VALUES)
    (scan / "copy.dcm").write_bytes((scan / "IM0001.dcm").read_bytes())
    for found in ct_slices(VALUES[:1], PixelSpacing=[1, 1]):
        scout = save(found, scan / "scout.dcm")
        (scan / "scout copy.dcm").write_bytes(scout.read_bytes())
    names = {f"IM000{i}.dcm" for i in range(4)} | {"copy.dcm"}
    for path in (scan, scan / "copy.dcm", scan / "IM0001.dcm"):
        image = open_image(path)
        assert {part.name for part in image.parts} == names
        np.testing.assert_array_equal(image.data, VALUES)


def rescaled(folder: Path, pixels: np.ndarray, *scale: float, **others: Any) -> Any:
    """Return what is read of pixels with a slope and an intercept."""
    found = with_pixels(header(), pixels, **others)
    if scale:
        found.RescaleSlope, found.RescaleIntercept = scale
    return np.asarray(open_image(save(found, folder / "a.dcm")).data)


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "dtype"),
    [
        (np.uint8, 2, 0, np.int16),
        (np.uint16, 2, 0, np.int32),
        (np.int16, -1, 0, np.int32),
        (np.int16, -1, -100, np.int32),
        (np.int16, 2, -10, np.int32),
        (np.uint32, 2, 0, np.int64),
        (np.uint32, 2, -7, np.int64),
        (np.int32, -3, 2**40, np.int64),
        (np.uint32, 0.5, 0, np.float64),
        (np.uint16, 0.5, 0, np.float32),
        (np.uint8, 0, 3, np.int16),
    ],
)
def test_whole_numbers_stay_exact(
    tmp_path: Path, stored: Any, slope: float, intercept: float, dtype: Any
) -> None:
    limits = np.iinfo(stored)
    pixels = np.array([[limits.min, 1], [limits.max // 2 + 2, limits.max]], stored)
    data = rescaled(tmp_path, pixels, slope, intercept)
    assert data.dtype == dtype
    expected = [int(x) * slope + intercept for x in pixels.flat]
    assert data.ravel().tolist() == expected


LARGE = np.array([[0, 2**60 + 1], [2**63 + 1, 2**64 - 1]], np.uint64)


def test_numbers_of_64_bits_are_whole(tmp_path: Path) -> None:
    np.testing.assert_array_equal(rescaled(tmp_path, LARGE), LARGE)
    inverted = {"PhotometricInterpretation": "MONOCHROME1"}
    data = rescaled(tmp_path, LARGE, **inverted)
    np.testing.assert_array_equal(data, np.uint64(2**64 - 1) - LARGE)
    below = rescaled(tmp_path, LARGE[:1], 1, -5, BitsStored=62, HighBit=61)
    assert below.tolist() == [[-5, 2**60 - 4]]


@pytest.mark.parametrize("scale", [(1, -1), (4, 0), (1, 2.0**70)])
def test_values_that_do_not_fit_into_64_bits_are_refused(
    tmp_path: Path, scale: Any
) -> None:
    with pytest.raises(ImageError, match=r"64 bits, got .*a\.dcm.*slope"):
        rescaled(tmp_path, LARGE, *scale)


@pytest.mark.parametrize("name", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("number", ["nan", "1e400"])
def test_a_scale_that_is_no_number_is_refused(
    tmp_path: Path, name: str, number: str
) -> None:
    found = with_pixels(header(), VALUES[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(found, name, pydicom.valuerep.DSfloat(number))
        save(found, tmp_path / "a.dcm")
        with pytest.raises(ImageError, match=r"slope and intercept.*a\.dcm"):
            open_image(tmp_path / "a.dcm")


@pytest.mark.parametrize(("shift", "dtype"), [(-1024, np.int16), (-1025, np.int32)])
def test_what_surrounds_a_scan_is_cut_with_shifts_of_hounsfield_units_only(
    tmp_path: Path, shift: int, dtype: Any
) -> None:
    pixels = np.array([[-(2**15), 2**15 - 1]], np.int16)
    data = rescaled(tmp_path, pixels, 1, shift)
    low = -(2**15) + (shift if dtype == np.int32 else 0)
    assert data.dtype == dtype
    assert data.tolist() == [[low, 2**15 - 1 + shift]]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(np.float32, "FloatPixelData"), (np.float64, "DoubleFloatPixelData")],
)
def test_pixels_may_be_floats(tmp_path: Path, dtype: Any, name: str) -> None:
    pixels = np.array([[0.25, -3], [1e-5, 1e5]], dtype)
    found = with_pixels(header(), pixels)
    del found.PixelData, found.PixelRepresentation, found.BitsStored, found.HighBit
    setattr(found, name, pixels.tobytes())
    data = np.asarray(open_image(save(found, tmp_path / "a.dcm")).data)
    assert data.dtype == dtype
    np.testing.assert_array_equal(data, pixels)


def test_headers_of_several_series_in_a_folder_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        for found in ct_slices(VALUES + i, SeriesInstanceUID=f"1.{i}"):
            save(found, tmp_path / f"{i}{found.InstanceNumber}.dcm")
    asked = count_headers(monkeypatch)
    entries = Series.of_folder(tmp_path).entries
    for i, entry in enumerate(entries):
        np.testing.assert_array_equal(entry.read().image.data, VALUES + i)
    # once, and then that of the file which stands for its series
    assert len(asked) == 3 * len(VALUES) + 3


def test_files_of_a_folder_are_opened_once_to_see_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = save_ct(tmp_path / "scan", VALUES)
    (scan / "notes.txt").write_text("not a scan")
    open_image(scan)
    really, asked = type(scan).open, []

    def counted(path: Path, *args: Any, **options: Any) -> Any:
        asked.append(path.name)
        return really(path, *args, **options)

    monkeypatch.setattr(type(scan), "open", counted)
    (scan / "more.txt").write_bytes(b"as labels that were saved beside it")
    asked.clear()
    open_image(scan / "IM0001.dcm")
    assert {*asked} == {"IM0001.dcm", "more.txt"}


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    scale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    scan = save_ct(tmp_path / "scan", VALUES, **scale)
    image, other = open_image(scan), tmp_path / "other"
    for path in scan.iterdir():
        was = path.stat()
        changed = path.read_bytes().replace(b"-1024", b"-2024")
        other.write_bytes(changed[:-2] + bytes(2))
        os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
        os.replace(other, path)
    assert (open_image(scan).data[:, 0] == VALUES[:, 0] - 1000).all()
    assert image.data[0, -1, -1] == -1024  # of pixels as they are now


def test_a_file_that_another_has_replaced_is_read_anew(tmp_path: Path) -> None:
    scan = save_ct(tmp_path / "scan", VALUES)
    image = open_image(scan)
    for path in scan.iterdir():
        found = pydicom.dcmread(path)
        found.ImageComments = "Longer than it was."
        found.PixelData = (found.pixel_array + 1).tobytes()
        found.save_as(path)
    np.testing.assert_array_equal(image.data, VALUES + 1)
    for found in ct_slices(VALUES[:1] + 2):
        save(found, scan / "IM0000.dcm")
    np.testing.assert_array_equal(open_image(scan).data[0], VALUES[0] + 2)


@pytest.mark.parametrize("syntax", [IMPLICIT, LITTLE_ENDIAN, BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4"])
def test_numbers_are_those_of_pydicom_in_every_way_to_write_them(
    tmp_path: Path, syntax: str, dtype: str
) -> None:
    # five of the bits are used; the others are not to be seen
    frames = np.random.default_rng(0).integers(0, 100, (3, 7, 9)).astype(dtype)
    order = ">" if syntax == BIG_ENDIAN else "<"
    found = with_pixels(header(Modality="DX"), frames, NumberOfFrames=3)
    found.PixelData = frames.astype(order + dtype).tobytes().ljust(190, b"\0")
    found["PixelData"].VR = "OB" if dtype[1] == "1" else "OW"
    found.BitsStored, found.HighBit = 5, 4
    found.file_meta.TransferSyntaxUID = syntax
    path = save(found, tmp_path / "a.dcm")
    expected = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(open_image(path).data, expected)


def test_nonsense_in_a_file_of_another_series_does_not_matter(tmp_path: Path) -> None:
    scan = save_ct(tmp_path / "scan", VALUES)
    for found in ct_slices(VALUES[:1], SeriesInstanceUID="1.9", FrameTime="12"):
        odd = save(found, scan / "odd.dcm").read_bytes()
        (scan / "odd.dcm").write_bytes(odd.replace(b"DS\x02\x0012", b"DS\x02\x00xy"))
    image = open_image(scan / "IM0001.dcm")
    np.testing.assert_array_equal(image.data, VALUES)
    assert "odd.dcm" in image.problem


@pytest.mark.parametrize("shape", [(7, 7), (8, 8), (64, 64), (4, 5, 3)])
@pytest.mark.parametrize("ways", [(LITTLE_ENDIAN, IMPLICIT), (IMPLICIT, LITTLE_ENDIAN)])
def test_pixels_are_found_though_a_file_is_written_otherwise_than_it_says(
    tmp_path: Path, shape: tuple[int, ...], ways: tuple[str, str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    found = with_pixels(header(Modality="DX"), pixels)
    found.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    found.file_meta.TransferSyntaxUID = ways[0]
    path = save(found, tmp_path / "a.dcm")
    data = path.read_bytes()
    meta = pydicom.filereader.read_file_meta_info(path)
    end = 144 + meta.FileMetaInformationGroupLength
    meta.TransferSyntaxUID = ways[1]
    with path.open("wb") as file:
        file.write(data[:132])
        pydicom.filewriter.write_file_meta_info(file, meta)
        file.write(data[end:])
    np.testing.assert_array_equal(open_image(path).data, pixels)
