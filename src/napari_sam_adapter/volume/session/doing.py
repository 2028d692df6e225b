"""Do what an entry of the journal says, with pauses in which others have their turn.

Objects, prompts and what is known of them change before the first pause, the pixels
little by little after it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from napari_sam_adapter.interrupts import uninterrupted
from napari_sam_adapter.volume.document.draft import Draft
from napari_sam_adapter.volume.document.edits import DeleteObject, Edit
from napari_sam_adapter.volume.document.journal_entries import EditGroup, Redo, Undo
from napari_sam_adapter.volume.document.performing import perform
from napari_sam_adapter.volume.document.withdrawing import withdraw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.journal.session_log import SessionLog

Doable: TypeAlias = Edit | EditGroup | Undo | Redo
"""What an entry may say."""
Watch: TypeAlias = "Callable[[Change], None]"
"""Is told what happens to the pixels."""
AT_ONCE = 1 << 18
"""Pixels after which there is a pause, a few milliseconds after the one before."""
LEAST = 1 << 12
"""Pixels that take as long to write as what is done once for any change."""


def doing(document: Document, log: SessionLog, entry: Doable) -> Iterator[Change]:
    """Do what an entry says, change by change, and write it down.

    Parameters
    ----------
    document : Document
        Changed as this goes on; nobody else may change it meanwhile.
    log : SessionLog
        Gets the entry at the end.
    entry : Edit, EditGroup, Undo or Redo
        What to do.

    Yields
    ------
    Change
        What happened to the pixels.

    Raises
    ------
    SamAdapterError
        If an edit is refused: then everything is as it was, and so after any other
        error or interrupt. That objects cannot be deleted or merged is known before
        the first change.
    OutputError
        If the journal cannot be written; everything is done nevertheless.
    """
    if isinstance(entry, Undo | Redo):
        yield from _retracing(document, log, entry)
    else:
        yield from _editing(document, log, entry)


def with_pauses(
    changes: Iterable[Change], watch: Watch | None = None
) -> Iterator[None]:
    """Go through changes, and pause whenever many pixels were written.

    Parameters
    ----------
    changes : iterable of Change
        From `doing`.
    watch : callable or None
        Called with each of them.

    Yields
    ------
    None
        For `UnderWay`; never if there is little to do.
    """
    cost = 0
    for change in changes:
        if watch is not None:
            watch(change)
        cost += LEAST + change.after.size
        if cost > AT_ONCE:
            cost = 0
            yield


def _editing(
    document: Document, log: SessionLog, entry: Edit | EditGroup
) -> Iterator[Change]:
    run = entry.run if isinstance(entry, EditGroup) else 0
    draft, is_done, problem = Draft(document, run), False, None
    try:
        yield from _performed(draft, entry)
        step = draft.step()
        if step.is_empty:
            return
        with uninterrupted():
            problem = log.try_to_write(entry)
            document.take_note(step, draft.changes)
            is_done = True
    except BaseException:
        if not is_done:
            withdraw(document, draft.step())
        raise
    if problem:
        raise problem


def _retracing(
    document: Document, log: SessionLog, entry: Undo | Redo
) -> Iterator[Change]:
    go, return_ = document.back, document.forth
    if isinstance(entry, Redo):
        go, return_ = return_, go
    step, is_done, problem = None, False, None
    try:
        with uninterrupted():
            step = go()
        yield from document.carrying_out(step)
        with uninterrupted():
            problem = log.try_to_write(entry)
            is_done = True
    except BaseException:
        if step is not None and not is_done:
            with uninterrupted():
                withdraw(document, step)
                return_()
        raise
    if problem:
        raise problem


def _performed(draft: Draft, entry: Edit | EditGroup) -> Iterator[Change]:
    told = 0
    for _ in _performing(draft, entry):
        yield from draft.changes[told:]
        told = len(draft.changes)
    yield from draft.changes[told:]


def _performing(draft: Draft, entry: Edit | EditGroup) -> Iterator[None]:
    """Perform edits; those in a row of deletions begin all before one goes on."""
    begun: list[Iterator[None]] = []
    for edit in entry.edits if isinstance(entry, EditGroup) else (entry,):
        if not isinstance(edit, DeleteObject):
            yield from chain.from_iterable(begun)
            begun = []
            yield from perform(draft, edit)
        else:
            begun.append(perform(draft, edit))
            next(begun[-1], None)
    yield from chain.from_iterable(begun)
