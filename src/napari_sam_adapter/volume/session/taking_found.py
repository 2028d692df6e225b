"""Make objects of what a search found, all of a pass at once.

Objects, prompts and what is known of them change first, the pixels follow. Whatever is
made for each of very many objects is as little as can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from napari_sam_adapter.boxed_mask import NOWHERE, BoxedMask
from napari_sam_adapter.interrupts import uninterrupted
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.changes import Change
from napari_sam_adapter.volume.document.draft import Draft
from napari_sam_adapter.volume.document.mask_writing import write_mask
from napari_sam_adapter.volume.document.objects import NEW_OBJECT, PlaneRecord
from napari_sam_adapter.volume.document.performing_objects import next_numbers
from napari_sam_adapter.volume.document.protection import protected_pixels
from napari_sam_adapter.volume.document.withdrawing import withdraw
from napari_sam_adapter.volume.journal.journal_lines import (
    WrittenGroup,
    new_objects_text,
    predicted_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.asking.answer import Answer
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.journal.session_log import SessionLog
    from napari_sam_adapter.volume.planes.plane import Plane

NOBODY = 0
"""Object of what was asked in vain."""
Lot: TypeAlias = "tuple[Box, npt.NDArray[np.bool_]]"
"""A box, half-open, and the pixels of a mask inside it."""
NOTHING: Lot = (NOWHERE, np.zeros((0, 0), bool))


class FindPass(NamedTuple):
    """One pass of the decoder in a search.

    Attributes
    ----------
    prompts : tuple of Prompts
        What was asked.
    answers : tuple of Answer or None
        One for each; None for those that are no new object. Of very many, only the
        newest have logits, as in the session.
    masks : tuple of Lot
        What is chosen of each answer.
    texts : tuple of str
        `prompts_text` of what was asked.
    """

    prompts: tuple[Prompts, ...]
    answers: tuple[Answer | None, ...]
    masks: tuple[Lot, ...]
    texts: tuple[str, ...]

    @property
    def new(self) -> int:
        """How many new objects there are."""
        return sum(answer is not None for answer in self.answers)

    def without_logits(self) -> FindPass:
        """Return masks and scores alone."""
        small = tuple(answer and answer.without_logits() for answer in self.answers)
        return self._replace(answers=small)

    def numbered(self, numbers: Iterator[int]) -> Iterator[int]:
        """Yield the object of each answer; what was asked in vain is nobody's."""
        for answer in self.answers:
            yield NOBODY if answer is None else next(numbers)


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """What a session takes in of a search.

    Parameters
    ----------
    plane : Plane
        Where.
    passes : tuple of FindPass
        What was found.
    spares_all : bool
        Whether the new objects take no pixel of those before; else only not of each
        other.
    run : int
        Number of the search through a volume that this is a part of: all of it is one
        step. 0 for a step of its own.
    """

    plane: Plane
    passes: tuple[FindPass, ...]
    spares_all: bool
    run: int = 0


def taking_found(
    document: Document, log: SessionLog, found: FoundMasks
) -> Iterator[list[Change]]:
    """Make objects of what a search found, as one step of the history.

    Parameters
    ----------
    document : Document
        Nobody else may change it meanwhile.
    log : SessionLog
        Gets all of it at the end.
    found : FoundMasks
        From a search on this document.

    Yields
    ------
    list of Change
        What happened to the pixels: nothing when all objects are made, then the masks
        of one pass of the network after the other.

    Raises
    ------
    SessionError
        If there are too many objects for the labels; then nothing is changed.
    OutputError
        If the journal cannot be written; the objects are there nevertheless.
    """
    total = sum(part.new for part in found.passes)
    if not total:
        return
    taking = _Taking(document, found, next_numbers(document, total))
    try:
        with uninterrupted():
            taking.make_objects()
        yield []
        for part in found.passes:
            yield taking.write_masks(part)
        with uninterrupted():
            problem = log.try_to_write(WrittenGroup(tuple(taking.texts)))
            taking.is_done = True
    except BaseException:
        taking.withdraw()
        raise
    if problem:
        raise problem


class _Taking:
    """Objects in the making, and what the journal will say of them."""

    def __init__(
        self, document: Document, found: FoundMasks, numbers: list[int]
    ) -> None:
        self.is_done = False
        self.texts: list[str] = []
        self._document, self._found = document, found
        self._numbers, self._left = numbers, iter(numbers)
        self._done = tuple(document.history.done)
        self._undone = tuple(document.history.undone)
        self._drafts: list[Draft] = []
        self._is_noted = False

    def make_objects(self) -> None:
        """Make all objects, with what was asked and answered."""
        document, plane, draft = self._document, self._found.plane, self._begin()
        objects = list(_objects_of(self._found, self._numbers))
        for number, _, prompts, answer in objects:
            draft.set_object(number, NEW_OBJECT)
            draft.set_record(number, plane, PlaneRecord(prompts, answer))
        texts = ((number, text) for number, text, *_ in objects)
        self.texts.append(new_objects_text(plane, texts, self._found.run))
        step = draft.step()
        document.take_note(step, [])
        self._is_noted = True
        for key, (_, record) in step.records.items():
            if record is not None and record.answer and record.answer.can_be_refined:
                document.keep_refinable(key)

    def write_masks(self, part: FindPass) -> list[Change]:
        """Write the masks of a pass, and add them to the step."""
        document, plane, draft = self._document, self._found.plane, self._begin()
        spared_from = 1 if self._found.spares_all else self._numbers[0]
        ids = tuple(part.numbered(self._left))
        for object_id, lot in zip(ids, part.masks, strict=True):
            if object_id == NOBODY or _fill(draft, object_id, plane, lot):
                continue
            mask = BoxedMask(plane.shape(document.labels.shape), *lot)
            write_mask(draft, object_id, plane, mask, spared_from=spared_from)
        document.history.add_to_last(draft.step())
        document.revisions.end_disturbed(draft.changes)
        self.texts.append(predicted_text(plane, part.texts, ids, spared_from))
        return draft.changes

    def withdraw(self) -> None:
        """Take everything back, unless it is done."""
        if self.is_done:
            return
        history = self._document.history
        with uninterrupted():
            withdraw(self._document, *(draft.step() for draft in self._drafts))
            if self._is_noted:
                history.done.clear()
                history.done.extend(self._done)
                history.undone.extend(self._undone)

    def _begin(self) -> Draft:
        self._drafts.append(draft := Draft(self._document, self._found.run))
        return draft


def _objects_of(
    found: FoundMasks, numbers: list[int]
) -> Iterator[tuple[int, str, Prompts, Answer]]:
    """Yield new objects, what each was asked with, as text and not, and its answer."""
    left = iter(numbers)
    for part in found.passes:
        for text, prompts, answer in zip(
            part.texts, part.prompts, part.answers, strict=True
        ):
            if answer is not None:
                yield next(left), text, prompts, answer


def _fill(draft: Draft, object_id: int, plane: Plane, lot: Lot) -> bool:
    """Write a mask if it may have all of its pixels, which takes half the time."""
    box, pixels = lot
    if protected_pixels(draft.document, object_id, plane, box) is not None:
        return False
    current = plane.view(draft.document.labels)[slices_of(box)]
    before, label = current.copy(), current.dtype.type(object_id)
    if not before.any():
        change = Change(object_id, plane, box, before, np.multiply(pixels, label))
        draft.write_change(change, int(np.count_nonzero(pixels)))
        return True
    if before[pixels].any():
        return False
    after = np.where(pixels, label, before)
    draft.write_change(Change(object_id, plane, box, before, after))
    return True
