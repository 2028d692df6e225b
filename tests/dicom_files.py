"""Small DICOM files, as scanners write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pydicom = pytest.importorskip("pydicom")

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORNER = np.array([-20.0, -30.0, 100.0])
SPACING, GAP = (0.5, 0.25), 2.0


def hounsfield(slices: int = 4) -> np.ndarray:
    """Return (slices, 10, 12) values of a scan."""
    rng = np.random.default_rng(0)
    return rng.integers(-1024, 3000, (slices, 10, 12)).astype(np.int16)


def header(series: str = "1.2.3", **values: Any) -> Any:
    """Return an empty file of a series."""
    found = pydicom.Dataset()
    found.file_meta = pydicom.dataset.FileMetaDataset()
    found.file_meta.TransferSyntaxUID = LITTLE_ENDIAN
    found.file_meta.MediaStorageSOPClassUID = CT
    found.SOPClassUID, found.SOPInstanceUID = CT, pydicom.uid.generate_uid()
    found.SeriesInstanceUID, found.Modality = series, "CT"
    found.PatientName = "Somebody"
    for name, value in values.items():
        setattr(found, name, value)
    return found


def with_pixels(found: Any, stored: np.ndarray, **values: Any) -> Any:
    """Put (rows, columns), (frames, rows, columns) or colours into a file."""
    is_colour = stored.shape[-1] == 3
    found.Rows, found.Columns = stored.shape[-3:-1] if is_colour else stored.shape[-2:]
    found.SamplesPerPixel = 3 if is_colour else 1
    found.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        found.PlanarConfiguration = 0
    found.BitsAllocated = found.BitsStored = 8 * stored.dtype.itemsize
    found.HighBit = found.BitsStored - 1
    found.PixelRepresentation = int(stored.dtype.kind == "i")
    found.PixelData = stored.tobytes()
    found["PixelData"].VR = "OW"
    for name, value in values.items():
        setattr(found, name, value)
    return found


def save(found: Any, path: Path) -> Path:
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.save_as(path, enforce_file_format=True)
    return path


def ct_slices(
    values: np.ndarray, directions: Any = AXIAL, step: Any = None, **others: Any
) -> Iterator[Any]:
    """Give a file for each slice of a scan, first to last."""
    normal = np.cross(directions[:3], directions[3:])
    step = normal * GAP if step is None else np.asarray(step)
    for i, one in enumerate(values):
        found = with_pixels(header(), (one.astype(int) + 1024).astype(np.uint16))
        found.BitsStored, found.HighBit = 12, 11
        found.RescaleSlope, found.RescaleIntercept = 1, -1024
        found.ImagePositionPatient = [round(x, 6) for x in CORNER + i * step]
        found.ImageOrientationPatient = list(directions)
        found.PixelSpacing, found.SliceThickness = list(SPACING), GAP
        found.InstanceNumber = i + 1
        found.SeriesDescription = "Thorax"
        for name, value in others.items():
            setattr(found, name, value)
        yield found


def save_ct(folder: Path, values: np.ndarray, **others: Any) -> Path:
    """Write a scan; its files are named in an order that is not that of the slices."""
    folder.mkdir(exist_ok=True)
    order = np.random.default_rng(1).permutation(len(values))
    for name, found in zip(order, ct_slices(values, **others), strict=True):
        save(found, folder / f"IM{name:04}.dcm")
    return folder
