"""What is said of masks that were just taken over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.wording import numbered

if TYPE_CHECKING:
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.session.session import Session

SLIVER = 0.5
"""An object that got a smaller part of its mask, because of others, is told so."""
SAME = "as before: the answer is the same"
ELSEWHERE = "Click elsewhere, or choose another rule for neighbours under Objects."


@dataclass(frozen=True)
class _Outcome:
    """What became of the answer to a prompt.

    Parameters
    ----------
    object_id : int
        Who asked.
    area : int
        Pixels of the answer.
    missing : int
        Those of them that the object does not have.
    holders : tuple of int
        Other objects that have some of these.
    held : int
        How many.
    """

    object_id: int
    area: int
    missing: int
    holders: tuple[int, ...]
    held: int

    @classmethod
    def of(cls, session: Session, change: Change) -> _Outcome:
        """Compare what was asked for with what is in the labels now."""
        object_id, plane = change.object_id, change.plane
        mask = session.objects.mask_asked_for(object_id, plane)
        if mask is None:
            return cls(object_id, 0, 0, (), 0)
        there = plane.view(session.labels)[slices_of(mask.box)][mask.pixels]
        missing = there[there != object_id]
        others = missing[missing > 0]
        holders = tuple(map(int, np.unique(others)))
        return cls(object_id, there.size, missing.size, holders, others.size)

    @property
    def is_sliver(self) -> bool:
        """Whether others kept the larger part of the answer."""
        return self.held > SLIVER * self.area


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
    groups: dict[str, list[int]] = {"segmented": [], "smaller now": [], SAME: []}
    sentences = []
    for change in changes:
        outcome = _Outcome.of(session, change)
        if not session.objects.is_on(change.object_id, change.plane):
            sentences.append(_in_vain(session, outcome))
        elif change.is_empty and outcome.missing:
            why = _why(session, outcome)
            sentences.append(f"Object {change.object_id} won no pixel: {why}.")
        else:
            groups[_group(change)].append(change.object_id)
            if outcome.is_sliver:
                sentences.append(_sliver(session, outcome))
    grouped = [f"{_objects(found)} {text}." for text, found in groups.items() if found]
    return " ".join(grouped + sentences)


def _group(change: Change) -> str:
    """Say in a word or two what a change did to its object."""
    if change.is_empty:
        return SAME
    is_gained = (change.after == change.object_id) & (change.before != change.after)
    return "segmented" if is_gained.any() else "smaller now"


def _objects(numbers: list[int]) -> str:
    verb = "is" if len(numbers) == 1 else "are"
    return f"{numbered('Object', numbers)} {verb}"


def _in_vain(session: Session, outcome: _Outcome) -> str:
    """Say why an object has no pixel."""
    who = f"Object {outcome.object_id}"
    if not outcome.area:
        return f"{who}: nothing was found here. Click elsewhere, or undo."
    return f"{who} got no pixel: {_why(session, outcome)}. {ELSEWHERE}"


def _sliver(session: Session, outcome: _Outcome) -> str:
    share = round(100 * (1 - outcome.missing / outcome.area))
    who, why = f"Object {outcome.object_id}", _why(session, outcome)
    return f"{who} got {share} % of its mask: {why}."


def _why(session: Session, outcome: _Outcome) -> str:
    """Say who has the pixels that an object did not get, and by which right."""
    rule, holders = session.overlap_rule, outcome.holders
    if not holders:
        return "what is locked, or was painted or erased by hand, stays"
    spared = {"keep": holders, "cut": session.accepted_ids, "overwrite": ()}[rule]
    by_rule = [holder for holder in holders if holder in spared]
    by_hand = [holder for holder in holders if holder not in spared]
    reasons = []
    if by_rule:
        theirs = "its" if len(by_rule) == 1 else "their"
        others = numbered("object", by_rule)
        reasons.append(f"the rule {rule} lets {others} keep {theirs} own")
    if by_hand:
        verb = "is" if len(by_hand) == 1 else "are"
        others = numbered("object", by_hand)
        reasons.append(f"{others} {verb} locked or painted by hand here")
    return ", and ".join(reasons)
