"""An object's pixels as its prompt, and one object per click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.drawings import box_around
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.layers.prompt_layers import clipped
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Message
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.document.edits import SetBox, SetMaskPrompt

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller


class PromptCommands(Feature):
    """Other ways to ask than drawing.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.add_commands(
            {
                "ask_with_mask": self.ask_with_mask,
                "switch_one_per_click": self.switch_one_per_click,
            }
        )

    @reporting
    def ask_with_mask(self) -> None:
        """Take the pixels that the object has on the plane in view, and their box."""
        workspace = self._controller.in_use()
        plane, object_id = workspace.plane_in_view(), workspace.object_id
        workspace.session.under_way.finish()
        mask = np.array(plane.view(workspace.session.labels) == object_id)
        if not mask.any():
            raise SessionError(
                f"Expected pixels of object {object_id} on this slice, got none. Paint "
                "or segment some first, or choose another object."
            )
        self._controller.state.understood.check(Prompts(mask=mask))
        # networks make little of a mask alone
        corners = np.reshape(box_around(mask), (2, 2))
        inside = clipped(corners, plane.axes, workspace.session.labels.shape)
        (top, left), (bottom, right) = inside.tolist()
        box = SetBox(object_id, plane, (top, left, bottom, right))
        workspace.apply(SetMaskPrompt(object_id, plane, mask), box)
        workspace.redraw()
        self._controller.state.message = Message(
            f"Asking with the pixels of object {object_id} ..."
        )
        self._controller.on_prompts_changed(workspace, [plane])

    def switch_one_per_click(self) -> None:
        """Make every click on an object a new object, or no longer."""
        state = self._controller.state
        state.one_per_click = on = not state.one_per_click
        text = "Every click is a new object." if on else "Clicks go to one object."
        state.message = Message(text)
