"""DICOM files that are broken, or that nobody can decode."""

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
