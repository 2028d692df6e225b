"""Which other channels the network sees beside the image, as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_adapter.plugin.layers.channels import MOST_PARTNERS, fits, signature
from napari_sam_adapter.plugin.reporting import Feature, reporting

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
        controller, image = self._controller, self._controller.in_use().image
        wanted = {*self.partners} ^ {layer}
        partners = tuple(other for other in self.offered if other in wanted)
        if len(partners) > MOST_PARTNERS:
            self.changed.emit()  # the menu has ticked it already
            return
        controller.workspaces.choose_partners(image, partners)
        self.take_up_again(image, controller.state.tool)
        self._drop_untouched()
        self.say(_said(controller.in_use()))

    def _on_updated(self) -> None:
        # To compare all layers takes too long for each slice that comes into view.
        images = self._controller.state.images
        now = self._controller.workspace, [(i, signature(i)) for i in images]
        if now != self._looked_at:
            self._looked_at = now
            self.changed.emit()

    def _drop_untouched(self) -> None:
        """Let go of the choices that are not in use and hold nothing."""
        controller = self._controller
        for workspace in [*controller.workspaces]:
            if workspace.level.partners and self._can_go(workspace):
                controller.segmenter.forget(workspace)
                controller.workspaces.drop(workspace)

    def _can_go(self, workspace: Workspace) -> bool:
        controller = self._controller
        is_used = workspace is controller.workspace
        if is_used or controller.segmenter.works_for(workspace):
            return False
        return controller.workspaces.is_untouched(workspace)


def _said(workspace: Workspace) -> str:
    names = [layer.name for layer in workspace.level.layers]
    if len(names) == 1:
        return f"The network sees {names[0]} alone."
    return f"The network sees {', '.join(names[:-1])} and {names[-1]} as colours."
