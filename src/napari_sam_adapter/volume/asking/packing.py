"""Arrays made small: for the history in memory and the journal on disk."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam_adapter.boxed_mask import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box, BoxedMask

MOST_SHARED = 1 << 10
"""Sizes of empty arrays that are remembered compressed."""
FASTEST = 1
"""Compression level; masks and labels shrink a hundredfold even so."""


Plain: TypeAlias = "tuple[tuple[int, ...], str, bytes, Box | None]"
"""What a packed array is made of, for keeping very many: `PackedArray(*plain)`.

Python's search for garbage looks at all objects but numbers, text, bytes, arrays, and
plain tuples of those.
"""


@dataclass(frozen=True, slots=True)
class PackedArray:
    """A compressed array that never changes.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : str
        Its type with byte order, as in ``"<i4"``.
    data : bytes
        Its compressed values in C order; truth values as one bit each.
    box : (row_start, column_start, row_stop, column_stop) or None
        Half-open. If given, only the values inside are there, and all others are 0.
    """

    shape: tuple[int, ...]
    dtype: str
    data: bytes
    box: tuple[int, int, int, int] | None = None

    @property
    def plain(self) -> Plain:
        """All of it, see `Plain`."""
        return self.shape, self.dtype, self.data, self.box

    @classmethod
    def of(
        cls, array: npt.NDArray[Any], box: tuple[int, int, int, int] | None = None
    ) -> PackedArray:
        """Compress an array.

        Parameters
        ----------
        array : array
            Numbers or truth values.
        box : (row_start, column_start, row_stop, column_stop) or None
            Half-open, of a plane that is 0 outside of it: nobody looks there.

        Returns
        -------
        PackedArray
            An exact, independent copy.
        """
        return cls(*packed(array, box))

    @classmethod
    def of_mask(cls, mask: BoxedMask) -> PackedArray:
        """Compress a mask.

        Parameters
        ----------
        mask : BoxedMask
            Any mask.

        Returns
        -------
        PackedArray
            An exact, independent copy.
        """
        data = zlib.compress(np.packbits(mask.pixels).tobytes(), FASTEST)
        return cls(mask.shape, np.dtype(bool).str, data, mask.box)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> PackedArray:
        """Return what `to_json` wrote.

        Parameters
        ----------
        values : mapping
            Shape, type and values.

        Returns
        -------
        PackedArray
            The array.
        """
        data = base64.b64decode(values["zlib"])
        box = tuple(values["box"]) if "box" in values else None
        return cls(tuple(values["shape"]), values["dtype"], data, box)

    def to_json(self) -> dict[str, Any]:
        """Return the array as values that JSON can hold.

        Returns
        -------
        dict
            Shape, type and values.
        """
        data = base64.b64encode(self.data).decode("ascii")
        values = {"shape": list(self.shape), "dtype": self.dtype, "zlib": data}
        return values if self.box is None else values | {"box": list(self.box)}

    def unpack(self) -> npt.NDArray[Any]:
        """Return the array, read-only.

        Returns
        -------
        array
            Exactly what was packed.
        """
        if self.box is None:
            return self._values(self.shape)
        top, left, bottom, right = self.box
        array = np.zeros(self.shape, self.dtype)
        array[slices_of(self.box)] = self._values((bottom - top, right - left))
        array.flags.writeable = False
        return array

    def unpack_mask(self) -> BoxedMask:
        """Return the mask of a plane.

        Returns
        -------
        BoxedMask
            Exactly what was packed.
        """
        rows, columns = self.shape
        top, left, bottom, right = box = self.box or (0, 0, rows, columns)
        pixels = self._values((bottom - top, right - left))
        return place(pixels, box, (rows, columns))

    def unpack_part(self, part: tuple[int, int, int, int]) -> npt.NDArray[Any]:
        """Return the values of a plane in a box; costs no more than both boxes.

        Parameters
        ----------
        part : (row_start, column_start, row_stop, column_stop)
            Half-open, inside the plane.

        Returns
        -------
        (h, w) array
            Exactly what was packed there.
        """
        own = self.box or (0, 0, *self.shape)
        values = np.zeros((part[2] - part[0], part[3] - part[1]), self.dtype)
        top, left = max(own[0], part[0]), max(own[1], part[1])
        bottom, right = min(own[2], part[2]), min(own[3], part[3])
        if top < bottom and left < right:
            known = self._values((own[2] - own[0], own[3] - own[1]))
            there = top - own[0], left - own[1], bottom - own[0], right - own[1]
            here = top - part[0], left - part[1], bottom - part[0], right - part[1]
            values[slices_of(here)] = known[slices_of(there)]
        return values

    def _values(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        data = zlib.decompress(self.data)
        if np.dtype(self.dtype) == bool:
            bits = np.frombuffer(data, dtype=np.uint8)
            data = np.unpackbits(bits, count=math.prod(shape)).tobytes()
        return np.frombuffer(data, dtype=self.dtype).reshape(shape)


def packed(array: npt.NDArray[Any], box: Box | None = None) -> Plain:
    """Compress an array.

    Parameters
    ----------
    array, box
        As for `PackedArray.of`.

    Returns
    -------
    Plain
        What that is made of.
    """
    if box is None and array.dtype != bool and not array.any():
        return array.shape, array.dtype.str, _nothing(array.nbytes), None
    part = array if box is None else array[slices_of(box)]
    values = np.packbits(part) if array.dtype == bool else part
    data = zlib.compress(values.tobytes(), FASTEST)
    return array.shape, array.dtype.str, data, box


@lru_cache(MOST_SHARED)
def _nothing(size: int) -> bytes:
    """Return so many zeros, compressed: what is under most new masks."""
    return zlib.compress(bytes(size), FASTEST)


def slices_of(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """Return a box as rows and columns of a plane.

    Parameters
    ----------
    box : (row_start, column_start, row_stop, column_stop)
        Half-open.

    Returns
    -------
    rows, columns : slice
        For indexing.
    """
    return slice(box[0], box[2]), slice(box[1], box[3])
