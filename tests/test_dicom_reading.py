"""What is read of DICOM files: headers once, pixels from threads, whole numbers."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from tests.dicom_files import (
    ct_slices,
    header,
    hounsfield,
    save,
    save_ct,
    with_pixels,
)

from napari_sam_adapter.image_io import dicom_series, open_image

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

VALUES = hounsfield()


def test_a_picture_is_opened_without_reading_those_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        found = with_pixels(header(series=f"1.{i}", Modality="DX"), VALUES[i])
        save(found, tmp_path / f"{i}.dcm")
    read, asked = dicom_series.read_header, []
    monkeypatch.setattr(
        dicom_series, "read_header", lambda path: asked.append(path.name) or read(path)
    )
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
