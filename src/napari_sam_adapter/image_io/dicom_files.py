"""DICOM files as such: which ones there are, and what is read of a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.lazy_array import unreadable
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = ".dcm", ".dicom", ".ima"
INSTALL = 'pip install "napari-sam-adapter[medical]"'
TAGS = (
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality"),
    *("TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber"),
    *("NumberOfFrames", "FrameTime", "Rows", "Columns", "ModalityLUTSequence"),
    *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored"),
    *("PixelRepresentation", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "RescaleSlope"),
    *("RescaleIntercept", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
"""What is read of a header: nothing about the patient."""
_MARK, _MARK_AT = b"DICM", 128
_LOOKED_AT = 100


def is_dicom(path: Path) -> bool:
    """Tell whether a file is marked as DICOM.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    bool
        False if it cannot be read, too.
    """
    try:
        if not path.is_file():  # a pipe would wait
            return False
        with path.open("rb") as file:
            file.seek(_MARK_AT)
            return file.read(len(_MARK)) == _MARK
    except OSError:
        return False


def holds_dicom(folder: Path) -> bool:
    """Tell whether files right in a folder are marked as DICOM.

    Parameters
    ----------
    folder : Path
        Any folder.

    Returns
    -------
    bool
        Whether one of a hundred is, those named so first. False if it cannot be read.
    """
    try:
        paths = sorted(folder.iterdir(), key=_is_named_otherwise)
    except OSError:
        return False
    return any(is_dicom(path) for path in paths[:_LOOKED_AT])


def _is_named_otherwise(path: Path) -> bool:
    return not path.name.lower().endswith(SUFFIXES)


def read_header(path: Path) -> Any:
    """Read what is needed of a header.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pydicom.Dataset
        With some of `TAGS`.

    Raises
    ------
    ImageError
        If pydicom is missing, or this is no DICOM file, or a broken one.
    """
    pydicom = load_pydicom()
    if not is_dicom(path):
        raise ImageError(
            f"Expected a DICOM file, but {path} is none: it lacks the mark DICM. Check "
            "that it is whole and of the kind its name says."
        )
    try:
        with without_warnings():  # about details of values that are not used
            return pydicom.dcmread(
                path, specific_tags=list(TAGS), stop_before_pixels=True
            )
    except Exception as error:  # pydicom raises anything on damaged files
        raise ImageError(unreadable(path, error)) from error


def load_pydicom() -> Any:
    """Return the module ``pydicom``.

    Returns
    -------
    module
        With ``pydicom.pixels``.

    Raises
    ------
    ImageError
        If it is not installed.
    """
    try:
        import pydicom.pixels
    except ImportError as missing:
        raise ImageError(
            f"Expected pydicom for DICOM files, but it is not installed. Run: {INSTALL}"
        ) from missing
    return pydicom
