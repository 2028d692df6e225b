"""Take computed masks over into the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.volume.answer import Answer
from napari_sam_adapter.volume.objects import Derivation
from napari_sam_adapter.volume.performing import write_mask

if TYPE_CHECKING:
    from napari_sam_adapter.volume.draft import Draft
    from napari_sam_adapter.volume.results import PlaneResult


def commit_result(draft: Draft, result: PlaneResult) -> None:
    """Write a mask, and what is known about it.

    Parameters
    ----------
    draft : Draft
        Where it is written.
    result : PlaneResult
        Not stale.
    """
    if result.propagation:
        _commit_propagated(draft, result)
    else:
        _commit_answer(draft, result)


def _commit_answer(draft: Draft, result: PlaneResult) -> None:
    object_id, plane, prediction = result.object_id, result.plane, result.prediction
    assert prediction is not None  # only propagations come without
    record = draft.document.record(object_id, plane)
    write_mask(draft, object_id, plane, result.mask)
    answer = Answer.of(prediction, record.prompts, result.confidence)
    record = replace(record, answer=answer, derivation=None)
    draft.set_record(object_id, plane, record)
    draft.document.keep_refinable((object_id, plane))


def _commit_propagated(draft: Draft, result: PlaneResult) -> None:
    object_id, plane, document = result.object_id, result.plane, draft.document
    record = document.record(object_id, plane)
    if result.is_usable:
        write_mask(draft, object_id, plane, result.mask, document.finished)
    elif record.is_derived:
        write_mask(
            draft, object_id, plane, np.zeros_like(result.mask), document.finished
        )
    record = replace(record, answer=None, derivation=Derivation.of(result))
    draft.set_record(object_id, plane, record)
