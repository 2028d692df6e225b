"""Whom a workspace tells what the user did in its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.state import Press
    from napari_sam_adapter.volume.planes.planes import Plane


class WorkspaceOwner(Protocol):
    """Whom a workspace tells what the user did in its layers."""

    def on_layer_added(self, layer: Layer) -> None:
        """Learn that a layer of a workspace came into the viewer."""

    def on_prompts_changed(self, workspace: Workspace, planes: list[Plane]) -> None:
        """Learn on which planes the prompts of the object under work changed."""

    def on_labels_edited(self, workspace: Workspace, done: str) -> None:
        """Learn that the masks were painted by hand, and what to say of it, if any."""

    def on_object_picked(self, workspace: Workspace, object_id: int) -> None:
        """Learn that the user picked another object in the Labels layer."""

    def sign_of_press(self, press: Press) -> bool:
        """Return whether a press marks the object; refuse what is not understood."""

    def is_new_object(self, positive: bool) -> bool:
        """Return whether a prompt shall begin an object of its own."""

    def report(self, error: SamAdapterError) -> None:
        """Learn that something cannot be done."""
