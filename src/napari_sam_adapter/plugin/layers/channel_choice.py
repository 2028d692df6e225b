"""Which other channels the network sees beside the image, as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_adapter.plugin.layers.channels import MOST_PARTNERS, fits, signature
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Tool

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace


class ChannelChoice(Feature):
    """The choice of the channels; each has a session and masks of its own.

    Parameters
    ----------
    controller : Controller
        Whose image it is.
    """

    changed = Signal()
    """Emitted when image or channels may be others."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._looked_at: Any = None
        controller.updated.connect(self._on_updated)
        controller.state.events.images.connect(self._on_updated)

    @property
    def partners(self) -> tuple[Image, ...]:
        """The channels beside the image in use, in the order of their colours."""
        workspace = self._controller.workspace
        return () if workspace is None else workspace.level.partners

    @property
    def offered(self) -> tuple[Image, ...]:
        """The layers that can be channels beside the image in use."""
        workspace, state = self._controller.workspace, self._controller.state
        if workspace is None or workspace.image in self._controller.workspaces.fixed:
            return ()
        chosen = self.partners  # may lie elsewhere by now
        return tuple(
            layer
            for layer in state.images
            if layer in chosen or fits(workspace.image, layer)
        )

    @reporting
    def switch(self, layer: Image) -> None:
        """See a channel beside the image in use, or see it no longer.

        Parameters
        ----------
        layer : Image
            One that is offered. What was done without, or with it, stays.
        """
        controller, before = self._controller, self._controller.in_use()
        wanted = {*self.partners} ^ {layer}
        partners = tuple(other for other in self.offered if other in wanted)
        if len(partners) > MOST_PARTNERS:
            return
        tool = controller.state.tool
        controller.workspaces.partners[before.image] = partners
        controller.choose_image(before.image)
        if self._is_untouched(before):
            controller.segmenter.forget(before)
            controller.workspaces.drop(before)
            controller.update()
        if tool is not Tool.NONE:
            controller.use(tool)
        self.say(_said(controller.in_use()))

    def _on_updated(self) -> None:
        # To compare all layers takes too long for each slice that comes into view.
        images = self._controller.state.images
        now = self._controller.workspace, [(i, signature(i)) for i in images]
        if now != self._looked_at:
            self._looked_at = now
            self.changed.emit()

    def _is_untouched(self, workspace: Workspace) -> bool:
        """Return whether nothing is lost with the session of a choice."""
        session = workspace.session
        has_work = session.object_ids or session.log.count or session.under_way.is_busy
        is_busy = self._controller.state.is_busy
        return bool(workspace.level.partners) and not (has_work or is_busy)


def _said(workspace: Workspace) -> str:
    names = [layer.name for layer in workspace.level.layers]
    if len(names) == 1:
        return f"The network sees {names[0]} alone."
    return f"The network sees {', '.join(names[:-1])} and {names[-1]} as colours."
