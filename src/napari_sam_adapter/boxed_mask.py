"""A mask that keeps only the box around it: work and memory grow with the object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Box = tuple[int, int, int, int]
NOWHERE: Box = (0, 0, 0, 0)
"""The box around no pixel."""


@dataclass(frozen=True, eq=False)
class BoxedMask:
    """A mask of a plane, cut to its bounding box.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open; all zero for an empty mask.
    pixels : (h, w) bool array
        The mask inside the box.
    """

    shape: tuple[int, int]
    box: Box
    pixels: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_], within: Box | None = None) -> BoxedMask:
        """Cut a mask to its box.

        Parameters
        ----------
        mask : (H, W) bool array
            Any mask.
        within : (row_start, column_start, row_stop, column_stop) or None
            Half-open; nothing outside of it is looked at. None looks everywhere.

        Returns
        -------
        BoxedMask
            An independent copy.
        """
        shape = int(mask.shape[0]), int(mask.shape[1])
        if within is not None:
            top, left, bottom, right = within
            return place(mask[top:bottom, left:right], within, shape)
        top, left, bottom, right = box = bounding_box(mask)
        return cls(shape, box, mask[top:bottom, left:right].copy())

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.pixels))

    def full(self) -> npt.NDArray[np.bool_]:
        """Return the mask of the whole plane.

        Returns
        -------
        (H, W) bool array
            A new array.
        """
        return self.window((0, 0, *self.shape))

    def window(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return the mask inside another box.

        Parameters
        ----------
        box : (row_start, column_start, row_stop, column_stop)
            Half-open; may reach beyond the plane.

        Returns
        -------
        (h, w) bool array
            A new array, false outside of this mask's box.
        """
        top, left = self.box[:2]
        part = np.zeros((box[2] - box[0], box[3] - box[1]), dtype=bool)
        common = intersection(self.box, box)
        if common is None:
            return part
        part[
            common[0] - box[0] : common[2] - box[0],
            common[1] - box[1] : common[3] - box[1],
        ] = self.pixels[
            common[0] - top : common[2] - top, common[1] - left : common[3] - left
        ]
        return part

    def without(self, other: BoxedMask) -> BoxedMask:
        """Return this mask less another.

        Parameters
        ----------
        other : BoxedMask
            Of a plane of the same shape.

        Returns
        -------
        BoxedMask
            This very mask if they do not meet.
        """
        if intersection(self.box, other.box) is None:
            return self
        return place(self.pixels & ~other.window(self.box), self.box, self.shape)

    def overlap(self, other: BoxedMask) -> float:
        """Return the intersection over union with another mask.

        Parameters
        ----------
        other : BoxedMask
            Of a plane of the same shape.

        Returns
        -------
        float
            0 to 1; 0 if both are empty.
        """
        shared = int(np.count_nonzero(self.pixels & other.window(self.box)))
        union = self.area + other.area - shared
        return shared / union if union else 0.0

    def like_whole(self) -> npt.NDArray[np.bool_]:
        """Return this mask for a field of a `HasMask`, which keeps it as it is.

        Returns
        -------
        (H, W) bool array
            For who reads the field; until then it is this very mask.
        """
        return cast("npt.NDArray[np.bool_]", self)


def place(pixels: npt.NDArray[np.bool_], box: Box, shape: tuple[int, int]) -> BoxedMask:
    """Return the mask of a plane that is known inside a box.

    Parameters
    ----------
    pixels : (h, w) bool array
        The mask inside the box.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open, inside the plane.
    shape : (int, int)
        Rows and columns of the plane.

    Returns
    -------
    BoxedMask
        Cut to what is true.
    """
    inner = BoxedMask.of(pixels)
    if not inner.pixels.size:
        return nothing(shape)
    top, left, bottom, right = inner.box
    rows, columns = box[0], box[1]
    moved = rows + top, columns + left, rows + bottom, columns + right
    return BoxedMask(shape, moved, inner.pixels)


def nothing(shape: tuple[int, int]) -> BoxedMask:
    """Return an empty mask.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.

    Returns
    -------
    BoxedMask
        Without pixels.
    """
    return BoxedMask(shape, NOWHERE, np.zeros((0, 0), dtype=bool))


