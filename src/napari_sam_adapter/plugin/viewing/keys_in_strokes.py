"""What keys do while the mouse draws in the masks or a shape."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.reporting import Feature
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace

AT_ONCE = "stop"
"""The action that does not wait."""


class KeysInStrokes(Feature):
    """Lets what a key asks for wait until the stroke under the mouse is done.

    Parameters
    ----------
    controller : Controller
        Whose keys they are.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._pause = StrokePause(_is_stroking)
        controller.keys.run = self._run
        controller.closed.connect(self._pause.close)

    def _run(self, name: str) -> None:
        workspace = self._controller.workspace
        if workspace is None or name == AT_ONCE:
            self._controller.do(name)
        else:
            workspace.commands_waiting += 1
            self._pause.when_still(workspace, partial(self._do, workspace, name))

    def _do(self, workspace: Workspace, name: str) -> None:
        workspace.commands_waiting -= 1
        self._controller.do(name)


def _is_stroking(workspace: Workspace) -> bool:
    return workspace.layers.is_stroking or workspace.layers.is_dragging
