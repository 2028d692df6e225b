"""What the user can do, under which key: the one table for buttons and bindings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.utils.key_bindings import KeymapProvider


@dataclass(frozen=True)
class Action:
    """One thing that a button and a key do.

    Parameters
    ----------
    name : str
        Method of the controller.
    title : str
        Text of the button.
    tip : str
        What it does, in one sentence.
    key : str
        Key that works wherever the canvas has the focus.
    own_key : str
        Second key, on the layers of this plugin only: elsewhere it is napari's.
    """

    name: str
    title: str
    tip: str
    key: str = ""
    own_key: str = ""

    @property
    def tooltip(self) -> str:
        """The tip with the keys in brackets."""
        keys = " or ".join(_spoken(key) for key in (self.key, self.own_key) if key)
        return f"{self.tip} ({keys})" if keys else self.tip


ACTIONS = {
    action.name: action
    for action in (
        Action("use_points", "Points", "Click on the object (W: next tool)."),
        Action("use_boxes", "Box", "Draw a rectangle around it (W: next tool)."),
        Action("use_scribbles", "Scribble", "Drag along it (W: next tool)."),
        Action("use_polygons", "Polygon", "Click around it (W: next tool)."),
        Action("use_lasso", "Lasso", "Drag around it (W: next tool)."),
        Action(
            "switch_tool", "", "Next tool: points, box, scribble, polygon, lasso.", "W"
        ),
        Action(
            "switch_polarity",
            "",
            "Switch what a left click means: object or background.",
            "J",
        ),
        Action(
            "accept", "Accept", "This object is right: keep it and go to the next.", "K"
        ),
        Action(
            "next_object",
            "Next object",
            "Go to a new object, this one stays open.",
            "N",
        ),
        Action(
            "propagate",
            "Propagate",
            "Follow the object through the planes on both sides.",
            "G",
        ),
        Action("stop", "Stop", "Stop what is running.", "H"),
        Action("undo", "Undo", "Take the last step back.", "U", "Control-Z"),
        Action("next_candidate", "", "Take the next of the masks that fit.", "Q"),
        Action("previous_candidate", "", "Take the mask before it.", "Shift-Q"),
        Action(
            "switch_preview", "Preview", "Show what a click here would give.", "Shift-H"
        ),
        Action(
            "ask_with_mask",
            "Ask with mask",
            "Take the pixels that the object has here as its prompt.",
            "Shift-M",
        ),
        Action(
            "switch_one_per_click",
            "One per click",
            "Make every click on an object a new object.",
            "Shift-N",
        ),
        Action("redo", "Redo", "Do the step again.", "Shift-U", "Control-Shift-Z"),
    )
}


class KeyBindings:
    """The keys of `ACTIONS` on a viewer and on layers, and their way back.

    A key of the viewer does not reach it while a layer with a binding of its own
    is active, so the layers of the plugin get the same keys.

    Parameters
    ----------
    viewer : Viewer
        Where the free letters shall work.
    """

    def __init__(self, viewer: KeymapProvider) -> None:
        self._viewer = viewer
        self._commands: dict[str, Callable[[], None]] = {}
        self._layers: list[KeymapProvider] = []
        self._replaced: list[tuple[KeymapProvider, str, Any]] = []

    def add(self, commands: Mapping[str, Callable[[], None]]) -> None:
        """Bind the keys of more actions.

        Parameters
        ----------
        commands : mapping of str to callable
            What to call for the name of an action.
        """
        self._commands.update(commands)
        for name in commands:
            self._bind(self._viewer, ACTIONS[name].key, name)
            for layer in self._layers:
                self._bind_all(layer, name)

    def bind_layer(self, layer: KeymapProvider) -> None:
        """Bind all keys on one of the plugin's own layers.

        Parameters
        ----------
        layer : Layer
            A layer that the plugin made.
        """
        self._layers.append(layer)
        for name in self._commands:
            self._bind_all(layer, name)

    def forget(self, layer: KeymapProvider) -> None:
        """Drop a layer that has left the viewer.

        Parameters
        ----------
        layer : Layer
            A layer given to `bind_layer`.
        """
        self._layers = [known for known in self._layers if known is not layer]
        self._replaced = [entry for entry in self._replaced if entry[0] is not layer]

    def release(self) -> None:
        """Take every binding back and restore what was there before."""
        for provider, key, previous in reversed(self._replaced):
            provider.bind_key(key, None)
            if previous is not None:
                provider.bind_key(key, previous)
        self._replaced.clear()
        self._layers.clear()

    def _bind_all(self, layer: KeymapProvider, name: str) -> None:
        self._bind(layer, ACTIONS[name].key, name)
        self._bind(layer, ACTIONS[name].own_key, name)

    def _bind(self, provider: KeymapProvider, key: str, name: str) -> None:
        if key:
            command = self._commands[name]
            previous = provider.bind_key(key, lambda _: command(), overwrite=True)
            self._replaced.append((provider, key, previous))


def _spoken(key: str) -> str:
    return key.replace("Control", "Ctrl").replace("-", "+")
