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


class _Part(NamedTuple):
    """What a plane has, in its smallest box."""

    plane: Plane
    corner: tuple[int, int]
    values: npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class LabelsToTake:
    """Labels that were read.

    Parameters
    ----------
    numbers : tuple of int
        Objects, in rising order.
    parts : tuple of _Part
        Planes with objects.
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
        numbers, parts = self.numbers, self.parts
        fits = numbers[-1] <= largest_label(session.labels.dtype)
        if not fits or not set(numbers).isdisjoint(session.object_ids):
            numbers = tuple(session.next_ids(len(numbers)))
            before, after = np.array([0, *self.numbers]), np.array([0, *numbers])
            parts = tuple(
                part._replace(values=after[np.searchsorted(before, part.values)])
                for part in parts
            )
        dtype = np.min_scalar_type(numbers[-1])
        written = (
            WriteLabels(p.plane, p.corner, p.values.astype(dtype)) for p in parts
        )
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
        None after each plane, at last what was read.

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
        found = np.unique(values)
        if found[0] < 0:
            raise SessionError(
                f"Expected labels from 0 on, got {found[0]}. Set the background to 0."
            )
        if found[-1]:
            parts.append(_part(Plane(axes, position), values))
            numbers.update(found[found > 0].tolist())
        yield None
    if not numbers:
        raise SessionError("Expected labels of objects, got background alone.")
    yield LabelsToTake(tuple(sorted(numbers)), tuple(parts))


def _part(plane: Plane, values: npt.NDArray[np.integer[Any]]) -> _Part:
    rows, columns = (np.flatnonzero(values.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    cut = values[top : rows[-1] + 1, left : columns[-1] + 1].copy()
    return _Part(plane, (top, left), cut)
