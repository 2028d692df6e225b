"""What a session was made on has other pixels, or is gone: work begins anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Message

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace


class ReplacedData(Feature):
    """Lets go of a session whose image has other pixels now, or a channel less.

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
        controller.state.events.images.connect(self._on_images)

    def _on_opened(self, workspace: Workspace) -> None:
        workspace.level.replaced.connect(self._on_replaced)

    def _on_images(self) -> None:
        # Not at once: more layers may be on their way out, the image perhaps.
        QTimer.singleShot(0, self._on_gone)

    @reporting
    def _on_replaced(self, layer: Image) -> None:
        gone = [w for w in self._controller.workspaces if layer in w.level.layers]
        self._begin_anew(
            gone,
            f"The pixels of {layer.name!r} were replaced: it begins anew. Masks that "
            "were there stay in their layer.",
        )

    @reporting
    def _on_gone(self) -> None:
        gone = [w for w in self._controller.workspaces if self._without(w)]
        names = {layer.name for w in gone for layer in self._without(w)}
        self._begin_anew(
            gone,
            f"The network sees {' and '.join(map(repr, sorted(names)))} no longer. "
            "Masks that were there stay in their layer.",
        )

    def _without(self, workspace: Workspace) -> list[Image]:
        """Return the channels of a workspace that have left the viewer."""
        here = self._controller.viewer.layers
        return [layer for layer in workspace.level.partners if layer not in here]

    def _begin_anew(self, gone: list[Workspace], why: str) -> None:
        controller = self._controller
        in_use, tool = controller.workspace, controller.state.tool
        for workspace in gone:
            controller.segmenter.forget(workspace)
            controller.workspaces.drop(workspace)
        if in_use in gone:
            self.take_up_again(in_use.image, tool)
            if controller.workspace is None:  # and was told why
                return
        if gone:  # else another session has told of it
            controller.state.message = Message(why)
