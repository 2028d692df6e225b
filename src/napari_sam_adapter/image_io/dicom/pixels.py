"""Pixels of DICOM slices: out of their files, and as the values that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom.files import load_pydicom, stamp_of
from napari_sam_adapter.image_io.dicom.headers import INSTALL_DECODERS, Slice
from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    import numpy.typing as npt

LEAST_SHIFT = -1024
"""Of Hounsfield units."""
HALF = 2**31
"""Numbers from here on do not fit into 32 bits."""


class SlicePixels:
    """Values of slices (T, Z), each read when it is asked for.

    Parameters
    ----------
    table : (T, Z) object array
        Of `Slice`, all of a kind.

    Raises
    ------
    ImageError
        If no type holds all values.
    """

    def __init__(self, table: npt.NDArray[Any]) -> None:
        self._table = table
        self.shape: tuple[int, ...] = (*table.shape, *table[0, 0].shape)
        self.dtype = _value_type(list(table.flat))

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
        stored = _plain(one)
        stored = _decoded(one) if stored is None else stored
        if stored.shape != one.shape or stored.dtype.kind != one.dtype.kind:
            raise ImageError(
                f"Expected {one.shape} pixels of {one.dtype}, got {stored.shape} of "
                f"{stored.dtype} from {one.path}. Its header is wrong."
            )
        return stored if len(one.shape) > 2 else self._meant(stored, one)

    def _meant(self, stored: npt.NDArray[Any], one: Slice) -> npt.NDArray[Any]:
        """Return the values that numbers of a file mean."""
        values: npt.NDArray[Any] = stored.astype(self._wide(one))
        if one.is_inverted:
            values = sum(number_range(one)) - values
        number = float if self.dtype.kind == "f" else int
        if one.slope != 1:
            values *= number(one.slope)
        if one.intercept:
            values += number(one.intercept)
        if self.dtype.kind != "f":
            limits = np.iinfo(self.dtype)
            np.clip(values, limits.min, limits.max, out=values)
        return values.astype(self.dtype, copy=False)

    def _wide(self, one: Slice) -> np.dtype[Any]:
        """Return a type in which values can be computed."""
        if self.dtype.kind == "f":
            return np.dtype(np.float64)
        if self.dtype == np.uint64:  # which is kept as it is, or turned over
            return self.dtype
        farthest = 256**one.dtype.itemsize * max(abs(one.slope), 1)
        is_small = 2 * farthest + abs(one.intercept) < HALF
        return np.dtype(np.int32 if is_small else np.int64)


def _plain(one: Slice) -> npt.NDArray[Any] | None:
    """Return the numbers that are in the file as they are; None if they are not."""
    if one.pixels is None:
        return None
    count, size = one.shape[0] * one.shape[1], one.dtype.itemsize
    try:
        with one.path.open("rb") as file:
            if stamp_of(file) != one.pixels.stamp:
                return None
            file.seek(one.pixels.start + one.frame * count * size)
            found = np.fromfile(file, one.dtype.newbyteorder("<"), count)
    except OSError:  # is told by what decodes it
        return None
    if len(found) != count:
        return None
    stored = found.astype(one.dtype, copy=False).reshape(one.shape)
    unused = 8 * size - one.bits
    if unused:
        stored <<= unused
        stored >>= unused
    return stored


def _decoded(one: Slice) -> npt.NDArray[Any]:
    """Return the numbers in the file; colours as red, green and blue."""
    pydicom = load_pydicom()
    header = pydicom.Dataset()
    try:
        with without_warnings():
            source = pydicom.dcmread(one.path) if one.is_read_whole else one.path
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


def number_range(one: Slice) -> tuple[int, int]:
    """Return the smallest and the largest number that the file can hold.

    Parameters
    ----------
    one : Slice
        One image of a file.

    Returns
    -------
    tuple of int
        Both of them.
    """
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
    ends = [
        end * int(s.slope) + int(s.intercept) for s in slices for end in number_range(s)
    ]
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
