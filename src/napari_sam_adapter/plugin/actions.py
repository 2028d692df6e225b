"""What the user can do, under which key: the one table for buttons and bindings.

Every action has its key in napari's Preferences, too: `contributions.configurations`
in napari.yaml, under its name, and under its name and ``_on_layers`` for `own_key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from napari.utils.key_bindings import KeymapProvider


@dataclass(frozen=True)
class Action:
    """One thing that a button and a key do.

    Parameters
    ----------
    name : str
        As `Controller.do` knows it.
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
        return f"{self.tip} ({self.keys})" if self.keys else self.tip

    @property
    def keys(self) -> str:
        """The keys as the user reads them."""
        return " or ".join(spoken(key) for key in (self.key, self.own_key) if key)


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
            "find_objects",
            "Find objects",
            "Segment every object on this slice that has no mask yet.",
            "Shift-F",
        ),
        Action(
            "find_similar",
            "Find similar",
            "Segment what is like the objects on this slice, or like those selected.",
            "Shift-X",
        ),
        Action(
            "find_in_volume",
            "On all slices",
            "Find objects on one slice after the other, and follow each from its "
            "middle: those of the range under Volume.",
        ),
        Action(
            "propagate",
            "Propagate",
            "Follow the object through the planes on both sides.",
            "G",
        ),
        Action(
            "next_doubt",
            "Next doubtful",
            "Go to the slice that most needs a look.",
            "Shift-J",
        ),
        Action(
            "lock_slice",
            "Lock slice",
            "Keep the object on this slice as it is, or let it go again.",
            "Shift-W",
        ),
        Action(
            "end_here",
            "Ends here",
            "The object is not on this slice: do not follow it further.",
            "Shift-E",
        ),
        Action(
            "encode_all",
            "Encode all slices",
            "Do the slow part of all slices ahead, and keep it on the disk.",
        ),
        Action("stop", "Stop", "Stop what is running.", "H"),
        Action(
            "release_paint",
            "Release paint",
            "Let masks change again what you painted of the object on this plane.",
        ),
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
        Action(
            "next_image",
            "Next image",
            "Save the labels and open the next image of the series.",
            "PageDown",
        ),
        Action(
            "previous_image",
            "Previous image",
            "Save the labels and open the image before it.",
            "PageUp",
        ),
        Action("show_keys", "Keys", "List all keys.", "?"),
        Action("jump_to_object", "Go to", "Show the object and work on it."),
        Action(
            "reopen_object",
            "Re-open",
            "Work on a finished object again, with its prompts.",
            "Shift-O",
        ),
        Action(
            "lock_objects",
            "Lock",
            "Forbid to change the selected objects, or allow it again.",
            "Shift-K",
        ),
        Action(
            "merge_objects",
            "Merge",
            "Make the selected objects one: the one under work, or the first.",
            "Shift-G",
        ),
        Action(
            "split_object",
            "Split",
            "Make an object of every piece, or cut the only one at its waist.",
            "Shift-S",
        ),
        Action(
            "tidy_objects",
            "Tidy",
            "Fill small holes of the selected objects and remove specks, slice by "
            "slice.",
            "Shift-T",
        ),
        Action("delete_objects", "Delete", "Remove the selected objects.", "Shift-D"),
        Action(
            "measure", "Measure", "Measure all objects: features of the Labels layer."
        ),
        Action("export", "Export ...", "Save labels, annotations or measurements."),
        Action(
            "take_labels",
            "Take labels",
            "Make objects of another Labels layer, to correct them here.",
        ),
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
    run : callable
        Called with the name of an action when its key is pressed.
    """

    def __init__(self, viewer: KeymapProvider, run: Callable[[str], None]) -> None:
        self.actions: Mapping[str, Action] = ACTIONS
        self.run = run
        self._viewer = viewer
        self._names: list[str] = []
        self._layers: list[KeymapProvider] = []
        self._replaced: list[tuple[KeymapProvider, str, Any]] = []

    def use(self, actions: Mapping[str, Action]) -> None:
        """Bind other keys from now on.

        Parameters
        ----------
        actions : mapping of str to Action
            `ACTIONS` with keys that the user chose.
        """
        self._restore()
        self.actions = actions
        for name in self._names:
            self._bind_everywhere(name)

    def add(self, names: Collection[str]) -> None:
        """Bind the keys of more actions.

        Parameters
        ----------
        names : collection of str
            Of the actions.
        """
        self._names.extend(names)
        for name in names:
            self._bind_everywhere(name)

    def bind_layer(self, layer: KeymapProvider) -> None:
        """Bind all keys on one of the plugin's own layers.

        Parameters
        ----------
        layer : Layer
            A layer that the plugin made.
        """
        self._layers.append(layer)
        for name in self._names:
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
        self._restore()
        self._layers.clear()

    def _restore(self) -> None:
        for provider, key, previous in reversed(self._replaced):
            provider.bind_key(key, None)
            if previous is not None:
                provider.bind_key(key, previous)
        self._replaced.clear()

    def _bind_everywhere(self, name: str) -> None:
        self._bind(self._viewer, self.actions[name].key, name)
        for layer in self._layers:
            self._bind_all(layer, name)

    def _bind_all(self, layer: KeymapProvider, name: str) -> None:
        self._bind(layer, self.actions[name].key, name)
        self._bind(layer, self.actions[name].own_key, name)

    def _bind(self, provider: KeymapProvider, key: str, name: str) -> None:
        if key:
            previous = provider.bind_key(key, lambda _: self.run(name), overwrite=True)
            self._replaced.append((provider, key, previous))


def spoken(key: str) -> str:
    """Return a key as it is written on keyboards.

    Parameters
    ----------
    key : str
        As napari writes it, for example ``"Control-Shift-Z"``.

    Returns
    -------
    str
        For example ``"Ctrl+Shift+Z"``.
    """
    return key.replace("Control", "Ctrl").replace("-", "+")
