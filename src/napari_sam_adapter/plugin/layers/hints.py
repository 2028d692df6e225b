"""What to do next, and which image is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image

from napari_sam_adapter.plugin.state import NOTHING_OPEN, Message, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import LayerList, ViewerModel
    from napari.layers import Layer

    from napari_sam_adapter.plugin.layers.workspace import Workspace

SEE_THROUGH = {"additive", "minimum", "multiplicative"}
"""How images are shown together with those under them."""


def topmost(images: Sequence[Image]) -> Image | None:
    """Return the image that is seen.

    Parameters
    ----------
    images : sequence of Image
        From bottom to top.

    Returns
    -------
    Image or None
        The last one, even if all are hidden; None without any.
    """
    seen = [image for image in images if image.visible] or images
    return seen[-1] if seen else None


def hint(tool: Tool, workspace: Workspace | None, viewer: ViewerModel) -> Message:
    """Return what to do next.

    Parameters
    ----------
    tool : Tool
        In hand.
    workspace : Workspace or None
        The image in use.
    viewer : ViewerModel
        Where it is.

    Returns
    -------
    Message
        Tells also that the image in use lies under another one.
    """
    if workspace is None:
        return NOTHING_OPEN
    return Message(tool.hint + _hidden_under(workspace.image, viewer))


def is_hint(message: Message, tool: Tool) -> bool:
    """Whether a message is the hint of a tool.

    Parameters
    ----------
    message : Message
        What is said.
    tool : Tool
        Any.

    Returns
    -------
    bool
        False for what came of the tool.
    """
    return message.text.startswith(tool.hint)


def no_such_object(object_id: int, known: Sequence[int]) -> str:
    """Say that an object does not exist.

    Parameters
    ----------
    object_id : int
        The one.
    known : sequence of int
        Those that do, in order; not empty.

    Returns
    -------
    str
        Short, however many there are.
    """
    only = f"object {known[0]} is" if len(known) == 1 else ""
    there = only or f"there are {len(known)} from {known[0]} to {known[-1]}"
    return f"Object {object_id} is not there; {there}. Press Next object for a new one."


def lift(layers: LayerList, trio: Sequence[Layer]) -> None:
    """Put the layers of an image above all images, so that what happens is seen.

    Parameters
    ----------
    layers : LayerList
        Of the viewer.
    trio : sequence of Layer
        From bottom to top; they stay where they are if no image lies over them.
    """
    images = [place for place, layer in enumerate(layers) if isinstance(layer, Image)]
    if trio and images and min(map(layers.index, trio)) < images[-1]:
        layers.move_multiple(sorted(map(layers.index, trio)), len(layers))


def _hidden_under(image: Image, viewer: ViewerModel) -> str:
    layers = list(viewer.layers)
    if image not in layers:
        return ""
    above = layers[layers.index(image) + 1 :]
    for layer in reversed(above):
        is_seen = layer.visible and layer.opacity == 1
        if isinstance(layer, Image) and is_seen and layer.blending not in SEE_THROUGH:
            return (
                f" This is for {image.name}, which lies under {layer.name}: to work on "
                f"that, choose it under Image."
            )
    return ""
