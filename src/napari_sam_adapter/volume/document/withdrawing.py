"""Take back what was begun and not completed: a step is done wholly or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.interrupts import uninterrupted

if TYPE_CHECKING:
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.history import Step


def withdraw(document: Document, *steps: Step) -> None:
    """Take back steps that are not in the history, however far they came.

    Parameters
    ----------
    document : Document
        As it was before them, afterwards.
    *steps : Step
        In the order in which they were begun, each with all that may have been done.

    Notes
    -----
    Nobody knows whether the last pixels were written or counted, so they are counted
    anew. A copy of the labels that is being made noted them before they were written.
    """
    regions = []
    with uninterrupted():
        for step in reversed(steps):
            back = step.inverted()
            document.carry_out(replace(back, changes=()))
            for packed in back.changes:
                change = packed.unpack()
                change.write(document.labels)
                document.written.add(change.region)
                regions.append(change.region)
        document.ledger.recount(document.labels, regions)
