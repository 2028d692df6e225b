"""On which level of a multiscale image prompts are set and masks are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.plugin.layers.image_level import level_titles
from napari_sam_adapter.plugin.reporting import Feature, reporting

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace


class LevelChoice(Feature):
    """The choice of the level; each has a session and masks of its own.

    Parameters
    ----------
    controller : Controller
        Whose image it is.
    """

    changed = Signal()
    """Emitted when image or level may be others."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.updated.connect(self.changed.emit)
        controller.workspace_opened.connect(self._tell_problem)

    @property
    def titles(self) -> list[str]:
        """What the levels are called that can be chosen for the image in use."""
        workspace = self._controller.workspace
        if workspace is None:
            return []
        titles = level_titles(workspace.image)
        fixed = self._controller.workspaces.fixed
        return titles[:1] if workspace.image in fixed else titles

    @property
    def number(self) -> int:
        """The level in use."""
        workspace = self._controller.workspace
        return 0 if workspace is None else workspace.level.number

    @reporting
    def choose(self, number: int) -> None:
        """Work on another level of the image in use; what was done stays.

        Parameters
        ----------
        number : int
            0 for the full resolution.
        """
        controller = self._controller
        image, tool = controller.in_use().image, controller.state.tool
        controller.workspaces.levels[image] = number
        self.take_up_again(image, tool)

    def _tell_problem(self, workspace: Workspace) -> None:
        if workspace.level.problem:
            self.report(ImageError(workspace.level.problem))
