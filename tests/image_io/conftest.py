"""Files that several tests open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tifffile
from tests.image_io.volume_files import OME, VOLUME

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ome_tiff(tmp_path: Path) -> Path:
    path = tmp_path / "volume.ome.tif"
    tifffile.imwrite(path, VOLUME, metadata=OME, compression="zlib")
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    from tests.dicom_files import hounsfield, save_ct  # skips without pydicom

    return save_ct(tmp_path / "scan", hounsfield())
