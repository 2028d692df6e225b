"""Looking for holes and specks of an object, in any thread, before it is tidied."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam_adapter.boxed_mask import BoxedMask, common_box, place
from napari_sam_adapter.volume.asking.packing import PackedArray, slices_of
from napari_sam_adapter.volume.document.changes import merge_mask
from napari_sam_adapter.volume.document.piece_search import (
    Region,
    changed_meanwhile,
    region_of_object,
)
from napari_sam_adapter.volume.document.protection import protected_pixels
from napari_sam_adapter.volume.document.tidying import tidied
from napari_sam_adapter.volume.planes.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.errors import SessionError
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.draft import Draft
    from napari_sam_adapter.volume.document.ledger import Ledger
    from napari_sam_adapter.volume.document.object_edits import TidyObject

_Marks: TypeAlias = "tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]"
"""Voxels, one index for every axis, and whether each is on the object."""
NO_PIXELS = np.zeros((0, 0), dtype=np.uint32)
REACH = 4
"""Widths of smoothing beyond which it sees nothing."""


@dataclass(frozen=True, eq=False)
class TidySearch:
    """Everything that a worker needs to find out what is to be tidied.

    Parameters
    ----------
    edit : TidyObject
        Which object, and how.
    labels : integer array
        Of the document; only read.
    axes : (int, int)
        Of the slices.
    region : tuple of slice
        Around all voxels of the object.
    marks : (K, ndim) int array, (K,) bool array
        Voxels that were clicked, on planes along any axes; whether on the object.
    ledger : Ledger
        Of the document.
    stamp : int
        Of the ledger when the search began.
    """

    edit: TidyObject
    labels: npt.NDArray[Any]
    axes: tuple[int, int]
    region: Region
    marks: _Marks
    ledger: Ledger
    stamp: int

    @classmethod
    def begin(cls, document: Document, edit: TidyObject) -> TidySearch:
        """Note what there is to look at; on the main thread.

        Parameters
        ----------
        document : Document
            Where the object is.
        edit : TidyObject
            What is asked for.

        Returns
        -------
        TidySearch
            Of the object as it is now.

        Raises
        ------
        PlaneError
            If the axes are not those of a slice.
        """
        labels, ledger = document.labels, document.ledger
        last = labels.ndim - 2, labels.ndim - 1
        axes = Plane(edit.axes or last, (0,) * (labels.ndim - 2)).axes
        marks = _marked(document, edit.object_id)
        region = region_of_object(document, edit.object_id)
        return cls(edit, labels, axes, region, marks, ledger, ledger.stamp)

    def steps(self) -> Iterator[FoundTidying | None]:
        """Look through the slices.

        Yields
        ------
        FoundTidying or None
            None after each slice, at last what is to be changed; of no use if the
            object changed meanwhile.
        """
        found = []
        for plane in self._planes():
            flipped = self._flipped(plane)
            if flipped.pixels.size:
                found.append((plane, PackedArray.of_mask(flipped)))
            yield None
        yield FoundTidying(self.edit, tuple(found), self.ledger, self.stamp)

    def _planes(self) -> Iterator[Plane]:
        others = [i for i in range(self.labels.ndim) if i not in self.axes]
        ranges = [self.region[axis] for axis in others]
        for index in np.ndindex(*(part.stop - part.start for part in ranges)):
            position = (p.start + i for p, i in zip(ranges, index, strict=True))
            yield Plane(self.axes, tuple(position))

    def _flipped(self, plane: Plane) -> BoxedMask:
        """Return the pixels of a slice that are to be gained or lost."""
        mask = _own_mask(self.labels, self.edit.object_id, plane, self.region)
        if not mask.pixels.size:
            return mask
        margin = math.ceil(REACH * self.edit.smoothing)
        box = common_box([mask], margin)
        points, signs = self._marks_on(plane)
        pixels = mask.window(box)
        after = tidied(pixels, self.edit, points - box[:2], signs)
        return place(after != pixels, box, mask.shape)

    def _marks_on(self, plane: Plane) -> _Marks:
        """Return the pixels of a slice that were clicked."""
        voxels, signs = self.marks
        is_here = (voxels[:, plane.other_axes] == plane.position).all(axis=1)
        return voxels[is_here][:, plane.axes], signs[is_here]


def _marked(document: Document, object_id: int) -> _Marks:
    """Return the voxels that were clicked for an object."""
    voxels = [np.zeros((0, document.labels.ndim), dtype=np.intp)]
    signs = [np.zeros(0, dtype=bool)]
    for plane, record in document.records_of.get(object_id, {}).items():
        if not record.prompts.is_empty:
            points, positive = record.prompts.all_points()
            voxels.append(_voxels(plane, np.rint(points).astype(np.intp)))
            signs.append(positive)
    return np.concatenate(voxels), np.concatenate(signs)


def _voxels(plane: Plane, pixels: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return pixels of a plane, (K, 2), as voxels of the volume."""
    voxels = np.empty((len(pixels), plane.ndim), dtype=np.intp)
    voxels[:, plane.axes] = pixels
    voxels[:, plane.other_axes] = plane.position
    return voxels


