"""DICOM series as volumes; needs pydicom, from the extra ``medical``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom_files import load_pydicom
from napari_sam_adapter.image_io.dicom_headers import INSTALL_DECODERS, Slice
from napari_sam_adapter.image_io.dicom_places import Arrangement, arrange
from napari_sam_adapter.image_io.dicom_series import DicomSeries, read_series
from napari_sam_adapter.image_io.lazy_array import LazyArray
from napari_sam_adapter.image_io.opened_image import OpenedImage, describe
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

LEAST_SHIFT = -1024
"""Of Hounsfield units."""
FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts towards the patient's left and back, NIfTI to the right and front."""


def open_dicom(path: Path) -> OpenedImage:
    """Open a DICOM series with its axes as (t,) z, y, x.

    Parameters
    ----------
    path : Path
        A file, which stands for all of its series in the same folder, or a folder with
        one series.

    Returns
    -------
    OpenedImage
        Slices in the order of their places in the patient, read one by one. Values
        with slope and intercept applied, as whole numbers where these are whole; the
        largest is the brightest.

    Raises
    ------
    ImageError
        If pydicom or a decoder is missing, there is no image, there are several series,
        or a file is broken.
    """
    series = read_series(path)
    slices = list(series.slices)
    arranged = arrange(slices, path)
    first = arranged.table[0, 0]
    pixels = _Slices(arranged.table, _value_type(slices))
    is_film = series.frame_time > 0 and not first.corner and pixels.shape[0] == 1
    axes = ("utyx" if is_film else "tzyx") + "s" * (len(first.shape) - 2)
    image = describe(
        LazyArray(pixels, str(path)),
        axes,
        _sizes(first, arranged.gap, series),
        path,
        _affine(first, arranged),
    )
    is_alone = path.is_dir() or len({one.path for one in slices}) == 1
    name = path.name if is_alone else path.parent.name
    problems = series.problem, _table_told(slices), arranged.problem
    window = _window(arranged.table[:, arranged.table.shape[1] // 2][0])
    return replace(
        image,
        name=name or path.name,
        problem=" ".join(filter(None, problems)),
        window=window,
        parts=frozenset(one.absolute() for one in series.paths),
    )


class _Slices:
    """Pixels of slices (T, Z), each read when it is asked for."""

    def __init__(self, table: npt.NDArray[Any], dtype: np.dtype[Any]) -> None:
        self._table = table
        self.shape: tuple[int, ...] = (*table.shape, *table[0, 0].shape)
        self.dtype = dtype

    def __getitem__(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        wanted: Any = self._table[key[:2]]
        if isinstance(wanted, Slice):
            return self._read(wanted)[key[2:]]
        inside = np.broadcast_to(0, self.shape[2:])[key[2:]].shape
        out = np.empty((*wanted.shape, *inside), self.dtype)
        for place in np.ndindex(wanted.shape):
            out[place] = self._read(wanted[place])[key[2:]]
        return out

    def _read(self, one: Slice) -> npt.NDArray[Any]:
        stored = _stored(one)
        if stored.shape != one.shape or stored.dtype.kind != one.dtype.kind:
            raise ImageError(
                f"Expected {one.shape} pixels of {one.dtype}, got {stored.shape} of "
                f"{stored.dtype} from {one.path}. Its header is wrong."
            )
        if len(one.shape) > 2:
            return stored
        is_whole = self.dtype.kind != "f"
        values: npt.NDArray[Any] = stored.astype(np.int64 if is_whole else np.float64)
        if self.dtype == np.uint64:  # which is kept as it is, or turned over
            values = stored
        if one.is_inverted:
            values = sum(_range(one)) - values
        if (one.slope, one.intercept) != (1, 0):
            number = int if is_whole else float
            values = values * number(one.slope) + number(one.intercept)
        if is_whole:
            limits = np.iinfo(self.dtype)
            values = np.clip(values, limits.min, limits.max)
        return values.astype(self.dtype)


def _stored(one: Slice) -> npt.NDArray[Any]:
    """Return the numbers in the file; colours as red, green and blue."""
    pydicom = load_pydicom()
    header = pydicom.Dataset()
    try:
        with without_warnings():
            source = pydicom.dcmread(one.path) if one.is_zipped else one.path
            stored = pydicom.pixels.pixel_array(source, index=one.frame, ds_out=header)
    except Exception as error:  # of one of several libraries
        reason = " ".join(str(error).split())[:200]
        tip = "Check that the file is whole."
        if "decode" in reason:
            tip += f" For more kinds of compression run: {INSTALL_DECODERS}"
        raise ImageError(
            f"Expected pixels that can be decoded, got from {one.path}: {reason}. {tip}"
        ) from error
    if one.photometric == "PALETTE COLOR":
        stored = pydicom.pixels.apply_color_lut(stored, header)
        stored = stored >> 8 if stored.dtype == np.uint16 else stored
    return np.asarray(stored)


def _range(one: Slice) -> tuple[int, int]:
    """Return the smallest and the largest number that the file can hold."""
    if one.dtype.kind == "i":
        return -(2 ** (one.bits - 1)), 2 ** (one.bits - 1) - 1
    return 0, 2**one.bits - 1


def _value_type(slices: list[Slice]) -> np.dtype[Any]:
    """Return a type that holds all values; whole ones exactly."""
    one = slices[0]
    if len(one.shape) > 2 or one.dtype.kind == "f":
        return one.dtype
    scales = {(s.slope, s.intercept) for s in slices}
    if scales == {(1, 0)}:
        return one.dtype
    if not all(float(number).is_integer() for scale in scales for number in scale):
        return np.dtype(np.float32 if one.dtype.itemsize <= 2 else np.float64)
    ends = [end * int(s.slope) + int(s.intercept) for s in slices for end in _range(s)]
    low, high = min(ends), max(ends)
    if one.dtype == np.int16 and all(s == 1 and i >= LEAST_SHIFT for s, i in scales):
        low = max(low, -(2**15))  # what surrounds a scan is cut there
    half = max(-low, high + 1)  # of a range around zero
    for size in (2, 4, 8):
        if half <= 256**size // 2:
            return np.dtype(f"i{size}")
    raise ImageError(
        f"Expected values that fit into 64 bits, got {low} to {high} from {one.path}, "
        "by its slope and intercept. Save it with fewer bits."
    )


def _table_told(slices: list[Slice]) -> str:
    if not any(one.is_tabled for one in slices):
        return ""
    return "The file has a table of values (Modality LUT), which is not applied."


def _sizes(one: Slice, gap: float, series: DicomSeries) -> dict[str, tuple[float, str]]:
    sizes = {"t": (series.frame_time, "ms")} if series.frame_time else {}
    if one.spacing:
        sizes |= {"y": (one.spacing[0], "mm"), "x": (one.spacing[1], "mm")}
        sizes |= {"z": (gap, "mm")} if gap else {}
    return sizes


def _affine(one: Slice, arranged: Arrangement) -> npt.NDArray[np.float64] | None:
    """Return the matrix from (x, y, z) to the patient, as NIfTI counts."""
    if arranged.step is None or not one.spacing:
        return None
    affine = np.eye(4)
    affine[:3, 0] = np.multiply(one.directions[:3], one.spacing[1])
    affine[:3, 1] = np.multiply(one.directions[3:], one.spacing[0])
    affine[:3, 2] = arranged.step
    affine[:3, 3] = one.corner
    return FROM_LPS @ affine


def _window(one: Slice) -> tuple[float, float] | None:
    if not one.window or len(one.shape) > 2:
        return None
    low, high = one.window
    total = sum(_range(one)) if one.is_inverted else 0
    return (total - high, total - low) if one.is_inverted else (low, high)
