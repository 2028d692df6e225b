"""What the panels show of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import PluginState
    from napari_sam_adapter.plugin.workspace import Workspace


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
        state.can_undo = state.can_redo = False
        return
    session = workspace.session
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


def _score(workspace: Workspace) -> float | None:
    plane = workspace.plane_or_none()
    if plane is None or workspace.object_id not in workspace.session.object_ids:
        return None
    return workspace.session.score(workspace.object_id, plane)
