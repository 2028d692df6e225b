"""DICOM files as such: which ones there are, and what is read of a header."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.lazy_array import unreadable
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

SUFFIXES = ".dcm", ".dicom", ".ima"
INSTALL = 'pip install "napari-sam-adapter[medical]"'
TAGS = (
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality"),
    *("TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber"),
    *("NumberOfFrames", "FrameTime", "Rows", "Columns", "ModalityLUTSequence"),
    *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored"),
    *("PixelRepresentation", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "RescaleSlope"),
    *("RescaleIntercept", "HighBit", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
"""What is read of a header: nothing about the patient."""
_MARK, _MARK_AT = b"DICM", 128
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
"""Ways to write a file in which pixels are as they are, the lowest byte first."""
_PIXELS, _KINDS = b"\xe0\x7f\x10\x00", (b"OW", b"OB", b"OF", b"OD")


class FileStamp(NamedTuple):
    """What tells that a file is the one it was.

    Attributes
    ----------
    size : int
        In bytes.
    time : int
        Of its last change, in nanoseconds.
    noted : int
        When the disk noted a change of any kind, in nanoseconds.
    number : int
        Of the file on its disk.
    """

    size: int
    time: int
    noted: int
    number: int


class Pixels(NamedTuple):
    """Where the pixels of a file are.

    Attributes
    ----------
    start : int
        Byte of the first one; -1 if they are not there as they are.
    length : int
        In bytes.
    stamp : FileStamp
        Of the file when this was found.
    is_as_said : bool
        Whether the file is written in the way that it tells.
    """

    start: int
    length: int
    stamp: FileStamp
    is_as_said: bool = True


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
        return has_mark(path)
    except OSError:
        return False


def has_mark(path: Path) -> bool:
    """Tell whether a file is marked as DICOM, if it can be read.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    bool
        False if it is no file, too.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not path.is_file():  # a pipe would wait
        return False
    with path.open("rb") as file:
        file.seek(_MARK_AT)
        return file.read(len(_MARK)) == _MARK


def holds_dicom(folder: Path, looks: Iterable[object] = range(100)) -> bool:
    """Tell whether files right in a folder are marked as DICOM.

    Parameters
    ----------
    folder : Path
        Any folder.
    looks : iterable
        As many files are looked into at most; default 100.

    Returns
    -------
    bool
        Whether one of these is, those named so first. False if it cannot be read.
    """
    try:
        paths = sorted(folder.iterdir(), key=_is_named_otherwise)
    except OSError:
        return False
    return any(is_dicom(path) for path, _ in zip(paths, looks, strict=False))


def _is_named_otherwise(path: Path) -> bool:
    return not path.name.lower().endswith(SUFFIXES)


def read_header(path: Path) -> tuple[Any, Pixels]:
    """Read what is needed of a header.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pydicom.Dataset
        With some of `TAGS`.
    Pixels
        Where its pixels are.

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
        # warnings are about details of values that are not used
        with without_warnings(), path.open("rb") as file:
            header = pydicom.dcmread(
                file, specific_tags=list(TAGS), stop_before_pixels=True
            )
            return header, _pixels(file, header)
    except Exception as error:  # pydicom raises anything on damaged files
        raise ImageError(unreadable(path, error)) from error


def stamp_of(file: BinaryIO | Path) -> FileStamp:
    """Return what tells a file from what was there before.

    Parameters
    ----------
    file : binary file or Path
        An open one, or where it is.

    Returns
    -------
    FileStamp
        Of this moment.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found = os.stat(file if isinstance(file, os.PathLike) else file.fileno())
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _pixels(file: BinaryIO, header: Any) -> Pixels:
    """Find the pixels in a file that was read up to them."""
    stamp, at = stamp_of(file), file.tell()
    said = header.file_meta.get("TransferSyntaxUID")
    if said not in (_IMPLICIT, _EXPLICIT):
        return Pixels(-1, 0, stamp)
    data = file.read(12)
    # without a kind there is the length, which is even and so begins with no "O"
    is_explicit = data[4:6] in _KINDS
    size = 12 if is_explicit else 8
    length = int.from_bytes(data[size - 4 : size], "little")
    fits = data[:4] == _PIXELS and at + size + length <= stamp.size
    is_as_said = is_explicit == (said == _EXPLICIT)
    return Pixels(at + size if fits else -1, length, stamp, is_as_said)


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
