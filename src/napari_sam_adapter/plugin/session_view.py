"""What the panels show of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.volume.session.session import Session


def show_session(state: PluginState, workspace: Workspace | None) -> None:
    """Copy what a session says into the state.

    Parameters
    ----------
    state : PluginState
        What the panels show.
    workspace : Workspace or None
        The image in use.
    """
    if workspace is None:
        state.object_id, state.object_ids, state.score = 0, (), None
        state.can_undo = state.can_redo = state.has_slices = False
        return
    session = workspace.session
    state.has_slices = workspace.volume.ndim > 2
    state.object_ids = workspace.object_ids
    state.object_id = workspace.object_id
    state.score = _score(workspace)
    state.can_undo, state.can_redo = session.can_undo, session.can_redo


def object_at_work(workspace: Workspace, or_else: str = "") -> int:
    """Return the object under work, if it is there already.

    Parameters
    ----------
    workspace : Workspace
        The image in use.
    or_else : str
        What else the user can do if there is none.

    Returns
    -------
    int
        Its number.

    Raises
    ------
    SessionError
        If nothing was clicked yet.
    """
    if workspace.object_id not in workspace.session.object_ids:
        raise SessionError(
            f"Object {workspace.object_id} has no mask yet. Click on an object, or "
            f"choose one in the table{or_else}."
        )
    return workspace.object_id


def require_pixels(session: Session, object_ids: Sequence[int]) -> None:
    """Refuse objects without a pixel.

    Parameters
    ----------
    session : Session
        Of the image in use.
    object_ids : sequence of int
        Objects of it.

    Raises
    ------
    SessionError
        If one has none.
    """
    for object_id in object_ids:
        if not session.objects.summary(object_id).voxels:
            raise SessionError(
                f"Object {object_id} has no pixels yet. Click on an object, or delete "
                "it."
            )


def require_slices(workspace: Workspace) -> Workspace:
    """Refuse an image without slices to follow something through.

    Parameters
    ----------
    workspace : Workspace
        The image in use.

    Returns
    -------
    Workspace
        The same.

    Raises
    ------
    SessionError
        If it is a 2-D image.
    """
    if workspace.volume.ndim == 2:
        raise SessionError(
            f"Expected a volume to follow objects through, got {workspace.frame.name}, "
            "a 2-D image. Accept the object, and go to the next."
        )
    return workspace


def told_of_empty(session: Session) -> str:
    """Return what a file lacks because no mask is there yet.

    Parameters
    ----------
    session : Session
        Of the image in use.

    Returns
    -------
    str
        A sentence with a blank before it; empty if every object has pixels.
    """
    objects = session.objects
    empty = [i for i in objects.ids if not objects.summary(i).voxels]
    if len(empty) == len(objects.ids):
        return " It holds no object: none has a mask yet."
    if len(empty) > 1:
        return f" {counted(len(empty), 'object')} without a mask are not in it."
    return f" Object {empty[0]} is not in it: it has no mask yet." if empty else ""


def _score(workspace: Workspace) -> float | None:
    """Return the score of the mask in view; an empty one has none."""
    plane, objects = workspace.plane_or_none(), workspace.session.objects
    number = workspace.object_id
    if plane is None or number not in objects or not objects.is_on(number, plane):
        return None
    return workspace.session.score(number, plane)
