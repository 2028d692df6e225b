"""Headers of DICOM files: which images there are, and how their numbers are meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom.files import load_pydicom
from napari_sam_adapter.image_io.image.lazy_array import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_adapter.image_io.dicom.files import Pixels

INSTALL_DECODERS = 'pip install "pylibjpeg[all]"'
FILMS = "MPEG", "HEVC"
"""Compressions of films, for which there is no decoder."""
RLE, RLE_RATIO, DEFLATE_RATIO = "1.2.840.10008.1.2.5", 64, 1032
"""A run-length code, and how far it and deflate can compress at most."""
PLAIN = "MONOCHROME1", "MONOCHROME2"
"""What single numbers of grey mean."""
RIGHT = 0.01
"""How far directions may be from length one and a right angle."""


@dataclass(frozen=True)
class Slice:
    """One image of a DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    frame : int
        Its place in the file.
    moment : tuple of int
        When it was taken, as the scanner counts: time, acquisition, image.
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
    is_tabled : bool
        Whether a table tells the values instead.
    is_read_whole : bool
        Whether the file has to be, as it is zipped or not written in the way it says.
    window : tuple of float
        Values that are shown black and white; empty if unknown.
    pixels : Pixels or None
        Where the numbers are in the file as they are; None if they have to be decoded.
    """

    path: Path
    frame: int
    moment: tuple[int, int, int]
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
    is_tabled: bool = False
    is_read_whole: bool = False
    window: tuple[float, ...] = ()
    pixels: Pixels | None = None

    @property
    def has_place(self) -> bool:
        """Whether it tells where in the patient it lies."""
        return bool(self.corner and self.directions)

    @property
    def is_inverted(self) -> bool:
        """Whether its largest number is black; values with a meaning stay."""
        is_plain = (self.slope, self.intercept, self.is_tabled) == (1, 0, False)
        return self.photometric == "MONOCHROME1" and is_plain and self.dtype.kind != "f"


def slices_of(path: Path, header: Any, pixels: Pixels) -> list[Slice]:
    """Return the images of a file, in its order.

    Parameters
    ----------
    path : Path
        The file.
    header : pydicom.Dataset
        Its header.
    pixels : Pixels
        Where its pixels are.

    Returns
    -------
    list of Slice
        One for each frame.

    Raises
    ------
    ImageError
        If something that has to be there is not, is nonsense, or cannot be decoded.
    """
    try:
        return list(_slices(path, header, pixels))
    except ImageError:
        raise
    except Exception as error:  # what has to be there is not, or is no number
        raise ImageError(unreadable(path, error)) from error


def frame_count(header: Any) -> int:
    """Return how many images a file has.

    Parameters
    ----------
    header : pydicom.Dataset
        Its header.

    Returns
    -------
    int
        As it says.
    """
    return int(header.get("NumberOfFrames") or 1)


def tells_places(header: Any) -> bool:
    """Tell whether the images of a file say where in the patient they lie.

    Parameters
    ----------
    header : pydicom.Dataset
        Its header.

    Returns
    -------
    bool
        Of several frames, whether each does.
    """
    if frame_count(header) == 1 and header.get("ImagePositionPatient"):
        return True
    frames = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    return len(frames) > 0 and "PlanePositionSequence" in frames[0]


def _slices(path: Path, header: Any, pixels: Pixels) -> Iterator[Slice]:
    _check_pixels(path, header, pixels.stamp.size)
    _check_bits(path, header)
    plain = pixels if _are_plain(header, pixels) else None
    is_zipped = header.file_meta.TransferSyntaxUID.is_deflated
    is_read_whole = is_zipped or not pixels.is_as_said
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())
    frames = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    for frame in range(frame_count(header)):
        groups = [*frames[frame : frame + 1], *shared]
        one = _slice(path, header, frame, groups)
        yield replace(one, pixels=plain, is_read_whole=is_read_whole)


def _are_plain(header: Any, pixels: Pixels) -> bool:
    """Tell whether numbers can be taken out of a file as they are."""
    allocated = int(header.BitsAllocated)
    count = int(header.Rows) * int(header.Columns) * frame_count(header)
    return (
        pixels.start >= 0
        and header.get("PhotometricInterpretation") in PLAIN
        and header.get("SamplesPerPixel") == 1
        and header.get("PixelRepresentation") in (0, 1)
        and allocated in (8, 16, 32, 64)
        and 0 < int(header.get("BitsStored") or 0) <= allocated
        and -(-count * allocated // 16) * 2 == pixels.length  # an even number
    )


def _slice(path: Path, header: Any, frame: int, groups: list[Any]) -> Slice:
    measures = _group(groups, "PixelMeasuresSequence") or header
    values = _group(groups, "PixelValueTransformationSequence") or header
    shown = _group(groups, "FrameVOILUTSequence") or header
    turn = _group(groups, "PlaneOrientationSequence") or header
    # of many frames, those that do not say where they lie are not at one place
    own = header if frame_count(header) == 1 else {}
    place = _group(groups, "PlanePositionSequence") or own
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    is_colour = int(header.get("SamplesPerPixel") or 1) > 1
    is_colour |= photometric == "PALETTE COLOR"
    gap = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    shape = [int(header.Rows), int(header.Columns), 3][: 3 if is_colour else 2]
    spacing = _numbers(measures, "PixelSpacing", 2)
    slope, intercept = _scale(path, values)
    return Slice(
        path=path,
        frame=frame,
        moment=(
            int(header.get("TemporalPositionIdentifier") or 0),
            int(header.get("AcquisitionNumber") or 0),
            int(header.get("InstanceNumber") or 0),
        ),
        shape=tuple(shape),
        dtype=_stored_type(header, photometric),
        bits=int(header.get("BitsStored") or header.BitsAllocated),
        photometric=photometric,
        corner=_numbers(place, "ImagePositionPatient", 3),
        directions=_directions(turn),
        spacing=spacing if spacing and min(spacing) > 0 else (),
        thickness=abs(float(gap or 0)),
        slope=slope,
        intercept=intercept,
        is_tabled="ModalityLUTSequence" in header,
        window=_window(shown),
    )


def _group(groups: list[Any], name: str) -> Any:
    """Return the first item of a sequence of a frame, or of all frames."""
    return next((group[name].value[0] for group in groups if group.get(name)), None)


def _numbers(place: Any, name: str, count: int) -> tuple[float, ...]:
    value = place.get(name)
    found = () if value is None else tuple(map(float, np.atleast_1d(value)))
    return found if len(found) == count and np.isfinite(found).all() else ()


def _scale(path: Path, values: Any) -> tuple[float, float]:
    """Return slope and intercept."""
    slope = values.get("RescaleSlope")
    found = 1.0 if slope is None else float(slope)
    shift = float(values.get("RescaleIntercept") or 0)
    if not np.isfinite((found, shift)).all():
        raise ImageError(
            f"Expected numbers as slope and intercept, got {found} and {shift} from "
            f"{path}. Its header is wrong."
        )
    return found, shift


def _directions(turn: Any) -> tuple[float, ...]:
    found = _numbers(turn, "ImageOrientationPatient", 6)
    both = np.reshape(found, (-1, 3))
    is_right = len(both) and np.allclose(both @ both.T, np.eye(2), atol=RIGHT)
    return found if is_right else ()


def _window(shown: Any) -> tuple[float, ...]:
    centers, widths = (
        np.atleast_1d(shown.get(name)) for name in ("WindowCenter", "WindowWidth")
    )
    if None in (centers[0], widths[0]):
        return ()
    center, width = float(centers[0]), float(widths[0])
    low, high = center - width / 2, center + width / 2
    return (low, high) if -np.inf < low < high < np.inf else ()


def _stored_type(header: Any, photometric: str) -> np.dtype[Any]:
    if photometric == "PALETTE COLOR":
        return np.dtype(np.uint8)
    size = max(1, int(header.BitsAllocated) // 8)
    if size >= 4 and "PixelRepresentation" not in header:  # which only integers have
        return np.dtype(f"f{size}")
    return np.dtype(f"{'i' if header.get('PixelRepresentation') else 'u'}{size}")


def _check_pixels(path: Path, header: Any, file_size: int) -> None:
    """Raise unless the pixels are there and can be decoded with what is installed."""
    syntax, frames = header.file_meta.TransferSyntaxUID, frame_count(header)
    bits = int(header.Rows) * int(header.Columns) * int(header.BitsAllocated)
    ratio = RLE_RATIO if syntax == RLE else DEFLATE_RATIO if syntax.is_deflated else 1
    is_known = ratio > 1 or not syntax.is_compressed  # others have no such limit
    least = max(frames, bits * frames / 8 / ratio if is_known else 0)
    if frames < 1 or file_size < least:
        raise ImageError(
            f"Expected a whole DICOM file, but {path} is cut off: its header tells of "
            "more pixels than it can hold. Copy it again."
        )
    if syntax.is_compressed and not _can_decode(syntax):
        is_film = any(word in syntax.name for word in FILMS)
        tip = "Save it in another way." if is_film else f"Run: {INSTALL_DECODERS}"
        raise ImageError(
            f"Expected pixels that can be decoded, but those of {path} are compressed "
            f"({syntax.name}). {tip}"
        )


def _check_bits(path: Path, header: Any) -> None:
    """Raise if numbers do not end at the lowest bit, where they are read."""
    bits = int(header.get("BitsStored") or header.BitsAllocated)
    highest = int(header.get("HighBit") or 0)
    if highest >= bits:
        raise ImageError(
            f"Expected bit {bits - 1} as the highest of {bits} (HighBit), but {path} "
            f"tells {highest}. Convert it to NIfTI or TIFF with the program it is from."
        )


def _can_decode(syntax: Any) -> bool:
    try:
        return bool(load_pydicom().pixels.get_decoder(syntax).is_available)
    except NotImplementedError:
        return False
