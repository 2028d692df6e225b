"""Which planes of a propagation the user should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.volume.asking.reasons import BEYOND, EMPTY

if TYPE_CHECKING:
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.objects import Derivation
    from napari_sam_adapter.volume.planes.plane import Plane

DOUBTFUL = 0.5
"""Confidence below which a mask is put on the list."""


@dataclass(frozen=True)
class SliceState:
    """What is known of an object on a plane, to be shown beside the others.

    Parameters
    ----------
    confidence : float or None
        0 to 1; None on planes on which the user worked, and where nothing was asked.
    is_anchor : bool
        Whether the user worked on it.
    is_locked : bool
        Whether it must not be changed.
    """

    confidence: float | None = None
    is_anchor: bool = False
    is_locked: bool = False


@dataclass(frozen=True)
class Doubt:
    """A plane that should be looked at.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    confidence : float
        0 to 1.
    reason : str
        As in `PlaneResult`.
    """

    object_id: int
    plane: Plane
    confidence: float
    reason: str


def list_doubts(
    document: Document, object_id: int | None = None, below: float = DOUBTFUL
) -> list[Doubt]:
    """Return the planes to look at, the most doubtful first.

    Parameters
    ----------
    document : Document
        After a propagation.
    object_id : int or None
        One object; all by default.
    below : float
        Confidence from which on a mask needs no review.

    Returns
    -------
    list of Doubt
        Without planes on which the user worked, and without those where the object
        simply ended. Equal ones in the order in which they came.
    """
    doubts = [
        Doubt(owner, plane, derivation.confidence, derivation.reason)
        for (owner, plane), record in document.records.items()
        if object_id in (None, owner)
        and not record.is_anchor
        and (derivation := record.derivation) is not None
        and derivation.confidence < below
        and not _has_ended(derivation)
    ]
    return sorted(doubts, key=lambda doubt: doubt.confidence)


def slices_along(
    document: Document, object_id: int, plane: Plane, axis: int
) -> dict[int, SliceState]:
    """Return what is known of an object on the planes along an axis.

    Parameters
    ----------
    document : Document
        Before or after a propagation.
    object_id : int
        The object.
    plane : Plane
        One of the planes.
    axis : int
        Axis along which the others lie.

    Returns
    -------
    dict of int to SliceState
        By index; without planes on which the object simply ended or was never.
    """
    found = {}
    for (owner, where), record in document.records.items():
        if owner != object_id or where.axes != plane.axes:
            continue
        index = where.index_along(axis)
        if where != plane.at(axis, index):
            continue
        derivation = record.derivation
        if record.is_anchor:
            found[index] = SliceState(None, True, record.locked)
        elif derivation is not None and not _has_ended(derivation):
            found[index] = SliceState(derivation.confidence)
    return found


def _has_ended(derivation: Derivation) -> bool:
    return derivation.mask is None and derivation.reason in {EMPTY, BEYOND}
