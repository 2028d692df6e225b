"""What an edit did to the pixels of one plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.boxed_mask import NOWHERE, Box, bounding_box
from napari_sam_adapter.volume.asking.packing import PackedArray, packed

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.volume.asking.packing import Plain
    from napari_sam_adapter.volume.planes.plane import Plane


@dataclass(frozen=True, eq=False, slots=True)
class Change:
    """The changed part of one plane of the labels.

    Parameters
    ----------
    object_id : int
        Object that was edited; 0 if a hand edit touched several.
    plane : Plane
        Where.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open, in pixels of the plane; everything outside is as it was.
    before, after : (h, w) int array
        Labels inside the box.
    """

    object_id: int
    plane: Plane
    box: Box
    before: npt.NDArray[np.integer[Any]]
    after: npt.NDArray[np.integer[Any]]

    @property
    def is_empty(self) -> bool:
        """Whether no pixel changed."""
        return self.before.size == 0

    @property
    def region(self) -> tuple[slice, ...]:
        """The box as slices of the whole labels array, one per axis."""
        return region_of(self.plane, self.box)

    def inverted(self) -> Change:
        """Return the change that takes this one back.

        Returns
        -------
        Change
            With before and after exchanged.
        """
        return replace(self, before=self.after, after=self.before)

    def write(self, labels: npt.NDArray[np.integer[Any]]) -> None:
        """Write the changed pixels, and only those, into the labels.

        Parameters
        ----------
        labels : int array of the spatial shape
            Changed in place.
        """
        row_start, column_start, row_stop, column_stop = self.box
        part = self.plane.view(labels)[row_start:row_stop, column_start:column_stop]
        np.copyto(part, self.after, where=self.before != self.after)


@dataclass(frozen=True, slots=True)
class PackedChange:
    """A change as the history keeps it: a label plane shrinks a hundredfold.

    Parameters
    ----------
    object_id, plane, box
        As in `Change`.
    before, after : Plain
        As in `Change`, compressed.
    """

    object_id: int
    plane: Plane
    box: Box
    before: Plain
    after: Plain

    @classmethod
    def of(cls, change: Change) -> PackedChange:
        """Compress a change.

        Parameters
        ----------
        change : Change
            What to keep.

        Returns
        -------
        PackedChange
            The same, small.
        """
        before, after = packed(change.before), packed(change.after)
        return cls(change.object_id, change.plane, change.box, before, after)

    @classmethod
    def from_kept(
        cls,
        object_id: int,
        plane: Plane,
        box: Box,
        before: PackedArray,
        after: PackedArray,
    ) -> PackedChange:
        """Return what `kept` gave.

        Parameters
        ----------
        object_id, plane, box
            As in `Change`.
        before, after : PackedArray
            As in `Change`, compressed.

        Returns
        -------
        PackedChange
            The same one.
        """
        return cls(object_id, plane, box, before.plain, after.plain)

    def kept(self) -> dict[str, Any]:
        """Return what a saved session holds of it.

        Returns
        -------
        dict
            For `from_kept`.
        """
        return {
            "object_id": self.object_id,
            "plane": self.plane,
            "box": self.box,
            "before": PackedArray(*self.before),
            "after": PackedArray(*self.after),
        }

    def unpack(self) -> Change:
        """Return the change.

        Returns
        -------
        Change
            Exactly what was packed.
        """
        before = PackedArray(*self.before).unpack()
        after = PackedArray(*self.after).unpack()
        return Change(self.object_id, self.plane, self.box, before, after)

    def inverted(self) -> PackedChange:
        """Return the change that takes this one back.

        Returns
        -------
        PackedChange
            With before and after exchanged.
        """
        return PackedChange(
            self.object_id, self.plane, self.box, self.after, self.before
        )

    def meets(self, other: PackedChange) -> bool:
        """Whether two changes may touch the same pixel of the volume.

        Parameters
        ----------
        other : PackedChange
            Another change, perhaps on a plane along other axes.

        Returns
        -------
        bool
            False only if their order does not matter.
        """
        mine = region_of(self.plane, self.box)
        theirs = region_of(other.plane, other.box)
        return all(
            a.start < b.stop and b.start < a.stop
            for a, b in zip(mine, theirs, strict=True)
        )


def region_of(plane: Plane, box: Box) -> tuple[slice, ...]:
    """Return a box on a plane as slices of the whole array.

    Parameters
    ----------
    plane : Plane
        Where the box lies.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open, in pixels of the plane.

    Returns
    -------
    tuple of slice
        One per spatial axis.
    """
    return plane.region(slice(box[0], box[2]), slice(box[1], box[3]))


def change_between(
    object_id: int,
    plane: Plane,
    before: npt.NDArray[np.integer[Any]],
    after: npt.NDArray[np.integer[Any]],
    corner: tuple[int, int] = (0, 0),
) -> Change:
    """Return the difference between two states of a plane, or of a part of it.

    Parameters
    ----------
    object_id : int
        Object that was edited.
    plane : Plane
        Where.
    before, after : (h, w) int array
        Labels of the plane or part.
    corner : (row, column)
        Where the part begins.

    Returns
    -------
    Change
        Cropped to the pixels that differ; empty if none does.
    """
    top, left, bottom, right = bounding_box(before != after)
    crop = slice(top, bottom), slice(left, right)
    row, column = corner
    moved = top + row, left + column, bottom + row, right + column
    return Change(object_id, plane, moved, before[crop].copy(), after[crop].copy())


def union_box(box: Box, other: Box) -> Box:
    """Return the smallest box around two.

    Parameters
    ----------
    box, other : (row_start, column_start, row_stop, column_stop)
        Half-open; one without pixels does not count.

    Returns
    -------
    (row_start, column_start, row_stop, column_stop)
        Half-open.
    """
    if NOWHERE in (box, other):
        return other if box == NOWHERE else box
    (top, left, bottom, right), (up, start, down, stop) = box, other
    return min(top, up), min(left, start), max(bottom, down), max(right, stop)


def merge_mask(
    current: npt.NDArray[np.integer[Any]],
    object_id: int,
    mask: npt.NDArray[np.bool_],
    kept: npt.NDArray[np.bool_] | None = None,
    overwrite: bool = False,
) -> npt.NDArray[np.integer[Any]]:
    """Return a plane of labels in which one object has a new mask.

    Parameters
    ----------
    current : (H, W) int array
        Labels now.
    object_id : int
        Object that gets the mask; its other pixels become 0.
    mask : (H, W) bool array
        Where the object shall be.
    kept : (H, W) bool array or None
        Pixels that stay as they are, whatever they hold.
    overwrite : bool
        Whether the object takes pixels of other objects.

    Returns
    -------
    (H, W) int array
        A new array.
    """
    own = current == object_id
    free = current == 0
    is_new = not own.any()
    gained = mask if overwrite else mask & (free if is_new else own | free)
    if kept is not None:
        gained = gained & ~kept
    after = current.copy()
    after[gained] = object_id
    if not is_new:
        lost = own & ~mask
        after[lost if kept is None else lost & ~kept] = 0
    return after
