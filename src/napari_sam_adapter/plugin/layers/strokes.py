"""Strokes of napari's brush, eraser, fill and polygon become edits of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SamAdapterError, SessionError
from napari_sam_adapter.plugin.layers import labels_layer, prompt_layers
from napari_sam_adapter.volume.document.journal_entries import Undo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.layers.workspace_owner import WorkspaceOwner
    from napari_sam_adapter.volume.document.edits import Paint
    from napari_sam_adapter.volume.session.session import Session


def take_over(
    workspace: Workspace, owner: WorkspaceOwner, layer: Labels, atoms: list[Any]
) -> None:
    """Make a stroke an edit, and what was painted with a new label the one under work.

    Parameters
    ----------
    workspace : Workspace
        Whose masks they are.
    owner : WorkspaceOwner
        Whom to tell.
    layer : Labels
        The layer that was painted on.
    atoms : list
        Value of the event `Labels.events.paint`.
    """
    strokes, done = labels_layer.take_stroke(layer, atoms, _axes(workspace)), ""
    try:
        done = _apply(workspace.session, strokes) if strokes else ""
    except SamAdapterError as error:
        owner.report(error)
    workspace.repaint()
    # A mask that was on its way there knows nothing of the stroke: ask again.
    painted = {stroke.plane for stroke in strokes}
    waiting = [plane for plane in workspace.planes_without_mask() if plane in painted]
    owner.on_prompts_changed(workspace, waiting)
    if done and _is_of_another(workspace, strokes, int(layer.selected_label)):
        workspace.choose_object(int(layer.selected_label))
        done += " Clicks are for it from now on."
    owner.on_labels_edited(workspace, done)


def _apply(session: Session, strokes: Sequence[Paint]) -> str:
    """Carry strokes out, and say what they did."""
    if not session.apply_drawn(*strokes):
        raise SessionError(labels_layer.LOCKED)
    return f"Done: {session.objects.words_for_next(Undo())}."


def _is_of_another(workspace: Workspace, strokes: Sequence[Paint], label: int) -> bool:
    """Whether to go on with the label in napari's box, which was painted."""
    if workspace.commands_waiting:  # they are for what was selected before
        return False
    if label == workspace.object_id or label not in workspace.session.object_ids:
        return False
    return any(np.any(stroke.values == label) for stroke in strokes)


def _axes(workspace: Workspace) -> tuple[int, int]:
    plane = workspace.plane_or_none()
    axes = None if plane is None else plane.axes
    return axes or prompt_layers.last_axes(workspace.frame)
