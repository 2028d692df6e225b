"""Where every object lies, how large it is, and when it changed last."""

from __future__ import annotations

import struct
from itertools import product
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import NOWHERE, Box
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.volume.document.changes import union_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.written import Region
    from napari_sam_adapter.volume.planes.plane import Plane

_LARGEST = int(np.iinfo(np.uint32).max)
FEW_LABELS = 1 << 20
"""Below this, labels are counted with one number per label: no sorting."""


class Part(NamedTuple):
    """The pixels of an object on one slice along the last two axes.

    Parameters
    ----------
    voxels : int
        How many there are.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open; all of them lie inside, but it may be larger than it has to be.
    """

    voxels: int
    box: Box


_NUMBERS = struct.Struct("<5q")
"""A part as bytes: Python's search for garbage does not look at those."""


class Ledger:
    """Sizes and places of all objects, kept up to date change by change.

    Parameters
    ----------
    labels : int array-like of the spatial shape
        Counted once, slice by slice.
    is_empty : bool
        Whether all labels are known to be 0; then nothing is read.
    is_strict : bool
        Whether labels that objects cannot have are refused; else those below 0 are
        passed over.

    Raises
    ------
    ImageError
        If a label is negative or needs more than 32 bits, where that is refused.
    """

    def __init__(
        self, labels: ArrayLike, is_empty: bool = False, is_strict: bool = False
    ) -> None:
        self._leading = labels.shape[:-2]
        self._parts: dict[int, dict[int, bytes]] = {}
        self._stamps: dict[int, int] = {}
        self.stamp = 0
        if not is_empty:
            for number, place in enumerate(np.ndindex(*self._leading)):
                pixels = np.asarray(labels[place])
                if is_strict:
                    _check(pixels)
                for value, part in _count(pixels):
                    self._parts.setdefault(value, {})[number] = _packed(part)

    @property
    def objects(self) -> list[int]:
        """All labels above 0 that have pixels, in rising order."""
        return sorted(self._parts)

    def parts(self, object_id: int) -> dict[int, Part]:
        """Return the pixels of an object slice by slice.

        Parameters
        ----------
        object_id : int
            Any label.

        Returns
        -------
        dict of int to Part
            By the number of the slice in array order; a copy.
        """
        parts = sorted(self._parts.get(object_id, {}).items())
        return {number: _unpacked(part) for number, part in parts}

    def box_on(self, object_id: int, plane: Plane) -> Box | None:
        """Return a box around an object on a plane without looking.

        Parameters
        ----------
        object_id : int
            Any label.
        plane : Plane
            Along any axes.

        Returns
        -------
        (row_start, column_start, row_stop, column_stop) or None
            As in `Part`, all zero where the object is not; None for planes along other
            axes than the last two, of which nothing is known.
        """
        if not self._is_along_slices(plane):
            return None
        part = self._parts.get(object_id, {}).get(self._number(plane.position))
        return _unpacked(part).box if part else NOWHERE

    def touch(self, object_ids: Iterable[int]) -> None:
        """Note that objects have changed just now.

        Parameters
        ----------
        object_ids : iterable of int
            Which ones.
        """
        for object_id in object_ids:
            self.stamp += 1
            self._stamps.pop(object_id, None)
            self._stamps[object_id] = self.stamp

    def changed_since(self, stamp: int) -> list[int]:
        """Return the objects that changed after a moment.

        Parameters
        ----------
        stamp : int
            Value of `stamp` at that moment.

        Returns
        -------
        list of int
            The newest change first; objects that are gone are among them.
        """
        found = []
        for object_id, changed in reversed(self._stamps.items()):
            if changed <= stamp:
                break
            found.append(object_id)
        return found

    def update(
        self,
        region: tuple[slice, ...],
        before: npt.NDArray[np.integer[Any]],
        after: npt.NDArray[np.integer[Any]],
    ) -> None:
        """Count a change.

        Parameters
        ----------
        region : tuple of slice
            Where in the labels it happened, and no larger than it has to be.
        before, after : int array of the shape of the region
            Labels there.
        """
        rows, columns = region[-2:]
        around = rows.start, columns.start, rows.stop, columns.stop
        starts = [axis.start for axis in region[:-2]]
        for index in product(*map(range, before.shape[:-2])):
            changed = before[index] != after[index]
            if changed.any():
                number = self._number(tuple(map(add, starts, index)))
                lost = before[index][changed]
                if lost.any():
                    self._lose(number, lost)
                self._gain(number, after[index], changed, around)

    def recount(
        self, labels: npt.NDArray[np.integer[Any]], regions: Iterable[Region]
    ) -> None:
        """Count slices anew of which it is not known what was counted.

        Parameters
        ----------
        labels : int array of the spatial shape
            As they are.
        regions : iterable of tuples of slice
            Boxes in the labels; all slices that they cross are counted.
        """
        leading = ([range(a.start, a.stop) for a in box[:-2]] for box in regions)
        for place in {place for ranges in leading for place in product(*ranges)}:
            number = self._number(place)
            for object_id in [i for i, known in self._parts.items() if number in known]:
                self._forget(object_id, number)
            for object_id, part in _count(labels[place]):
                self._parts.setdefault(object_id, {})[number] = _packed(part)
                self.touch([object_id])

    def note_new(self, change: Change, voxels: int) -> bool:
        """Count the first pixels of an object on a plane, without looking.

        Parameters
        ----------
        change : Change
            Nothing was in its box before.
        voxels : int
            As of `Part`.

        Returns
        -------
        bool
            False if that cannot be: the object has pixels there, or the plane lies
            along other axes than the last two; then nothing is counted.
        """
        object_id, plane = change.object_id, change.plane
        if not self._is_along_slices(plane):
            return False
        number, parts = self._number(plane.position), self._parts.get(object_id, {})
        if number in parts:
            return False
        parts[number] = _packed(Part(voxels, change.box))
        self._parts[object_id] = parts
        self.touch([object_id])
        return True

    def _is_along_slices(self, plane: Plane) -> bool:
        return plane.axes == (len(self._leading), len(self._leading) + 1)

    def _number(self, place: tuple[int, ...]) -> int:
        if not self._leading:
            return 0
        return int(np.ravel_multi_index(place, self._leading))

    def _lose(self, number: int, values: npt.NDArray[Any]) -> None:
        for value, count in _tally(values):
            parts = self._parts.get(value, {})
            if number not in parts:
                continue  # somebody wrote into the array beside the session
            voxels, box = _unpacked(parts[number])
            if voxels > count:
                parts[number] = _packed(Part(voxels - count, box))
                self.touch([value])
            else:
                self._forget(value, number)

    def _forget(self, object_id: int, number: int) -> None:
        parts = self._parts[object_id]
        del parts[number]
        if not parts:
            del self._parts[object_id]
        self.touch([object_id])

    def _gain(
        self,
        number: int,
        after: npt.NDArray[Any],
        changed: npt.NDArray[np.bool_],
        around: Box,
    ) -> None:
        tallied = _tally(after[changed])
        found = dict(_count(np.where(changed, after, 0))) if len(tallied) > 1 else {}
        for value, count in tallied:
            box = _moved(found[value].box, around[:2]) if found else around
            part = Part(count, box)
            parts = self._parts.setdefault(value, {})
            if number in parts:
                part = _joined(_unpacked(parts[number]), part)
            parts[number] = _packed(part)
            self.touch([value])


