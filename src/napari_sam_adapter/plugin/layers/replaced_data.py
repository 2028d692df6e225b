"""An image layer gets other pixels: its objects are kept, and work begins anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Message, Tool

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace


class ReplacedData(Feature):
    """Lets go of a session whose image has other pixels now.

    Prompts, embeddings and masks belong to the pixels they were made on: on others,
    perhaps of another shape, they would be wrong without a sign.

    Parameters
    ----------
    controller : Controller
        Whose images are watched.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.workspace_opened.connect(self._on_opened)

    def _on_opened(self, workspace: Workspace) -> None:
        workspace.level.replaced.connect(partial(self._on_replaced, workspace))

    @reporting
    def _on_replaced(self, workspace: Workspace) -> None:
        controller, image = self._controller, workspace.image
        gone = [other for other in controller.workspaces if other.image is image]
        if workspace not in gone:  # another level of the image has told of it
            return
        is_in_use, tool = controller.workspace in gone, controller.state.tool
        for other in gone:
            self._remove_views(other)
        controller.on_layer_removed(image)
        if is_in_use:
            controller.choose_image(image)
            if controller.workspace is None:  # and was told why
                return
            self._use(tool)
        controller.state.message = Message(
            f"The pixels of {image.name!r} were replaced: it begins anew. Masks that "
            "were there stay in their layer."
        )

    def _remove_views(self, workspace: Workspace) -> None:
        """Remove the layers of a workspace, but its masks if there are any."""
        session, layers = workspace.session, workspace.layers
        has_masks = bool(session.object_ids) or session.log.count > 0
        for layer in layers.all:
            if layer is not layers.labels or not has_masks:
                self._controller.viewer.layers.remove(layer)

    def _use(self, tool: Tool) -> None:
        if tool is not Tool.NONE:
            self._controller.use(tool)
