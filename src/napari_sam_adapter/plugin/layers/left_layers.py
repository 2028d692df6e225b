"""The layers that a closed widget left in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

_LEFT: WeakKeyDictionary[Layer, WeakSet[Layer]] = WeakKeyDictionary()
"""By the image that they lie over; they go with the viewer."""


def leave(image: Layer, layers: Iterable[Layer]) -> None:
    """Take note of layers that nobody keeps up to date any longer.

    Parameters
    ----------
    image : Layer
        What they lie over.
    layers : iterable of Layer
        Masks and prompts of a session.
    """
    _LEFT.setdefault(image, WeakSet()).update(layers)


def hide_left(image: Layer) -> None:
    """Hide them, once: their session is shown by other layers now.

    Parameters
    ----------
    image : Layer
        What they lie over.
    """
    for layer in _LEFT.pop(image, ()):
        layer.visible = False
