"""Which objects of labels are measured together, and in which block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.volume.document.ledger import Ledger

BLOCK_VOXELS = 1 << 24
"""Objects are measured together while the block around them is not larger."""

Box = tuple[slice, ...]


def together(ledger: Ledger, ndim: int) -> Iterator[tuple[npt.NDArray[np.int64], Box]]:
    """Give all objects in blocks of nearby ones.

    Parameters
    ----------
    ledger : Ledger
        Where the objects are.
    ndim : int
        Axes of a block, 2 or 3.

    Yields
    ------
    objects : (N,) int array
        In rising order.
    box : tuple of slice
        Around them.
    """
    yield from _grouped(_boxes(ledger, ndim))


def _boxes(ledger: Ledger, ndim: int) -> Iterator[tuple[int, Box]]:
    """Yield every object with the box around it."""
    for object_id in ledger.objects:
        parts = ledger.parts(object_id)
        around = np.array([part.box for part in parts.values()])
        (top, left), (bottom, right) = around[:, :2].min(0), around[:, 2:].max(0)
        box = slice(int(top), int(bottom)), slice(int(left), int(right))
        slices = slice(min(parts), max(parts) + 1)
        yield object_id, box if ndim == 2 else (slices, *box)


def _grouped(
    boxes: Iterator[tuple[int, Box]],
) -> Iterator[tuple[npt.NDArray[np.int64], Box]]:
    """Join objects that start near each other while the box around them is small."""
    objects: list[int] = []
    around: Box = ()
    for object_id, box in sorted(boxes, key=lambda entry: entry[1][0].start):
        joined = _joined(around, box) if objects else box
        sides = [axis.stop - axis.start for axis in joined]
        if objects and math.prod(sides) > BLOCK_VOXELS:
            yield np.array(sorted(objects)), around
            objects, joined = [], box
        objects.append(object_id)
        around = joined
    if objects:
        yield np.array(sorted(objects)), around


def _joined(box: Box, other: Box) -> Box:
    pairs = zip(box, other, strict=True)
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in pairs)
