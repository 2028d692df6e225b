"""Carry out edits of whole objects on the document."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.changes import union_box
from napari_sam_adapter.volume.document.ledger import largest_label
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    MergeObjects,
    ObjectEdit,
    RenameObject,
    ReopenObject,
    SetClass,
    SetOverlapRule,
    SplitObject,
    TidyObject,
    UnlockObject,
    WriteLabels,
)
from napari_sam_adapter.volume.document.objects import ObjectRecord, PlaneRecord
from napari_sam_adapter.volume.document.overlap_rules import checked_rule
from napari_sam_adapter.volume.document.piece_search import (
    FoundPieces,
    PieceSearch,
    changed_meanwhile,
    parts_of,
)
from napari_sam_adapter.volume.document.tidy_search import tidy_object
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.draft import Draft

DescribingEdit: TypeAlias = (
    RenameObject | SetClass | LockObject | UnlockObject | ReopenObject
)
_Given: TypeAlias = "dict[Plane, list[tuple[Box, npt.NDArray[np.bool_]]]]"
"""Pixels that change hands, each lot inside a box."""
LONGEST_NAME = 200


def perform_on_objects(draft: Draft, edit: ObjectEdit) -> Iterator[None]:
    """Carry out one edit of whole objects.

    Parameters
    ----------
    draft : Draft
        Where it is carried out; left alone if the edit is refused.
    edit : ObjectEdit
        What to do.

    Yields
    ------
    None
        As `perform`.

    Raises
    ------
    SessionError
        If an object does not exist or is locked, or the edit does not fit.
    """
    match edit:
        case MergeObjects():
            yield from _merge(draft, edit.object_ids)
        case SplitObject():
            yield from _split(draft, edit)
        case TidyObject():
            require_unlocked(draft.document, edit.object_id)
            yield from tidy_object(draft, edit)
        case WriteLabels():
            _write_labels(draft, edit)
            yield
        case SetOverlapRule():
            _set_rule(draft, edit.rule)
        case _:
            record = draft.document.require(edit.object_id)
            described = _described(record, edit)
            if described != record:
                draft.set_object(edit.object_id, described)


def require_unlocked(document: Document, object_id: int) -> ObjectRecord:
    """Return an object that has to exist and may be changed.

    Parameters
    ----------
    document : Document
        Where it is.
    object_id : int
        The object.

    Returns
    -------
    ObjectRecord
        Its record.

    Raises
    ------
    SessionError
        If there is no such object, or it is locked.
    """
    record = document.require(object_id)
    if record.locked:
        raise SessionError(
            f"Expected an object that may be changed, got the locked object "
            f"{object_id}. Unlock it first."
        )
    return record


def delete_object(draft: Draft, object_id: int) -> Iterator[None]:
    """Remove an object, its prompts and all its pixels.

    Parameters
    ----------
    draft : Draft
        Where it is removed.
    object_id : int
        The object.

    Yields
    ------
    None
        As `perform`.

    Raises
    ------
    SessionError
        If there is no such object, or it is locked.
    """
    require_unlocked(draft.document, object_id)
    _forget(draft, object_id)
    yield
    for plane, box in parts_of(draft.document, object_id):
        part = _view(draft.document, plane, box)
        after = np.where(part == object_id, 0, part)
        draft.write(object_id, plane, after, box[:2])
        yield


def _forget(draft: Draft, object_id: int) -> None:
    for plane in list(draft.document.records_of.get(object_id, ())):
        draft.set_record(object_id, plane, PlaneRecord())
    draft.set_object(object_id, None)


def _described(record: ObjectRecord, edit: DescribingEdit) -> ObjectRecord:
    match edit:
        case RenameObject():
            return replace(record, name=_line(edit.name, "a name"))
        case SetClass():
            return replace(record, class_name=_line(edit.class_name, "a class", 0))
        case LockObject() | UnlockObject():
            return replace(record, locked=isinstance(edit, LockObject))
        case ReopenObject():
            return replace(record, accepted=False)
    assert_never(edit)


def _line(text: str, what: str, shortest: int = 1) -> str:
    line = text.strip() if isinstance(text, str) else "\n"
    if not shortest <= len(line) <= LONGEST_NAME or not line.isprintable():
        raise SessionError(
            f"Expected {what} of one line with {shortest} to {LONGEST_NAME} "
            f"characters, got {text!r:.80}. Write another."
        )
    return line


def _set_rule(draft: Draft, rule: str) -> None:
    if checked_rule(rule) != draft.document.overlap_rule:
        draft.set_overlap_rule(rule)


def _merge(draft: Draft, object_ids: tuple[int, ...]) -> Iterator[None]:
    """Give the first object all pixels of the others, as if they were painted."""
    several = list(dict.fromkeys(object_ids))
    if len(several) < 2:
        raise SessionError(
            f"Expected two or more objects to merge, got {several}. Select them all."
        )
    for object_id in several:
        require_unlocked(draft.document, object_id)
    first, *others = several
    for other in others:
        _forget(draft, other)
    yield
    painted: _Given = {}
    for other in others:
        for plane, box in parts_of(draft.document, other):
            own = _view(draft.document, plane, box) == other
            _write_into(draft, plane, box, own, first)
            painted.setdefault(plane, []).append((box, own))
            yield
    for plane, pieces in painted.items():
        _note_painted(draft, first, plane, *_joined(pieces))


def _joined(
    pieces: list[tuple[Box, npt.NDArray[np.bool_]]],
) -> tuple[Box, npt.NDArray[np.bool_]]:
    """Return several pieces of a plane as one, with the box around all."""
    around = reduce(union_box, (box for box, _ in pieces))
    top, left, bottom, right = around
    pixels = np.zeros((bottom - top, right - left), dtype=bool)
    for (up, start, down, stop), own in pieces:
        pixels[up - top : down - top, start - left : stop - left] |= own
    return around, pixels


def _split(draft: Draft, edit: SplitObject) -> Iterator[None]:
    """Make an object of every piece but the largest, as if all were painted."""
    document, object_id = draft.document, edit.object_id
    record = require_unlocked(document, object_id)
    found = _pieces_of(document, edit)
    new_ids = next_numbers(document, found.count - 1)
    for new_id in new_ids:
        draft.set_object(new_id, ObjectRecord(record.accepted, "", record.class_name))
    yield
    given: _Given = {}
    for piece, new_id in enumerate(new_ids, start=2):
        for plane, box, own in found.parts(piece):
            _write_into(draft, plane, box, own, new_id)
            _note_painted(draft, new_id, plane, box, own)
            given.setdefault(plane, []).append((box, own))
            yield
    for plane, pieces in given.items():
        _note_painted(draft, object_id, plane, *_joined(pieces))


def _pieces_of(document: Document, edit: SplitObject) -> FoundPieces:
    """Return the pieces of an object that is to be split, which may be found ahead."""
    found, object_id = edit.found, edit.object_id
    if found is None:
        found = PieceSearch.begin(document, object_id, edit.spacing).find()
    elif not found.fits(document, object_id):
        raise changed_meanwhile(object_id)
    if found.count < 2:
        raise SessionError(
            "Expected an object in several pieces or with a clear waist, got object "
            f"{object_id} without. Erase a line where it shall be cut first."
        )
    return found


def _write_labels(draft: Draft, edit: WriteLabels) -> None:
    labels, values = draft.document.labels, np.asarray(edit.values)
    Plane.require(edit.plane).check(labels.shape)
    shape = edit.plane.shape(labels.shape)
    ends = np.add(edit.corner, values.shape) if values.ndim == 2 else None
    if ends is None or min(edit.corner) < 0 or (ends > shape).any():
        raise SessionError(
            f"Expected labels inside a plane of {shape} pixels, got {values.shape} "
            f"from {edit.corner} on. Give those of the plane or a part of it."
        )
    for object_id in np.unique(values[values != 0]).tolist():
        require_unlocked(draft.document, object_id)
    box = (*edit.corner, int(ends[0]), int(ends[1]))
    part = _view(draft.document, edit.plane, box)
    taken = (values != 0) & (part == 0)
    after = np.where(taken, values.astype(part.dtype), part)
    draft.write(0, edit.plane, after, edit.corner)


def next_numbers(document: Document, count: int) -> list[int]:
    """Return free numbers for new objects.

    Parameters
    ----------
    document : Document
        Where they shall be.
    count : int
        How many.

    Returns
    -------
    list of int
        In rising order: those after the largest in use, or the lowest free ones where
        the labels end before.

    Raises
    ------
    SessionError
        If the labels have no room for them.
    """
    objects, limit = document.objects, largest_label(document.labels.dtype)
    first = max(objects, default=0) + 1
    if first + count - 1 <= limit:
        return list(range(first, first + count))
    free = (number for number in range(1, limit + 1) if number not in objects)
    numbers = list(islice(free, count))
    if len(numbers) < count:
        raise SessionError(
            f"Expected room for {counted(count, 'object')} more, but labels end at "
            f"{limit}. Use labels of a larger integer type for more objects."
        )
    return numbers


def _write_into(
    draft: Draft,
    plane: Plane,
    box: Box,
    pixels: npt.NDArray[np.bool_],
    receiver: int,
) -> None:
    part = _view(draft.document, plane, box)
    draft.write(receiver, plane, np.where(pixels, receiver, part), box[:2])


def _note_painted(
    draft: Draft,
    object_id: int,
    plane: Plane,
    box: Box,
    pixels: npt.NDArray[np.bool_],
) -> None:
    shape = plane.shape(draft.document.labels.shape)
    record = draft.document.record(object_id, plane)
    draft.set_record(object_id, plane, record.with_painted(pixels, box, shape))


def _view(document: Document, plane: Plane, box: Box) -> npt.NDArray[np.integer[Any]]:
    return plane.view(document.labels)[slices_of(box)]
