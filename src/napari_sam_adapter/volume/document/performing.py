"""Carry out edits on the document."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np

from napari_sam_adapter.boxed_mask import nothing
from napari_sam_adapter.errors import PromptError, SessionError
from napari_sam_adapter.prompts import Prompts, Scribble
from napari_sam_adapter.volume.asking.candidates import size_rank
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.drawn import drawn_on
from napari_sam_adapter.volume.document.edits import (
    Accept,
    AddPoint,
    AddScribble,
    ChooseCandidate,
    DeleteObject,
    Edit,
    EndHere,
    LockPlane,
    MovePoint,
    NewObject,
    Paint,
    PromptEdit,
    ReleasePaint,
    RemovePoint,
    SetBox,
    SetMaskPrompt,
    SetPrompts,
    UnlockPlane,
)
from napari_sam_adapter.volume.document.ledger import largest_label
from napari_sam_adapter.volume.document.mask_writing import write_mask
from napari_sam_adapter.volume.document.objects import (
    NEW_OBJECT,
    PlaneRecord,
    same_prompts,
)
from napari_sam_adapter.volume.document.performing_objects import (
    delete_object,
    perform_on_objects,
    require_unlocked,
)
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.planes.spoken import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.draft import Draft


def perform(draft: Draft, edit: Edit) -> Iterator[None]:
    """Carry out one edit.

    Parameters
    ----------
    draft : Draft
        Where it is carried out; left alone if the edit is refused.
    edit : Edit
        What to do.

    Yields
    ------
    None
        When objects, prompts and what is known of them are changed, then after some
        pixels each; most edits need no pause.

    Raises
    ------
    PlaneError
        If the plane lies outside the volume.
    PromptError
        If a prompt is malformed or lies outside its plane.
    SessionError
        If the object does not exist, or exists already, or the edit does not fit.
    """
    match edit:
        case NewObject():
            _make_object(draft, edit.object_id)
        case DeleteObject():
            yield from delete_object(draft, edit.object_id)
        case Accept():
            record = draft.document.require(edit.object_id)
            draft.set_object(edit.object_id, replace(record, accepted=True))
        case ChooseCandidate():
            _choose_candidate(draft, edit)
        case Paint():
            _paint(draft, edit)
        case ReleasePaint():
            _release_paint(draft, edit)
        case LockPlane() | UnlockPlane() | EndHere():
            _lock(draft, edit)
        case (
            AddPoint()
            | MovePoint()
            | RemovePoint()
            | SetBox()
            | AddScribble()
            | SetMaskPrompt()
            | SetPrompts()
        ):
            _edit_prompts(draft, edit)
        case _:
            yield from perform_on_objects(draft, edit)


def edited_prompts(prompts: Prompts, edit: PromptEdit) -> Prompts:
    """Return prompts after an edit.

    Parameters
    ----------
    prompts : Prompts
        Before; unchanged.
    edit : PromptEdit
        What to change.

    Returns
    -------
    Prompts
        After.

    Raises
    ------
    PromptError
        If the result is malformed or there is no such point.
    """
    match edit:
        case AddPoint():
            return prompts.with_point(_position(edit.point), edit.positive)
        case MovePoint():
            points = np.array(prompts.points)
            points[_number(edit, prompts)] = _position(edit.point)
            return replace(prompts, points=points)
        case RemovePoint():
            number = _number(edit, prompts)
            points = np.delete(prompts.points, number, axis=0)
            signs = np.delete(prompts.signs, number)
            return replace(prompts, points=points, polarities=signs)
        case SetBox():
            return replace(prompts, box=edit.box)
        case AddScribble():
            scribble = Scribble(edit.path, edit.positive)
            return replace(prompts, scribbles=(*prompts.scribbles, scribble))
        case SetMaskPrompt():
            return replace(prompts, mask=edit.mask)
        case SetPrompts():
            if not isinstance(edit.prompts, Prompts):
                raise PromptError(
                    f"Expected Prompts, got {edit.prompts!r}. Empty ones, Prompts(), "
                    "ask for nothing."
                )
            return edit.prompts
    assert_never(edit)


def _position(point: Any) -> tuple[float, float]:
    values = np.asarray(point, dtype=float)
    if values.shape != (2,):
        raise PromptError(f"Expected a point as (row, column), got {point}.")
    return float(values[0]), float(values[1])


def _number(edit: MovePoint | RemovePoint, prompts: Prompts) -> int:
    if not 0 <= edit.number < len(prompts.points):
        raise PromptError(
            f"Expected a point number below {len(prompts.points)}, got {edit.number}. "
            "Look at Session.prompts for the points of this plane."
        )
    return edit.number


def _edit_prompts(draft: Draft, edit: PromptEdit) -> None:
    document, object_id, plane = draft.document, edit.object_id, edit.plane
    record = _unlocked(document, object_id, plane)
    Plane.require(plane).check(document.labels.shape)
    prompts = edited_prompts(record.prompts, edit)
    prompts.check_inside(plane.shape(document.labels.shape))
    if same_prompts(prompts, record.prompts):
        return
    if prompts.is_empty:
        _clear_mask(draft, object_id, plane)
        record = replace(record, answer=None, derivation=None, followed=None)
    draft.set_record(object_id, plane, replace(record, prompts=prompts))


def _clear_mask(draft: Draft, object_id: int, plane: Plane) -> None:
    empty = nothing(plane.shape(draft.document.labels.shape))
    write_mask(draft, object_id, plane, empty)


def _unlocked(document: Document, object_id: int, plane: Plane) -> PlaneRecord:
    require_unlocked(document, object_id)
    record = document.record(object_id, plane)
    if record.locked:
        raise SessionError(
            f"Expected a slice on which object {object_id} may be changed, got "
            f"{name_of(plane)}, where it is locked. Unlock it first."
        )
    return record


def _lock(draft: Draft, edit: LockPlane | UnlockPlane | EndHere) -> None:
    document, object_id, plane = draft.document, edit.object_id, edit.plane
    document.require(object_id)
    Plane.require(plane).check(document.labels.shape)
    record = document.record(object_id, plane)
    if isinstance(edit, EndHere):
        _unlocked(document, object_id, plane)
        _erase(draft, object_id, plane)
        record = PlaneRecord()
    locked = not isinstance(edit, UnlockPlane)
    if record.locked != locked:
        draft.set_record(object_id, plane, replace(record, locked=locked))


def _erase(draft: Draft, object_id: int, plane: Plane) -> None:
    current = plane.view(draft.document.labels)
    box = draft.document.ledger.box_on(object_id, plane) or (0, 0, *current.shape)
    part = current[slices_of(box)]
    draft.write(object_id, plane, np.where(part == object_id, 0, part), box[:2])


def _make_object(draft: Draft, object_id: int) -> None:
    limit = largest_label(draft.document.labels.dtype)
    if not isinstance(object_id, Integral) or not 0 < object_id <= limit:
        raise SessionError(
            f"Expected a whole number from 1 to {limit} as an object, got "
            f"{object_id!r}. Use labels of a larger integer type for more objects."
        )
    if object_id in draft.document.objects:
        raise SessionError(
            f"Expected an object that is not in use, got {object_id}. "
            "Use new_object() for the next free one."
        )
    draft.set_object(object_id, NEW_OBJECT)


def _choose_candidate(draft: Draft, edit: ChooseCandidate) -> None:
    document, object_id, plane = draft.document, edit.object_id, edit.plane
    record = _unlocked(document, object_id, plane)
    answer = record.answer
    count = len(answer.parts) if answer and not record.is_pending else 0
    if answer is None or not 0 <= edit.number < count:
        raise SessionError(
            f"Expected one of {count} candidates, got {edit.number}. "
            "Ask Session.candidates which masks there are."
        )
    masks = [candidate.mask for candidate in answer.candidates]
    write_mask(draft, object_id, plane, masks[edit.number].unpack_mask())
    if edit.remember:
        unpacked = [mask.unpack_mask() for mask in masks]
        draft.set_preference(size_rank(unpacked, edit.number))
    answer = answer.choosing(edit.number)
    draft.set_record(object_id, plane, replace(record, answer=answer))


def _paint(draft: Draft, edit: Paint) -> None:
    document, plane = draft.document, edit.plane
    stroke = drawn_on(document.labels, edit).sparing(document.locked)
    shape, box = plane.shape(document.labels.shape), stroke.box
    for object_id in (objects := stroke.labels()):
        if object_id not in document.objects:
            _make_object(draft, object_id)
        mine = (stroke.before == object_id) | (stroke.after == object_id)
        record = document.record(object_id, plane)
        record = record.with_painted(stroke.mask & mine, box, shape)
        draft.set_record(object_id, plane, record)
    if stroke.mask.any():
        only = objects[0] if len(objects) == 1 else 0
        draft.write(only, plane, stroke.after, box[:2])


def _release_paint(draft: Draft, edit: ReleasePaint) -> None:
    draft.document.require(edit.object_id)
    Plane.require(edit.plane).check(draft.document.labels.shape)
    record = draft.document.record(edit.object_id, edit.plane)
    if record.painted is not None:
        released = replace(record, painted=None)
        draft.set_record(edit.object_id, edit.plane, released)
