"""DICOM files that are broken, or that nobody can decode."""

from __future__ import annotations

import errno
import os
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.dicom_files import (
    RLE,
    ct_slices,
    header,
    hounsfield,
    pydicom,
    save,
    with_pixels,
)

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from pathlib import Path


VALUES = hounsfield()


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


@pytest.mark.parametrize("content", [b"", b"\0" * 128 + b"DICM", b"\0" * 400])
def test_what_is_no_dicom_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.dcm"):
        open_image(path)


def failing_once(read: Any, name: str) -> Any:
    """Return a reader of files that fails the first time for one of a name."""
    failed: list[str] = []

    def fails(file: Any, *args: Any, **options: Any) -> Any:
        if os.path.basename(file.name) == name and not failed:
            failed.append(name)
            raise OSError(errno.EIO, "Input/output error")
        return read(file, *args, **options)

    return fails


def test_a_disk_that_failed_once_is_asked_again(
    scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = failing_once(pydicom.dcmread, "IM0002.dcm")
    monkeypatch.setattr(pydicom, "dcmread", reader)
    with pytest.raises(ImageError, match=r"output error.*IM0002"):
        open_image(scan)
    np.testing.assert_array_equal(open_image(scan).data, VALUES)


def test_a_file_that_could_not_be_opened_once_is_opened_again(
    scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = failing_once(type(scan).open, "IM0002.dcm")
    monkeypatch.setattr(type(scan), "open", opened)
    assert len(open_image(scan).data) == 3
    np.testing.assert_array_equal(open_image(scan).data, VALUES)


@pytest.mark.parametrize(
    "broken",
    [(b"DS\x02\x0012", b"DS\x02\x00xy"), (b"\x28\0\0\x01US", b"\x29\0\0\x01US")],
    ids=["in a header", "in what is told of its pixels"],
)
def test_each_error_of_a_broken_file_is_a_new_one(scan: Path, broken: Any) -> None:
    for found in ct_slices(VALUES[:1], FrameTime="12"):
        odd = save(found, scan / "odd.dcm").read_bytes()
        (scan / "odd.dcm").write_bytes(odd.replace(*broken))
    errors = []
    for _ in range(2):
        with pytest.raises(ImageError, match=r"odd\.dcm") as error:
            open_image(scan)
        errors.append(error.value)
    assert errors[0] is not errors[1]
    lengths = {len(traceback.extract_tb(one.__traceback__)) for one in errors}
    assert len(lengths) == 1


def test_a_file_that_vanishes_is_passed_over(
    scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, listed = scan / "IM0002.dcm", type(scan).iterdir

    def vanishing(folder: Path) -> Any:
        paths = list(listed(folder))
        gone.unlink(missing_ok=True)
        return iter(paths)

    monkeypatch.setattr(type(scan), "iterdir", vanishing)
    assert len(open_image(scan).data) == 3


@pytest.mark.parametrize("syntax", [None, RLE])
def test_numbers_that_end_above_the_lowest_bit_are_refused(
    tmp_path: Path, syntax: str | None
) -> None:
    found = next(iter(ct_slices(VALUES)))
    found.PixelData = (found.pixel_array << 4).tobytes()
    found.HighBit = 15
    if syntax:
        found.compress(syntax)
    path = save(found, tmp_path / "a.dcm")
    with pytest.raises(ImageError, match=r"bit 11 as .*a\.dcm.*15.*Convert"):
        open_image(path)


def test_numbers_of_which_no_bit_is_lost_are_read(tmp_path: Path) -> None:
    found = next(iter(ct_slices(VALUES, BitsStored=16)))  # but HighBit is 11
    image = open_image(save(found, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(image.data, VALUES[0])
