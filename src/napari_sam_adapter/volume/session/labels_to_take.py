"""Labels from elsewhere, and the edits that make objects of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.edits import NewObject
from napari_sam_adapter.volume.document.journal_entries import EditGroup
from napari_sam_adapter.volume.document.ledger import largest_label
from napari_sam_adapter.volume.document.object_edits import WriteLabels
from napari_sam_adapter.volume.planes.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.volume.session.readable_labels import ReadableLabels


SIDE = 512
"""Rows and columns that are written without a pause."""


class _Part(NamedTuple):
    """What a part of a plane has: some numbers, and which of them is at each pixel."""

    plane: Plane
    corner: tuple[int, int]
    numbers: npt.NDArray[np.integer[Any]]
    places: npt.NDArray[np.integer[Any]]

    def edit(self, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> WriteLabels:
        """Return what writes it, with one number instead of another; quickly."""
        numbers = after[np.searchsorted(before, self.numbers)]
        return WriteLabels(self.plane, self.corner, numbers[self.places])


@dataclass(frozen=True, eq=False)
class LabelsToTake:
    """Labels that were read.

    Parameters
    ----------
    numbers : tuple of int
        Objects, in rising order.
    parts : tuple of _Part
        Parts of planes with objects.
    """

    numbers: tuple[int, ...]
    parts: tuple[_Part, ...]

    def edits_for(self, session: ReadableLabels) -> EditGroup:
        """Return the edits that make objects of them.

        Parameters
        ----------
        session : Session
            Of an image of the same size.

        Returns
        -------
        EditGroup
            For `Session.apply` or `Session.doing`. Objects keep their numbers, unless
            one of these is in use or does not fit: then all get free ones. Pixels that
            an object has already stay.

        Raises
        ------
        SessionError
            If there are more objects than free numbers.
        """
        numbers = self.numbers
        fits = numbers[-1] <= largest_label(session.labels.dtype)
        if not fits or not set(numbers).isdisjoint(session.object_ids):
            numbers = tuple(session.next_ids(len(numbers)))
        before = np.array([0, *self.numbers])
        after = np.array([0, *numbers]).astype(np.min_scalar_type(numbers[-1]))
        written = (part.edit(before, after) for part in self.parts)
        return EditGroup((*map(NewObject, numbers), *written))


def reading_labels(labels: Any) -> Iterator[LabelsToTake | None]:
    """Read labels plane by plane.

    Parameters
    ----------
    labels : (..., H, W) int array-like
        0 for background.

    Yields
    ------
    LabelsToTake or None
        None after each plane and part of it, at last what was read.

    Raises
    ------
    SessionError
        If there is no object, or a label below 0.
    """
    parts: list[_Part] = []
    numbers: set[int] = set()
    axes = labels.ndim - 2, labels.ndim - 1
    for position in np.ndindex(*labels.shape[:-2]):
        values = np.asarray(labels[position])
        if values.size and values.min() < 0:
            raise SessionError(
                f"Expected labels from 0 on, got {values.min()}. Set the background "
                "to 0."
            )
        for part in _parts(Plane(axes, position), values):
            parts.append(part)
            numbers.update(part.numbers[part.numbers > 0].tolist())
            yield None
        yield None
    if not numbers:
        raise SessionError("Expected labels of objects, got background alone.")
    yield LabelsToTake(tuple(sorted(numbers)), tuple(parts))


def _parts(plane: Plane, values: npt.NDArray[np.integer[Any]]) -> Iterator[_Part]:
    """Cut the smallest box of a plane into parts; those without objects are left."""
    if not values.any():
        return
    rows, columns = (np.flatnonzero(values.any(axis)) for axis in (1, 0))
    bottom, right = int(rows[-1]) + 1, int(columns[-1]) + 1
    for top in range(int(rows[0]), bottom, SIDE):
        for left in range(int(columns[0]), right, SIDE):
            cut = values[top : min(top + SIDE, bottom), left : min(left + SIDE, right)]
            numbers, places = np.unique(cut, return_inverse=True)
            if numbers[-1]:
                small = places.astype(np.min_scalar_type(len(numbers)))
                yield _Part(plane, (top, left), numbers, small.reshape(cut.shape))