def largest_label(dtype: np.dtype[Any]) -> int:
    """Return the largest number that an object can have.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the labels, an integer type.

    Returns
    -------
    int
        What fits into it and into 32 bits.
    """
    return min(int(np.iinfo(dtype).max), _LARGEST)


def _packed(part: Part) -> bytes:
    return _NUMBERS.pack(part.voxels, *part.box)


def _unpacked(part: bytes) -> Part:
    voxels, *box = _NUMBERS.unpack(part)
    return Part(voxels, (box[0], box[1], box[2], box[3]))


def _tally(values: npt.NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """Return labels above 0 and how many there are; most often all are the same."""
    if values.min() == values.max():
        counted = [(int(values[0]), values.size)]
    else:
        labels, counts = np.unique(values, return_counts=True)
        counted = list(zip(labels.tolist(), counts.tolist(), strict=True))
    return [(label, count) for label, count in counted if label > 0]


def _check(pixels: npt.NDArray[np.integer[Any]]) -> None:
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > _LARGEST:
        raise ImageError(
            f"Expected labels from 0 to {_LARGEST}, got {low} to {high}. Make the "
            "background 0; if they were stored in too few bits, write them as uint32."
        )


def _count(pixels: npt.NDArray[np.integer[Any]]) -> Iterator[tuple[int, Part]]:
    largest = int(pixels.max())
    if largest <= 0:
        return
    numbered = np.maximum(pixels, 0)
    if largest < FEW_LABELS:
        values = np.arange(largest + 1)
    else:
        values = np.union1d([0], numbered)
        numbered = np.searchsorted(values, numbered)
    counts = np.bincount(numbered.ravel(), minlength=len(values))
    boxes = ndimage.find_objects(numbered)
    for place in np.flatnonzero(counts[1:]):
        rows, columns = boxes[place]
        box = rows.start, columns.start, rows.stop, columns.stop
        yield int(values[place + 1]), Part(int(counts[place + 1]), box)


def _moved(box: Box, corner: tuple[int, int]) -> Box:
    row, column = corner
    return box[0] + row, box[1] + column, box[2] + row, box[3] + column


def _joined(part: Part, other: Part) -> Part:
    return Part(part.voxels + other.voxels, union_box(part.box, other.box))
