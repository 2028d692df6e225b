"""Carry out edits of whole objects on the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.axes import check_spacing
from napari_sam_adapter.volume.document import OVERLAP_RULES
from napari_sam_adapter.volume.object_edits import (
    LockObject,
    MergeObjects,
    ObjectEdit,
    RenameObject,
    ReopenObject,
    SetClass,
    SetOverlapRule,
    SplitObject,
    UnlockObject,
)
from napari_sam_adapter.volume.objects import ObjectRecord, PlaneRecord
from napari_sam_adapter.volume.packing import slices_of
from napari_sam_adapter.volume.plane import Plane, numbered_plane
from napari_sam_adapter.volume.splitting import largest_first, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document import Document
    from napari_sam_adapter.volume.draft import Draft

DescribingEdit: TypeAlias = (
    RenameObject | SetClass | LockObject | UnlockObject | ReopenObject
)
LONGEST_NAME = 200


def perform_on_objects(draft: Draft, edit: ObjectEdit) -> None:
    """Carry out one edit of whole objects.

    Parameters
    ----------
    draft : Draft
        Where it is carried out; left alone if the edit is refused.
    edit : ObjectEdit
        What to do.

    Raises
    ------
    SessionError
        If an object does not exist or is locked, or the edit does not fit.
    """
    match edit:
        case MergeObjects():
            _merge(draft, edit.object_ids)
        case SplitObject():
            _split(draft, edit)
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


def delete_object(draft: Draft, object_id: int) -> None:
    """Remove an object, its prompts and all its pixels.

    Parameters
    ----------
    draft : Draft
        Where it is removed.
    object_id : int
        The object.

    Raises
    ------
    SessionError
        If there is no such object, or it is locked.
    """
    require_unlocked(draft.document, object_id)
    for plane, box in _parts(draft.document, object_id):
        part = _view(draft.document, plane, box)
        after = np.where(part == object_id, 0, part)
        draft.write(object_id, plane, after, box[:2])
    _forget(draft, object_id)


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
    if rule not in OVERLAP_RULES:
        raise SessionError(
            f"Expected one of the rules {', '.join(OVERLAP_RULES)}, got {rule!r}."
        )
    if rule != draft.document.overlap_rule:
        draft.set_overlap_rule(rule)


def _merge(draft: Draft, object_ids: tuple[int, ...]) -> None:
    several = list(dict.fromkeys(object_ids))
    if len(several) < 2:
        raise SessionError(
            f"Expected two or more objects to merge, got {several}. Select them all."
        )
    for object_id in several:
        require_unlocked(draft.document, object_id)
    first, *others = several
    for other in others:
        for plane, box in _parts(draft.document, other):
            own = _view(draft.document, plane, box) == other
            _give(draft, plane, box, own, first)
        _forget(draft, other)


def _split(draft: Draft, edit: SplitObject) -> None:
    document, object_id = draft.document, edit.object_id
    record = require_unlocked(document, object_id)
    parts = list(_parts(document, object_id))
    region = _region(parts, document.labels.ndim)
    spacing = check_spacing(edit.spacing, document.labels.ndim)
    pieces = pieces_of(document.labels[region] == object_id, spacing)
    order = largest_first(pieces)
    if len(order) < 2:
        raise SessionError(
            "Expected an object in several pieces or with a waist, got object "
            f"{object_id} in {len(order)}. Erase a line between them first."
        )
    number_of = np.zeros(pieces.max() + 1, np.int64)
    number_of[order] = [object_id, *_next_numbers(document, len(order) - 1)]
    for new_id in number_of[order[1:]].tolist():
        draft.set_object(new_id, ObjectRecord(record.accepted, "", record.class_name))
    numbers = number_of[pieces]
    for plane, box in parts:
        here = _inside(numbers, region, plane, box)
        for new_id in np.unique(here[(here != object_id) & (here > 0)]).tolist():
            _give(draft, plane, box, here == new_id, new_id, object_id)


def _region(parts: list[tuple[Plane, Box]], ndim: int) -> tuple[slice, ...]:
    if not parts:
        return (slice(0, 0),) * ndim
    places = np.array([plane.position for plane, _ in parts]).reshape(len(parts), -1)
    boxes = np.array([box for _, box in parts])
    starts = [*places.min(axis=0), *boxes[:, :2].min(axis=0)]
    stops = [*(places.max(axis=0) + 1), *boxes[:, 2:].max(axis=0)]
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _next_numbers(document: Document, count: int) -> list[int]:
    first = max(document.objects) + 1
    limit = int(np.iinfo(document.labels.dtype).max)
    if first + count - 1 > limit:
        raise SessionError(
            f"Expected room for {count} objects more, but labels end at {limit}. "
            "Use labels of a larger integer type for more objects."
        )
    return list(range(first, first + count))


def _inside(
    numbers: npt.NDArray[np.int64],
    region: tuple[slice, ...],
    plane: Plane,
    box: Box,
) -> npt.NDArray[np.int64]:
    leading = zip(plane.position, region[:-2], strict=True)
    index: list[int | slice] = [place - axis.start for place, axis in leading]
    row, column = region[-2].start, region[-1].start
    index += [slice(box[0] - row, box[2] - row)]
    index += [slice(box[1] - column, box[3] - column)]
    return numbers[tuple(index)]


def _give(
    draft: Draft,
    plane: Plane,
    box: Box,
    pixels: npt.NDArray[np.bool_],
    receiver: int,
    giver: int | None = None,
) -> None:
    """Give pixels inside a box to an object, as if they were painted by hand."""
    part = _view(draft.document, plane, box)
    draft.write(receiver, plane, np.where(pixels, receiver, part), box[:2])
    shape = plane.shape(draft.document.labels.shape)
    for object_id in (receiver, giver):
        if object_id is not None:
            record = draft.document.record(object_id, plane)
            draft.set_record(object_id, plane, record.with_painted(pixels, box, shape))


def _parts(document: Document, object_id: int) -> Iterator[tuple[Plane, Box]]:
    """Yield the planes on which an object is, with a box around it."""
    for number, part in document.ledger.parts(object_id).items():
        yield numbered_plane(document.labels.shape, number), part.box


def _view(document: Document, plane: Plane, box: Box) -> npt.NDArray[np.integer[Any]]:
    return plane.view(document.labels)[slices_of(box)]
