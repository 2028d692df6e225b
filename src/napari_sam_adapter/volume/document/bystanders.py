"""Objects beside those that are followed: a propagation takes none of their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.boxed_mask import place
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.protection import crossing, turned

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box, BoxedMask
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.planes.plane import Plane

    Labels = npt.NDArray[np.integer[Any]]


class Bystanders:
    """Objects that are not followed, as they were when a propagation began.

    They are read where it comes by, in any thread; what is edited meanwhile is noted
    and taken back, so that the journal leads to the same masks again.

    Parameters
    ----------
    document : Document
        Whose objects; on the main thread.
    followed : collection of int
        The objects that are followed.
    spares_all : bool
        As of `StartPropagation`.

    Attributes
    ----------
    finished : frozenset of int
        Objects that were accepted or locked then, followed ones among them.
    spared_from : int or None
        As of `write_mask`.
    """

    def __init__(
        self, document: Document, followed: Collection[int], spares_all: bool = False
    ) -> None:
        self.finished = frozenset(document.finished | document.locked)
        self._labels = document.labels
        self._followed = np.array([0, *followed])
        self.spared_from = 1 if spares_all else None
        self._spares_all = spares_all or document.overlap_rule == "keep"
        self._spared = np.array(sorted(self.finished.difference(followed)), int)
        self._noted: list[Change] = []

    def append(self, change: Change) -> None:
        """Note what is written from now on; on the main thread, before it is.

        Parameters
        ----------
        change : Change
            Forgotten if it is about followed objects alone.
        """
        moved = change.before != change.after
        both = change.before[moved], change.after[moved]
        if any(self._are_spared(labels).any() for labels in both):
            self._noted.append(change)

    def on(self, plane: Plane, box: Box) -> Labels | None:
        """Return which pixels of a plane they have.

        Parameters
        ----------
        plane : Plane
            Where.
        box : (row_start, column_start, row_stop, column_stop)
            Half-open part of the plane.

        Returns
        -------
        (h, w) int array or None
            Their labels, 0 elsewhere; None if there are none.
        """
        if not (self._spares_all or self._spared.size):
            return None
        found = plane.view(self._labels)[slices_of(box)].copy()
        for change in reversed(tuple(self._noted)):
            _take_back(found, plane, box, change)
        spared = self._are_spared(found)
        return np.where(spared, found, 0) if spared.any() else None

    def spare(self, mask: BoxedMask, plane: Plane) -> BoxedMask:
        """Return what is left of a mask.

        Parameters
        ----------
        mask : BoxedMask
            Of an object that is followed.
        plane : Plane
            Where.

        Returns
        -------
        BoxedMask
            Without their pixels.
        """
        others = self.on(plane, mask.box)
        if others is None:
            return mask
        return place(mask.pixels & (others == 0), mask.box, mask.shape)

    def _are_spared(self, labels: Labels) -> npt.NDArray[np.bool_]:
        if self._spares_all:
            return ~np.isin(labels, self._followed)
        return np.isin(labels, self._spared)


def _take_back(labels: Labels, plane: Plane, box: Box, change: Change) -> None:
    """Undo a change in a box of a plane, which may be one along other axes."""
    if (met := crossing(plane, box, change.plane, change.box)) is None:
        return
    here, there = met
    inside = slices_of(_within(there, change.box))
    before = turned(change.before[inside], plane, change.plane, here)
    after = turned(change.after[inside], plane, change.plane, here)
    part = labels[slices_of(_within(here, box))]
    np.copyto(part, before, where=before != after)


def _within(box: Box, around: Box) -> Box:
    top, left, *_ = around
    return box[0] - top, box[1] - left, box[2] - top, box[3] - left
