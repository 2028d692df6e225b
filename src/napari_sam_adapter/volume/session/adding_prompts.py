"""Objects of a table of prompts into a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.volume.document.edits import NewObject, SetPrompts
from napari_sam_adapter.volume.document.object_edits import RenameObject

if TYPE_CHECKING:
    from napari_sam_adapter.volume.asking.prompt_table import PromptTable
    from napari_sam_adapter.volume.session.session import Session


def add_prompts(session: Session, table: PromptTable) -> list[int]:
    """Make an object of each that a table asks for, with its prompts and name.

    Names that are numbers of objects become the numbers alone.

    Parameters
    ----------
    session : Session
        Gets them, as one step of its history.
    table : PromptTable
        From `read_prompts`, of the same image.

    Returns
    -------
    list of int
        The new objects, in the order of the table: its numbers, or the next free ones
        if one of these is taken. There is no mask yet: `Session.mask` makes that of a
        slice, `propagate` those of all slices.

    Raises
    ------
    PlaneError
        If a slice lies outside the image.
    PromptError
        If a prompt lies outside its slice.
    SessionError
        If the labels array has no free value. In these cases nothing is changed.
    OutputError
        If the journal cannot be written; the objects are there nevertheless.
    """
    numbers = table.numbers
    if not {*numbers}.isdisjoint(session.object_ids):
        numbers = session.next_ids(len(numbers))
    edits: list[NewObject | SetPrompts | RenameObject] = []
    for number, planes in zip(numbers, table.objects, strict=True):
        edits.append(NewObject(number))
        edits += [SetPrompts(number, plane, asked) for plane, asked in planes.items()]
    pairs = zip(numbers, table.words, strict=False)  # or it has none
    edits += [RenameObject(number, name) for number, name in pairs]
    session.apply(*edits)
    return numbers