def intersection(box: Box, other: Box) -> Box | None:
    """Return what two boxes share.

    Parameters
    ----------
    box, other : (row_start, column_start, row_stop, column_stop)
        Half-open.

    Returns
    -------
    (row_start, column_start, row_stop, column_stop) or None
        None if they do not meet.
    """
    top, left = max(box[0], other[0]), max(box[1], other[1])
    bottom, right = min(box[2], other[2]), min(box[3], other[3])
    return (top, left, bottom, right) if top < bottom and left < right else None


def union(masks: list[BoxedMask]) -> BoxedMask:
    """Return what belongs to any of several masks.

    Parameters
    ----------
    masks : list of BoxedMask
        At least one, of planes of one shape.

    Returns
    -------
    BoxedMask
        This very mask if there is one only.
    """
    filled = [mask for mask in masks if mask.pixels.size]
    if len(filled) < 2:
        return (filled or masks)[0]
    box = common_box(filled)
    pixels = np.logical_or.reduce([mask.window(box) for mask in filled])
    return BoxedMask(masks[0].shape, box, pixels)


def common_box(masks: Sequence[BoxedMask], margin: int = 0) -> Box:
    """Return the box around several masks, inside the plane.

    Parameters
    ----------
    masks : sequence of BoxedMask
        Of planes of one shape.
    margin : int
        Pixels added on every side.

    Returns
    -------
    (row_start, column_start, row_stop, column_stop)
        Half-open; all zero if all are empty.
    """
    boxes = np.array([mask.box for mask in masks if mask.pixels.size])
    if not boxes.size:
        return NOWHERE
    low = np.maximum(boxes[:, :2].min(axis=0) - margin, 0)
    high = np.minimum(boxes[:, 2:].max(axis=0) + margin, masks[0].shape)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box:
    """Return the smallest box around the true pixels.

    Parameters
    ----------
    mask : (H, W) bool array
        Any mask.

    Returns
    -------
    (row_start, column_start, row_stop, column_stop)
        Half-open; all zero for an empty mask.
    """
    if not mask.flags.c_contiguous:
        tall, wide = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if not tall.size:
            return NOWHERE
        return int(tall[0]), int(wide[0]), int(tall[-1]) + 1, int(wide[-1]) + 1
    first = int(mask.argmax()) if mask.size else 0
    if not mask.size or not mask.flat[first]:
        return NOWHERE
    top, count = first // mask.shape[1], 8
    while not (last := np.flatnonzero(mask[-count:].any(axis=1))).size:
        count *= 8
    bottom = max(0, len(mask) - count) + int(last[-1]) + 1
    left, right = _reach(mask[top:bottom])
    return top, left, bottom, right


def _reach(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and one after the last column that have a true pixel."""
    width = mask.shape[1]
    if width % 8 == 0:  # the outermost eight columns as one number for each row
        words = mask.view(np.uint64)
        ends = np.bitwise_or.reduce(words[:, 0]), np.bitwise_or.reduce(words[:, -1])
        if all(ends):
            first, last = (np.flatnonzero(end[None].view(np.bool_)) for end in ends)
            return int(first[0]), width - 7 + int(last[-1])
    (columns,) = np.nonzero(_in_any_row(mask))
    return int(columns[0]), int(columns[-1]) + 1


def _in_any_row(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which columns have a true pixel; eight rows at once are sooner done."""
    any_row, together = np.logical_or.reduce, len(mask) // 8 * 8
    eight = any_row(mask[:together].reshape(-1, 8 * mask.shape[1])).reshape(8, -1)
    found: npt.NDArray[np.bool_] = any_row(eight) | any_row(mask[together:])
    return found


def bounding_boxes(masks: npt.NDArray[np.bool_]) -> list[Box]:
    """Return `bounding_box` of some masks, sooner where these are small.

    Parameters
    ----------
    masks : (N, H, W) bool array
        Any masks.

    Returns
    -------
    list of (row_start, column_start, row_stop, column_stop)
        N boxes.
    """
    if not masks.size:
        return [NOWHERE] * len(masks)
    sides = [np.logical_or.reduce(masks, axis=axis) for axis in (2, 1)]
    low = [side.argmax(axis=1) for side in sides]
    high = [side.shape[1] - side[:, ::-1].argmax(axis=1) for side in sides]
    corners = np.stack([*low, *high], axis=1)
    corners[~sides[0].any(axis=1)] = 0
    return [(top, left, bottom, right) for top, left, bottom, right in corners.tolist()]
