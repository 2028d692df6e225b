"""What a step of the history is called, so that undo can say what it takes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.volume.document.objects import (
    NO_PROMPTS,
    PlaneRecord,
    same_prompts,
)
from napari_sam_adapter.wording import MOST_NUMBERS, counted, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.document.history import Step
    from napari_sam_adapter.volume.document.objects import ObjectRecord

NOTHING_KNOWN = PlaneRecord()


def in_words(step: Step) -> str:
    """Return what a step is called.

    Parameters
    ----------
    step : Step
        As it was done.

    Returns
    -------
    str
        A noun and whom it is about, such as ``"click on object 3"``.
    """
    kinds = _propagation, _rule, _coming_and_going, _description, _hand, _prompts
    return next(filter(None, (kind(step) for kind in kinds)), _mask(step))


def search_words(count: int) -> str:
    """Return what a search is called that is one step.

    Parameters
    ----------
    count : int
        How many objects it found.

    Returns
    -------
    str
        As of `in_words`.
    """
    return f"search that found {counted(count, 'object')}"


def _propagation(step: Step) -> str:
    if not step.propagation or step.objects:  # a search makes objects, too
        return ""
    written = {(change.object_id, change.plane) for change in step.changes}
    objects = {object_id for object_id, _ in written or step.records}
    unit = "slice" if len(objects) == 1 else "mask"
    return f"propagation of {_called(objects)} ({counted(len(written), unit)} changed)"


def _rule(step: Step) -> str:
    return f"rule {step.overlap_rule[1]} for neighbours" if step.overlap_rule else ""


def _coming_and_going(step: Step) -> str:
    """Name what makes or removes objects, but for the first prompt of a new one."""
    made = {i for i, (before, _) in step.objects.items() if before is None}
    gone = {i for i, (_, after) in step.objects.items() if after is None}
    others = {object_id for object_id, _ in step.records} - made - gone
    if gone:
        what = "merge into" if others else "deletion of"
        return f"{what} {_called(others or gone)}"
    if not made:
        return ""
    if any(after and not after.prompts.is_empty for _, after in step.records.values()):
        is_search = len(made) > 1 or bool(step.propagation)
        return search_words(len(made)) if is_search else ""
    is_stroke = not others or any(not change.object_id for change in step.changes)
    if not is_stroke:
        return f"split of {_called(others)}"
    return "" if step.records else f"new {_called(made)}"


def _description(step: Step) -> str:
    found = {
        object_id: _described(before, after)
        for object_id, (before, after) in step.objects.items()
        if before is not None and after is not None
    }
    return f"{next(iter(found.values()))} {_called(found)}" if found else ""


def _described(before: ObjectRecord, after: ObjectRecord) -> str:
    if before.accepted != after.accepted:
        return "acceptance of" if after.accepted else "re-opening of"
    if before.locked != after.locked:
        return "lock on" if after.locked else "unlocking of"
    if before.name != after.name:
        return "name of"
    return "class of" if before.class_name != after.class_name else "no change of"


def _hand(step: Step) -> str:
    """Name strokes and locks."""

    def is_ended(before: PlaneRecord, after: PlaneRecord) -> bool:
        was_there = bool(step.changes) or not before.is_blank
        is_bare = after.locked and replace(after, locked=False).is_blank
        return is_bare and was_there

    def is_stroke(before: PlaneRecord, after: PlaneRecord) -> bool:
        # one inside of what was painted before leaves an equal mask, but a new one
        return after.painted is not None and after.painted is not before.painted

    return (
        _where(step, "end of", is_ended)
        or _where(step, "lock of a slice of", lambda b, a: a.locked > b.locked)
        or _where(step, "unlocking of a slice of", lambda b, a: a.locked < b.locked)
        or _where(step, "stroke on", is_stroke)
        or _where(step, "release of paint on", lambda b, a: a.painted != b.painted)
    )


def _prompts(step: Step) -> str:
    for (object_id, _), (before, after) in step.records.items():
        was = before.prompts if before else NO_PROMPTS
        now = after.prompts if after else NO_PROMPTS
        if not same_prompts(was, now):
            return f"{_asked(was, now)} object {object_id}"
    return ""


def _asked(before: Prompts, after: Prompts) -> str:
    if (after.boxed_mask is None) != (before.boxed_mask is None):
        return "removed prompt of" if after.boxed_mask is None else "mask as prompt for"
    if after.box is not None and after.box != before.box:
        return "box around"
    for word, was, now in (
        ("outline of", before.polygons, after.polygons),
        ("scribble on", before.scribbles, after.scribbles),
        ("click on", before.points, after.points),
    ):
        if len(now) > len(was):
            return word
        if len(now) < len(was):
            return "removed prompt of"
    return "changed prompt of" if after.box or not before.box else "removed prompt of"


def _mask(step: Step) -> str:
    """Name masks that came, and changes of pixels alone, which tidying makes."""
    for key, (before, after) in step.records.items():
        was, now = before or NOTHING_KNOWN, after or NOTHING_KNOWN
        if was.answer is not now.answer:
            return f"mask of {_called({key[0] for key in step.records})}"
    tidied = {change.object_id for change in step.changes} - {0}
    return f"tidying of {_called(tidied)}" if tidied else "the last change"


def _where(
    step: Step, words: str, fits: Callable[[PlaneRecord, PlaneRecord], bool]
) -> str:
    """Name a step by those of its records that fit, if there are any."""
    found = {
        object_id
        for (object_id, _), (before, after) in step.records.items()
        if fits(before or NOTHING_KNOWN, after or NOTHING_KNOWN)
    }
    return f"{words} {_called(found)}" if found else ""


def _called(object_ids: Iterable[int]) -> str:
    """Call few objects by their numbers, and count many."""
    known = sorted(object_ids)
    if len(known) > MOST_NUMBERS:
        return counted(len(known), "object")
    return numbered("object", known)