@dataclass(frozen=True, eq=False)
class FoundTidying:
    """What is to be changed of an object, as it was at some moment.

    Parameters
    ----------
    edit : TidyObject
        What was asked for.
    parts : tuple of (Plane, PackedArray)
        Slices, and the pixels there that are to be gained or lost.
    ledger : Ledger
        Of the document where it was.
    stamp : int
        Of the ledger at that moment.
    """

    edit: TidyObject
    parts: tuple[tuple[Plane, PackedArray], ...]
    ledger: Ledger
    stamp: int

    def fits(self, document: Document, edit: TidyObject) -> bool:
        """Return whether this is what an edit would find now.

        Parameters
        ----------
        document : Document
            Where the object is.
        edit : TidyObject
            What is to be done.

        Returns
        -------
        bool
            False for another edit or document, and after a change.
        """
        if document.ledger is not self.ledger or edit != self.edit:
            return False
        return edit.object_id not in self.ledger.changed_since(self.stamp)


def outdated(edit: TidyObject) -> SessionError:
    """Return why what was found ahead is of no use.

    Parameters
    ----------
    edit : TidyObject
        What was to be done.

    Returns
    -------
    SessionError
        To raise.
    """
    return changed_meanwhile(edit.object_id, "it was looked through", "Tidy")


def tidy_object(draft: Draft, edit: TidyObject) -> Iterator[None]:
    """Fill holes of an object, remove specks, and even its outline out.

    Parameters
    ----------
    draft : Draft
        Where it is done; the object exists and is not locked.
    edit : TidyObject
        What to do.

    Yields
    ------
    None
        As `perform`.

    Raises
    ------
    PlaneError
        If the axes are not those of a slice.
    SessionError
        If something else was found ahead, or the object changed since.
    """
    found = _found(draft.document, edit)
    before = len(draft.changes)
    for plane, packed in found.parts:
        _flip(draft, edit.object_id, plane, packed.unpack_mask())
        yield
    yield from _renew_derived(draft, edit.object_id, draft.changes[before:])


def _found(document: Document, edit: TidyObject) -> FoundTidying:
    """Return what is to be changed, which may be found ahead."""
    found = edit.found
    if found is None:
        *_, found = TidySearch.begin(document, edit).steps()
        assert found is not None  # the last one
    elif not found.fits(document, edit):
        raise outdated(edit)
    return found


def _flip(draft: Draft, object_id: int, plane: Plane, flipped: BoxedMask) -> None:
    """Give an object pixels of a slice or take them, as far as it may be changed."""
    document, box = draft.document, flipped.box
    labels = plane.view(document.labels)
    current = labels[slices_of(box)]
    mask = (current == object_id) ^ flipped.pixels
    kept = protected_pixels(document, object_id, plane, box)
    draft.write(object_id, plane, merge_mask(current, object_id, mask, kept), box[:2])


def _renew_derived(
    draft: Draft, object_id: int, changes: Sequence[Change]
) -> Iterator[None]:
    """Let followed slices, along any axes, know their masks with what was changed."""
    document = draft.document
    known = document.records_of.get(object_id, {}).items()
    derived = {
        plane: record.derivation
        for plane, record in known
        if record.derivation and record.derivation.mask and not record.is_pending
    }
    changed = {
        axes: _planes_with(changes, axes) for axes in {plane.axes for plane in derived}
    }
    region = region_of_object(document, object_id)
    for plane, derivation in derived.items():
        if plane.position in changed[plane.axes]:
            own = _own_mask(document.labels, object_id, plane, region)
            now = replace(derivation, mask=PackedArray.of_mask(own))
            record = document.record(object_id, plane)
            draft.set_record(object_id, plane, replace(record, derivation=now))
            draft.write(object_id, plane, NO_PIXELS)  # a pause is due after some
            yield


def _planes_with(
    changes: Iterable[Change], axes: tuple[int, int]
) -> set[tuple[int, ...]]:
    """Return the positions of planes along some axes on which pixels changed."""
    found: set[tuple[int, ...]] = set()
    for change in changes:
        pixels = np.argwhere(change.before != change.after) + change.box[:2]
        voxels = np.delete(_voxels(change.plane, pixels), axes, axis=1)
        found.update(map(tuple, np.unique(voxels, axis=0).tolist()))
    return found


def _own_mask(
    labels: npt.NDArray[Any], object_id: int, plane: Plane, region: Region
) -> BoxedMask:
    """Return the mask of an object on a plane, looking only where it may be."""
    whole = plane.view(labels)
    rows, columns = (region[axis] for axis in plane.axes)
    around = rows.start, columns.start, rows.stop, columns.stop
    own = whole[rows, columns] == object_id
    return place(own, around, (whole.shape[0], whole.shape[1]))
