"""What a click means, and which ones cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.prompts import Prompts

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.state import PluginState, Press


def sign_of_click(state: PluginState, workspace: Workspace, press: Press) -> bool:
    """Return whether a click marks the object.

    Parameters
    ----------
    state : PluginState
        What clicks mean, and what the network understands.
    workspace : Workspace
        Whose object under work gets it, on the plane in view.
    press : Press
        Button and keys.

    Returns
    -------
    bool
        False for the background.

    Raises
    ------
    PromptError
        If the network does not understand it, or if it is on the background of an
        object that has neither prompts that mark it nor pixels on the plane.
    """
    positive = state.positive and not state.background_press.fits(press)
    state.understood.check(Prompts().with_point((0, 0), positive))
    if positive:
        return True
    plane, number = workspace.plane_in_view(), workspace.object_id
    prompts = workspace.known_prompts().get(plane)
    is_marked = prompts is not None and prompts.mark_object
    if not is_marked and not (plane.view(workspace.session.labels) == number).any():
        raise PromptError(
            f"Expected object {number} on this slice, got only where it is not. Click "
            "on the object first."
        )
    return False
