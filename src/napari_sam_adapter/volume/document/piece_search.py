"""Looking for the pieces of an object, in any thread, before it is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.splitting import pieces_by_size
from napari_sam_adapter.volume.planes.axes import check_spacing
from napari_sam_adapter.volume.planes.plane import Plane, numbered_plane, plane_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.ledger import Ledger

Region = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class PieceSearch:
    """Everything that a worker needs to find the pieces of an object.

    Parameters
    ----------
    labels : integer array
        Of the document; only read.
    object_id : int
        The object.
    region : tuple of slice
        Around all of its voxels.
    spacing : tuple of float
        Distance between neighbouring voxels along each axis.
    ledger : Ledger
        Of the document.
    stamp : int
        Of the ledger when the search began.
    """

    labels: npt.NDArray[Any]
    object_id: int
    region: Region
    spacing: tuple[float, ...]
    ledger: Ledger
    stamp: int

    @classmethod
    def begin(
        cls, document: Document, object_id: int, spacing: Sequence[float] | None
    ) -> PieceSearch:
        """Note what there is to look at; on the main thread.

        Parameters
        ----------
        document : Document
            Where the object is.
        object_id : int
            The object.
        spacing : sequence of float or None
            As for `SplitObject`.

        Returns
        -------
        PieceSearch
            Of the object as it is now.

        Raises
        ------
        SessionError
            If the spacing does not fit.
        """
        labels = document.labels
        region = region_of_object(document, object_id)
        steps = check_spacing(spacing, labels.ndim)
        ledger = document.ledger
        return cls(labels, object_id, region, tuple(steps), ledger, ledger.stamp)

    def find(self) -> FoundPieces:
        """Find the pieces; takes seconds for objects of many million voxels.

        Returns
        -------
        FoundPieces
            Of no use if the object changed meanwhile.
        """
        pixels = self.labels[self.region] == self.object_id
        pieces = pieces_by_size(pixels, self.spacing)
        places = tuple(ndimage.find_objects(pieces)) if pieces.size else ()
        return FoundPieces(
            self.object_id, pieces, places, self.region, self.ledger, self.stamp
        )


@dataclass(frozen=True, eq=False)
class FoundPieces:
    """The pieces of an object at some moment.

    Parameters
    ----------
    object_id : int
        The object.
    pieces : int32 array
        0 outside, 1 in the largest piece, 2 in the next.
    places : tuple of (tuple of slice)
        Where in that array each of them is.
    region : tuple of slice
        Where in the labels the array is.
    ledger : Ledger
        Of the document where it was.
    stamp : int
        Of the ledger at that moment.
    """

    object_id: int
    pieces: npt.NDArray[np.int32]
    places: tuple[Region, ...]
    region: Region
    ledger: Ledger
    stamp: int

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.places)

    def fits(self, document: Document, object_id: int) -> bool:
        """Return whether the object is as it was.

        Parameters
        ----------
        document : Document
            Where it is.
        object_id : int
            The object that is to be split.

        Returns
        -------
        bool
            False for another object or document, and after a change.
        """
        if document.ledger is not self.ledger or object_id != self.object_id:
            return False
        return object_id not in self.ledger.changed_since(self.stamp)

    def parts(self, piece: int) -> Iterator[tuple[Plane, Box, npt.NDArray[np.bool_]]]:
        """Yield the planes on which a piece is.

        Parameters
        ----------
        piece : int
            From 1 to `count`.

        Yields
        ------
        plane : Plane
            Along the last two axes.
        box : (row_start, column_start, row_stop, column_stop)
            Half-open; all pixels of the piece lie inside.
        pixels : (h, w) bool array
            Which ones inside the box these are; at least one.
        """
        place = self.places[piece - 1]
        within = self.pieces[place] == piece
        starts = [a.start + b.start for a, b in zip(self.region, place, strict=True)]
        *leading, row, column = starts
        box = row, column, row + within.shape[-2], column + within.shape[-1]
        for index in np.ndindex(*within.shape[:-2]):
            if within[index].any():
                position = np.add(leading, index).astype(int).tolist()
                yield plane_at(within.ndim, tuple(position)), box, within[index]


def changed_meanwhile(
    object_id: int, sought: str = "its pieces were looked for", again: str = "Split"
) -> SessionError:
    """Return why what was found ahead is of no use.

    Parameters
    ----------
    object_id : int
        The object.
    sought : str
        What was done ahead.
    again : str
        What the user can do again.

    Returns
    -------
    SessionError
        To raise.
    """
    return SessionError(
        f"Expected object {object_id} as it was when {sought}, got one that was "
        f"changed meanwhile. {again} it again."
    )


def parts_of(document: Document, object_id: int) -> Iterator[tuple[Plane, Box]]:
    """Yield the planes on which an object is, with a box around it.

    Parameters
    ----------
    document : Document
        Where it is.
    object_id : int
        The object.

    Yields
    ------
    plane : Plane
        Along the last two axes.
    box : (row_start, column_start, row_stop, column_stop)
        Half-open.
    """
    for number, part in document.ledger.parts(object_id).items():
        yield numbered_plane(document.labels.shape, number), part.box


def region_of_object(document: Document, object_id: int) -> Region:
    """Return the part of the labels around all voxels of an object.

    Parameters
    ----------
    document : Document
        Where it is.
    object_id : int
        The object.

    Returns
    -------
    tuple of slice
        One per axis; empty if there are no voxels.
    """
    shape, parts = document.labels.shape, document.ledger.parts(object_id)
    if not parts:
        return (slice(0, 0),) * len(shape)
    places = np.unravel_index(list(parts), shape[:-2]) if shape[:-2] else ()
    tops, lefts, bottoms, rights = zip(*(p.box for p in parts.values()), strict=True)
    return (
        *(slice(int(place.min()), int(place.max()) + 1) for place in places),
        slice(min(tops), max(bottoms)),
        slice(min(lefts), max(rights)),
    )
