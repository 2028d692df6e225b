"""Tidy all objects of a session at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.volume.document.object_edits import TidyObject
from napari_sam_adapter.volume.document.tidying import TidyCount

if TYPE_CHECKING:
    from napari_sam_adapter.volume.session.session import Session


def tidy_all(session: Session, axes: tuple[int, int]) -> TidyCount:
    """Fill holes of all objects, and remove specks.

    Parameters
    ----------
    session : Session
        With finished masks, none of them locked.
    axes : (int, int)
        Of the slices.

    Returns
    -------
    TidyCount
        What was done.

    Raises
    ------
    SessionError
        If an object is locked; then nothing is changed.
    """
    edits = [TidyObject(object_id, axes) for object_id in session.object_ids]
    return TidyCount(session.apply(*edits))
