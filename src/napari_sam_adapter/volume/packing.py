"""Arrays made small: for the history in memory and the journal on disk."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

FASTEST = 1
"""Compression level; masks and labels shrink a hundredfold even so."""


@dataclass(frozen=True)
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
    """

    shape: tuple[int, ...]
    dtype: str
    data: bytes

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> PackedArray:
        """Compress an array.

        Parameters
        ----------
        array : array
            Numbers or truth values.

        Returns
        -------
        PackedArray
            An exact, independent copy.
        """
        values = np.packbits(array) if array.dtype == bool else array
        data = zlib.compress(values.tobytes(), FASTEST)
        return cls(array.shape, array.dtype.str, data)

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
        return cls(tuple(values["shape"]), values["dtype"], data)

    def to_json(self) -> dict[str, Any]:
        """Return the array as values that JSON can hold.

        Returns
        -------
        dict
            Shape, type and values.
        """
        data = base64.b64encode(self.data).decode("ascii")
        return {"shape": list(self.shape), "dtype": self.dtype, "zlib": data}

    def unpack(self) -> npt.NDArray[Any]:
        """Return the array, read-only.

        Returns
        -------
        array
            Exactly what was packed.
        """
        data = zlib.decompress(self.data)
        if np.dtype(self.dtype) == bool:
            bits = np.frombuffer(data, dtype=np.uint8)
            data = np.unpackbits(bits, count=math.prod(self.shape)).tobytes()
        return np.frombuffer(data, dtype=self.dtype).reshape(self.shape)
