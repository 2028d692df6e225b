"""What is said of masks that were just taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.wording import numbered

if TYPE_CHECKING:
    from napari_sam_adapter.volume.changes import Change
    from napari_sam_adapter.volume.session import Session


def told(session: Session, changes: list[Change]) -> str:
    """Say what came of prompts.

    Parameters
    ----------
    session : Session
        After the masks were committed.
    changes : list of Change
        From `Session.commit`, not empty.

    Returns
    -------
    str
        Sentences for the status line.
    """
    there = [change for change in changes if _is_there(session, change)]
    new = [change.object_id for change in there if not change.is_empty]
    same = [change.object_id for change in there if change.is_empty]
    sentences = [_in_vain(session, change) for change in changes if change not in there]
    if new:
        sentences.insert(0, f"{_objects(new)} segmented.")
    if same:
        sentences.append(f"{_objects(same)} as before: the answer is the same.")
    return " ".join(sentences)


def _objects(numbers: list[int]) -> str:
    verb = "is" if len(numbers) == 1 else "are"
    return f"{numbered('Object', numbers)} {verb}"


def _in_vain(session: Session, change: Change) -> str:
    """Say why an object has no pixel."""
    object_id, plane = change.object_id, change.plane
    masks = session.candidates(object_id, plane)
    number = session.chosen_candidate(object_id, plane)
    if masks and masks[number].boxed_mask.area:
        return (
            f"Object {object_id} got no pixel: others have them all. Click elsewhere, "
            "or choose another rule for neighbours under Objects."
        )
    return f"Object {object_id}: nothing was found here. Click elsewhere, or undo."


def _is_there(session: Session, change: Change) -> bool:
    return session.objects.is_on(change.object_id, change.plane)
