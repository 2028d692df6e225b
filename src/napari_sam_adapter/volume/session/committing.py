"""Take computed masks over into the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_sam_adapter.boxed_mask import nothing, place
from napari_sam_adapter.interrupts import uninterrupted
from napari_sam_adapter.volume.asking.answer import Answer
from napari_sam_adapter.volume.asking.candidates import preferred_number
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.asking.results import JointResult, clip_score
from napari_sam_adapter.volume.document.draft import Draft
from napari_sam_adapter.volume.document.journal_entries import (
    Predict,
    PredictTogether,
    Propagated,
)
from napari_sam_adapter.volume.document.mask_writing import check_shape, write_mask
from napari_sam_adapter.volume.document.objects import Derivation
from napari_sam_adapter.volume.document.withdrawing import withdraw

if TYPE_CHECKING:
    from napari_sam_adapter.volume.asking.results import PlaneResult
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.journal.session_log import SessionLog

_MaskEntry: TypeAlias = Predict | PredictTogether | Propagated


def commit_to(
    document: Document, log: SessionLog, result: PlaneResult | JointResult
) -> list[Change]:
    """Write masks, and what is known about them, and note them in the history.

    Parameters
    ----------
    document : Document
        Where it is written.
    log : SessionLog
        Gets an entry, unless all is stale. For masks of one pass it has the prompts of
        all: in which company an object was decoded may change its mask by rounding.
    result : PlaneResult or JointResult
        What comes in; what is stale of it is left out.

    Returns
    -------
    list of Change
        What happened to the pixels.

    Raises
    ------
    SessionError
        If a mask is one of a plane of another shape; then nothing is changed.
    OutputError
        If the journal cannot be written; the masks are written nevertheless.
    """
    entry = _entry_of(document, result)
    parts = result.results if isinstance(result, JointResult) else (result,)
    spared_from = result.spared_from if isinstance(result, JointResult) else None
    current = [part for part in parts if _is_current(document, part)]
    for part in current:
        check_shape(part.boxed_mask, part.plane.shape(document.labels.shape))
    if not current:
        return []
    drafts = [Draft(document, part.propagation) for part in current]
    pairs = list(zip(drafts, current, strict=True))
    with uninterrupted():
        try:
            for draft, part in pairs:
                if part.propagation:
                    _commit_propagated(draft, part)
                else:
                    _commit_answer(draft, part, spared_from)
            problem = log.try_to_write(entry)
        except BaseException:
            withdraw(document, *(draft.step() for draft in drafts))
            raise
        for draft, part in pairs:
            _take_note(document, draft, part)
    if problem:
        raise problem
    return [change for draft in drafts for change in draft.changes]


def _take_note(document: Document, draft: Draft, result: PlaneResult) -> None:
    step = draft.step()
    document.revisions.settle(step)
    if result.propagation:
        document.history.push(step)
        return
    key = result.object_id, result.plane
    document.history.attach(step, key)
    document.revisions.end_disturbed(draft.changes)
    document.keep_refinable(key)


def _is_current(document: Document, part: PlaneResult) -> bool:
    return document.is_current(
        part.object_id, part.plane, part.revision, part.propagation
    )


def _entry_of(document: Document, result: PlaneResult | JointResult) -> _MaskEntry:
    if isinstance(result, JointResult):
        return PredictTogether(
            result.requests[0].plane,
            tuple(request.prompts for request in result.requests),
            tuple(
                r.object_id if _is_current(document, r) else 0 for r in result.results
            ),
            result.spared_from,
        )
    if result.propagation:
        return Propagated(result.propagation, result.object_id, result.plane)
    return Predict(result.object_id, result.plane)


def _commit_answer(draft: Draft, result: PlaneResult, spared_from: int | None) -> None:
    object_id, plane, prediction = result.object_id, result.plane, result.prediction
    assert prediction is not None  # only propagations come without
    record = draft.document.record(object_id, plane)
    masks = [candidate.boxed_mask for candidate in prediction.candidates]
    number = preferred_number(masks, draft.document.preference)
    mask, confidence = result.boxed_mask, result.confidence
    if number:
        taken = prediction.candidates[number]
        mask, confidence = taken.boxed_mask, clip_score(taken.score)
    write_mask(draft, object_id, plane, mask, spared_from=spared_from)
    answer = Answer.of(prediction, record.prompts, confidence, number)
    followed = record.corrects
    record = replace(record, answer=answer, derivation=None, followed=followed)
    draft.set_record(object_id, plane, record)


def _commit_propagated(draft: Draft, result: PlaneResult) -> None:
    object_id, plane, document = result.object_id, result.plane, draft.document
    record = document.record(object_id, plane)
    beside = document.revisions.open_propagations[result.propagation]
    spared = document.finished, beside.spared_from
    if result.is_usable:
        write_mask(draft, object_id, plane, result.boxed_mask, *spared)
        result = _as_written(document, result)
    elif record.is_derived:
        empty = nothing(result.boxed_mask.shape)
        write_mask(draft, object_id, plane, empty, *spared)
    record = replace(
        record, answer=None, derivation=Derivation.of(result), followed=None
    )
    draft.set_record(object_id, plane, record)


def _as_written(document: Document, result: PlaneResult) -> PlaneResult:
    """Return a result without the pixels that it did not get."""
    mask = result.boxed_mask
    labels = result.plane.view(document.labels)[slices_of(mask.box)]
    left = mask.pixels & (labels == result.object_id)
    if np.array_equal(left, mask.pixels):
        return result
    return result.less(place(left, mask.box, mask.shape))
