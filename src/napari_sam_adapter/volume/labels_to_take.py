"""Edits that make objects of labels from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.edits import NewObject
from napari_sam_adapter.volume.journal_entries import EditGroup
from napari_sam_adapter.volume.object_edits import WriteLabels
from napari_sam_adapter.volume.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy.typing as npt


class _Part(NamedTuple):
    """What a plane has, in its smallest box."""

    plane: Plane
    corner: tuple[int, int]
    values: npt.NDArray[np.integer[Any]]


def labels_to_take_steps(labels: Any, known: Collection[int]) -> Iterator[EditGroup]:
    """Return the edits that make objects of labels, little by little.

    Parameters
    ----------
    labels : (..., H, W) int array-like
        As large as those of the session; read plane by plane. Objects keep their
        numbers, unless one of these is in use: then all get higher ones.
    known : collection of int
        Objects of the session.

    Yields
    ------
    EditGroup
        Empty ones while it reads, at last the one with all edits, for
        `Session.apply` or `Session.doing`. Pixels that an object has already stay.

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
        yield EditGroup(())
    if not numbers:
        raise SessionError("Expected labels of objects, got background alone.")
    shift = 0 if numbers.isdisjoint(known) else max(known)
    new = (NewObject(number + shift) for number in sorted(numbers))
    written = (_shifted(part, shift, max(numbers)) for part in parts)
    yield EditGroup((*new, *written))


def _part(plane: Plane, values: npt.NDArray[np.integer[Any]]) -> _Part:
    rows, columns = (np.flatnonzero(values.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    cut = values[top : rows[-1] + 1, left : columns[-1] + 1].copy()
    return _Part(plane, (top, left), cut)


def _shifted(part: _Part, shift: int, largest: int) -> WriteLabels:
    dtype = np.min_scalar_type(largest + shift)
    values = part.values.astype(dtype)
    if shift:
        values[values > 0] += dtype.type(shift)
    return WriteLabels(part.plane, part.corner, values)
