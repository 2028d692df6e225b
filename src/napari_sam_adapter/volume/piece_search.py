"""Looking for the pieces of an object, in any thread, before it is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.axes import check_spacing
from napari_sam_adapter.volume.plane import Plane, numbered_plane
from napari_sam_adapter.volume.splitting import pieces_by_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document import Document
    from napari_sam_adapter.volume.ledger import Ledger

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
        region = _region(list(parts_of(document, object_id)), labels.ndim)
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
        return FoundPieces(self.object_id, pieces, self.region, self.ledger, self.stamp)


@dataclass(frozen=True, eq=False)
class FoundPieces:
    """The pieces of an object at some moment.

    Parameters
    ----------
    object_id : int
        The object.
    pieces : int32 array
        0 outside, 1 in the largest piece, 2 in the next.
    region : tuple of slice
        Where in the labels that is.
    ledger : Ledger
        Of the document where it was.
    stamp : int
        Of the ledger at that moment.
    """

    object_id: int
    pieces: npt.NDArray[np.int32]
    region: Region
    ledger: Ledger
    stamp: int

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.pieces.max(initial=0))

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

    def on(self, plane: Plane, box: Box) -> npt.NDArray[np.int32]:
        """Return the pieces in a box of a plane.

        Parameters
        ----------
        plane : Plane
            Cut along the last two axes.
        box : (row_start, column_start, row_stop, column_stop)
            Half-open, inside the region.

        Returns
        -------
        (H, W) int32 array
            A view.
        """
        leading = zip(plane.position, self.region[:-2], strict=True)
        index: list[int | slice] = [place - axis.start for place, axis in leading]
        row, column = self.region[-2].start, self.region[-1].start
        index += [slice(box[0] - row, box[2] - row)]
        index += [slice(box[1] - column, box[3] - column)]
        return self.pieces[tuple(index)]


def changed_meanwhile(object_id: int) -> SessionError:
    """Return why pieces that were found are of no use.

    Parameters
    ----------
    object_id : int
        The object.

    Returns
    -------
    SessionError
        To raise.
    """
    return SessionError(
        f"Expected object {object_id} as it was when its pieces were looked for, "
        "got one that was changed meanwhile. Split it again."
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


def _region(parts: list[tuple[Plane, Box]], ndim: int) -> Region:
    if not parts:
        return (slice(0, 0),) * ndim
    places = np.array([plane.position for plane, _ in parts]).reshape(len(parts), -1)
    boxes = np.array([box for _, box in parts])
    starts = [*places.min(axis=0), *boxes[:, :2].min(axis=0)]
    stops = [*(places.max(axis=0) + 1), *boxes[:, 2:].max(axis=0)]
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))
