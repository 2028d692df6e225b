"""Take the masks of a search over into the document, all of a pass at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.volume.draft import Draft
from napari_sam_adapter.volume.mask_writing import check_shape, write_mask
from napari_sam_adapter.volume.objects import PlaneRecord

if TYPE_CHECKING:
    from napari_sam_adapter.volume.changes import Change
    from napari_sam_adapter.volume.document import Document
    from napari_sam_adapter.volume.results import FoundMasks


def take_found(document: Document, found: FoundMasks) -> list[Change]:
    """Write masks that a search found, and note them in the history.

    Parameters
    ----------
    document : Document
        Where it is written; the objects with their prompts are its last step.
    found : FoundMasks
        Of objects that have no mask yet.

    Returns
    -------
    list of Change
        What happened to the pixels.

    Raises
    ------
    SessionError
        If a mask is one of a plane of another shape; then nothing is changed.
    """
    plane, shape = found.plane, found.plane.shape(document.labels.shape)
    for mask in found.masks:
        if mask is not None:
            check_shape(mask, shape)
    draft = Draft(document)
    parts = zip(found.object_ids, found.asked, found.answers, found.masks, strict=True)
    for object_id, prompts, answer, mask in parts:
        if answer is None or mask is None:
            continue
        write_mask(draft, object_id, plane, mask, spared_from=found.spared_from)
        draft.set_record(object_id, plane, PlaneRecord(prompts, answer))
    step = draft.step()
    document.revisions.settle(step)
    document.history.attach(step, next(iter(step.records)))
    document.revisions.end_disturbed(draft.changes)
    for key, (_, record) in step.records.items():
        if record is not None and record.answer and record.answer.can_be_refined:
            document.keep_refinable(key)
    return draft.changes
