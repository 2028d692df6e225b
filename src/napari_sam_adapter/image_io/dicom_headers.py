"""Headers of DICOM files: which images there are, and how their numbers are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom_files import (
    is_dicom,
    load_pydicom,
    read_header,
)
from napari_sam_adapter.image_io.lazy_array import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

INSTALL_DECODERS = 'pip install "pylibjpeg[all]"'
NO_IMAGES = "SEG", "RTDOSE"
"""Modalities with pixels that are no picture."""


@dataclass(frozen=True)
class Slice:
    """One image of a DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    frame : int
        Its place in the file.
    number : int
        Its place in the series, as the scanner counts.
    shape : tuple of int
        Rows, columns, and 3 if it is a colour image.
    dtype : dtype
        Of the numbers in the file; of colours of a palette, uint8.
    bits : int
        That the numbers in the file use.
    photometric : str
        What they mean.
    corner : tuple of float
        Where the middle of the first pixel is in the patient, in mm; empty if unknown.
    directions : tuple of float
        Of rows, then of columns: three numbers each; empty if unknown.
    spacing : tuple of float
        From row to row and from column to column, in mm; empty if unknown.
    thickness : float
        From slice to slice, in mm; 0 if unknown.
    slope, intercept : float
        From numbers in the file to values.
    window : tuple of float
        Values that are shown black and white; empty if unknown.
    """

    path: Path
    frame: int
    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: int
    photometric: str
    corner: tuple[float, ...] = ()
    directions: tuple[float, ...] = ()
    spacing: tuple[float, ...] = ()
    thickness: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, ...] = ()

    @property
    def is_inverted(self) -> bool:
        """Whether its largest number is black."""
        return self.photometric == "MONOCHROME1"


@dataclass(frozen=True)
class DicomSeries:
    """Images that were taken together.

    Parameters
    ----------
    description : str
        What the scanner calls them.
    slices : tuple of Slice
        At least one.
    frame_time : float
        Milliseconds from one image to the next; 0 if they are no film.
    """

    description: str
    slices: tuple[Slice, ...]
    frame_time: float = 0.0


def read_series(path: Path) -> DicomSeries:
    """Read the headers of a series.

    Parameters
    ----------
    path : Path
        A file of it, whose folder has the others; or a folder that has no other series.

    Returns
    -------
    DicomSeries
        Every image once, in no order.

    Raises
    ------
    ImageError
        If pydicom is missing, there is no image, or there are several series.
    """
    if path.is_dir():
        found = _grouped(_headers(sorted(path.iterdir())))
        if len(found) != 1:
            raise ImageError(_no_single_series(path, found))
        return next(iter(found.values()))
    header = read_header(path)
    if not _is_image(header):
        raise ImageError(
            f"Expected a DICOM file with an image, but {path} has none (modality "
            f"{header.get('Modality', 'unknown')})."
        )
    uid = header.get("SeriesInstanceUID")
    beside = [other for other in sorted(path.parent.iterdir()) if other != path]
    others = ((p, h) for p, h in _headers(beside) if h.SeriesInstanceUID == uid)
    return _series([(path, header), *(others if uid else ())])


def _headers(paths: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    """Give the headers of files that are images and name their series."""
    for path in paths:
        if is_dicom(path):
            header = read_header(path)
            if _is_image(header) and "SeriesInstanceUID" in header:
                yield path, header


def _is_image(header: Any) -> bool:
    return bool(header.get("Rows")) and header.get("Modality") not in NO_IMAGES


def _grouped(headers: Iterator[tuple[Path, Any]]) -> dict[str, DicomSeries]:
    files: dict[str, list[tuple[Path, Any]]] = {}
    for path, header in headers:
        files.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
    return {uid: _series(some) for uid, some in files.items()}


def _series(files: list[tuple[Path, Any]]) -> DicomSeries:
    seen: dict[str, tuple[Path, Any]] = {}
    for path, header in files:  # a file may have been copied
        seen.setdefault(str(header.get("SOPInstanceUID", path)), (path, header))
    slices = [one for path, header in seen.values() for one in _whole(path, header)]
    first = files[0][1]
    return DicomSeries(
        str(first.get("SeriesDescription") or ""),
        tuple(slices),
        float(first.get("FrameTime") or 0),
    )


def _whole(path: Path, header: Any) -> list[Slice]:
    try:
        return list(_slices(path, header))
    except ImageError:
        raise
    except Exception as error:  # what has to be there is not, or is no number
        raise ImageError(unreadable(path, error)) from error


def _slices(path: Path, header: Any) -> Iterator[Slice]:
    count = int(header.get("NumberOfFrames") or 1)
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())
    frames = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    number = int(header.get("InstanceNumber") or 0)
    _check_pixels(path, header)
    for frame in range(count):
        groups = [*frames[frame : frame + 1], *shared]
        # of many frames, those that do not say where they lie are not at one place
        places = [header] if count == 1 else []
        yield _slice(path, header, frame, number + frame, groups, places)


def _slice(
    path: Path, header: Any, frame: int, number: int, groups: list[Any], own: list[Any]
) -> Slice:
    measures = _group(groups, "PixelMeasuresSequence") or header
    values = _group(groups, "PixelValueTransformationSequence") or header
    shown = _group(groups, "FrameVOILUTSequence") or header
    place = _group(groups, "PlanePositionSequence") or (own[0] if own else {})
    turn = _group(groups, "PlaneOrientationSequence") or header
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    is_colour = int(header.get("SamplesPerPixel") or 1) > 1
    is_colour |= photometric == "PALETTE COLOR"
    gap = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    return Slice(
        path,
        frame,
        number,
        (int(header.Rows), int(header.Columns), *([3] if is_colour else [])),
        _stored_type(header, photometric),
        int(header.get("BitsStored") or header.BitsAllocated),
        photometric,
        _numbers(place, "ImagePositionPatient", 3),
        _numbers(turn, "ImageOrientationPatient", 6),
        _numbers(measures, "PixelSpacing", 2),
        abs(float(gap or 0)),
        *_rescaling(values),
        _window(shown),
    )


def _group(groups: list[Any], name: str) -> Any:
    """Return the first item of a sequence of a frame, or of all frames."""
    return next((group[name].value[0] for group in groups if group.get(name)), None)


def _numbers(place: Any, name: str, count: int) -> tuple[float, ...]:
    found = tuple(float(value) for value in place.get(name) or ())
    return found if len(found) == count and np.isfinite(found).all() else ()


def _rescaling(values: Any) -> tuple[float, float]:
    slope, intercept = values.get("RescaleSlope"), values.get("RescaleIntercept")
    return (1.0 if slope is None else float(slope)), float(intercept or 0)


def _window(shown: Any) -> tuple[float, ...]:
    center, width = (
        next(iter(np.atleast_1d(value)), None)
        for value in (shown.get("WindowCenter"), shown.get("WindowWidth"))
    )
    if center is None or width is None or float(width) <= 0:
        return ()
    return float(center) - float(width) / 2, float(center) + float(width) / 2


def _stored_type(header: Any, photometric: str) -> np.dtype[Any]:
    if photometric == "PALETTE COLOR":
        return np.dtype(np.uint8)
    size = max(1, int(header.BitsAllocated) // 8)
    if size >= 4 and "PixelRepresentation" not in header:  # which only integers have
        return np.dtype(f"f{size}")
    return np.dtype(f"{'i' if header.get('PixelRepresentation') else 'u'}{size}")


def _check_pixels(path: Path, header: Any) -> None:
    """Raise unless the pixels are there and can be decoded with what is installed."""
    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        bits = int(header.Rows) * int(header.Columns) * int(header.BitsAllocated)
        if path.stat().st_size < bits // 8 * int(header.get("NumberOfFrames") or 1):
            raise ImageError(f"Expected a whole DICOM file, but {path} is cut off.")
        return
    try:
        is_available = load_pydicom().pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        is_available = False
    if not is_available:
        raise ImageError(
            f"Expected pixels that can be decoded, but those of {path} are compressed "
            f"({syntax.name}). Run: {INSTALL_DECODERS}"
        )


def _no_single_series(folder: Path, found: dict[str, DicomSeries]) -> str:
    if not found:
        return f"Expected DICOM images in the folder {folder}, got none."
    listed = ", ".join(
        f"{series.description or 'without a name'} ({series.slices[0].path.name}, "
        f"{len(series.slices)})"
        for series in found.values()
    )
    return (
        f"Expected a folder with one DICOM series, got {len(found)} in {folder}: "
        f"{listed}. Give a file of the one you want; it stands for its series."
    )
