"""A click that goes to a hidden layer says why nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.plugin.reporting import Feature
from napari_sam_adapter.plugin.state import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from napari_sam_adapter.plugin.controller import Controller


class HiddenLayers(Feature):
    """Says that the selected layer of the plugin is hidden: napari ignores the click.

    Parameters
    ----------
    controller : Controller
        Whose viewer is clicked in.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.viewer.mouse_drag_callbacks.append(self._on_press)
        controller.closed.connect(self._let_go)

    def _let_go(self) -> None:
        self._controller.viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        yield
        if event.type == "mouse_release":  # else the view is moved
            self._tell_of(viewer.layers.selection.active)

    def _tell_of(self, layer: Any) -> None:
        ours = [own for each in self._controller.workspaces for own in each.layers.all]
        if layer in ours and not layer.visible:
            self._controller.state.message = Message(
                f"{layer.name} is hidden and takes no clicks. Show it in the list of "
                "layers, or press the button of a tool."
            )
