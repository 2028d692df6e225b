"""Which objects are hidden, and in which colours they are shown: a matter of view."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels

Colour = tuple[float, float, float, float]
INVISIBLE: Colour = (0.0, 0.0, 0.0, 0.0)
_COLOURS = 48
_FIRST_HUE, _HUE_STEP = 0.85, 0.618034
"""Magenta, on which green points are seen, and the golden ratio as step, so that hues
which follow one another are far apart."""
_SHADES = ((0.85, 1.0), (0.55, 0.95), (0.7, 0.8))
"""Saturation and value, in turn, because hues alone repeat soon."""
_BLUE, _BLUE_REACH, _BLUE_SATURATION = 2 / 3, 0.1, 0.35
"""Blue is the darkest of hues: it is seen on black if it is pale."""
_AHEAD = 256
"""Colours of so many objects to come are given beforehand: other colours make napari
draw the whole layer again."""


def object_colours() -> CyclicLabelColormap:
    """Return colours of objects that are seen on dark and on bright images.

    Returns
    -------
    CyclicLabelColormap
        Neighbouring numbers differ much. napari's own colours, at random, have browns
        and greys that are nearly black.
    """
    colours = [_object_colour(i) for i in range(_COLOURS)]
    # the first is for 0, which is not shown
    colours.insert(0, (0.0, 0.0, 0.0))
    bytes_ = np.round(255 * np.array(colours))  # equal on CPU and GPU
    return CyclicLabelColormap(
        colors=np.column_stack([bytes_ / 255, np.ones(len(bytes_))]),
        interpolation="zero",
        controls=np.linspace(0, 1, len(bytes_) + 1),
    )


def _object_colour(i: int) -> tuple[float, float, float]:
    hue = (_FIRST_HUE + i * _HUE_STEP) % 1
    saturation, value = _SHADES[i % len(_SHADES)]
    from_blue = abs(hue - _BLUE)
    if from_blue < _BLUE_REACH:
        saturation = min(saturation, _BLUE_SATURATION + 3 * from_blue)
    return colorsys.hsv_to_rgb(hue, saturation, value)


class ObjectLook:
    """Hidden objects and colours chosen by the user, through the layer's colormap.

    While nothing is hidden and no colour is chosen, the layer keeps its own colormap.
    If the user gives it another one, by napari's shuffle, that is its own from then on.
    """

    recoloured = Signal()
    """Emitted when the layer was given other colours than these: apply again."""

    def __init__(self) -> None:
        self.hidden: frozenset[int] = frozenset()
        self._colours: dict[int, Colour] = {}
        self._own: Any = None
        self._last: Any = None
        self._layer: Labels | None = None
        self._known: frozenset[int] | None = None

    def show(self, object_ids: Iterable[int], shown: bool) -> None:
        """Show or hide objects, from the next `apply` on.

        Parameters
        ----------
        object_ids : iterable of int
            Which ones.
        shown : bool
            Whether they are seen.
        """
        several = frozenset(object_ids)
        self.hidden = self.hidden - several if shown else self.hidden | several
        self._known = None

    def paint(self, object_ids: Iterable[int], colour: Colour) -> None:
        """Give objects a colour, from the next `apply` on.

        Parameters
        ----------
        object_ids : iterable of int
            Which ones.
        colour : (red, green, blue, alpha)
            0 to 1.
        """
        self._colours.update(dict.fromkeys(object_ids, colour))
        self._known = None

    def colour(self, object_id: int) -> Colour | None:
        """Return the colour of an object when it is shown.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        (red, green, blue, alpha) or None
            None while there is no layer.
        """
        if object_id in self._colours:
            return self._colours[object_id]
        own = self._own if self._own is not None else _colormap(self._layer)
        if own is None:
            return None
        red, green, blue, alpha = np.asarray(own.map(object_id)).ravel().tolist()
        return red, green, blue, alpha

    def apply(self, layer: Labels | None, object_ids: list[int]) -> bool:
        """Make a layer show the objects as they shall look.

        Parameters
        ----------
        layer : Labels or None
            The layer; another one than before may be given.
        object_ids : list of int
            All objects.

        Returns
        -------
        bool
            Whether anything had to be done.
        """
        if layer is not self._layer:
            self._follow(layer)
        is_new = _colormap(layer) is not self._last
        if is_new:
            self._last, self._own, self._known = _colormap(layer), None, None
        if layer is None or not (self.hidden or self._colours or self._own is not None):
            return is_new
        if self._known is not None and self._known.issuperset(object_ids):
            return is_new
        if self._own is None:
            self._own = layer.colormap
            self._own.use_selection = False  # else all but one have no colour
        last = max(object_ids, default=0)
        ahead = range(last + 1, last + 1 + _AHEAD)
        self._known = frozenset(object_ids).union(ahead)
        self._last = colormap = self._mapping([*object_ids, *ahead])
        colormap.use_selection = layer.show_selected_label
        colormap.selection = layer.selected_label
        layer.colormap = colormap
        return True

    def leave(self, layer: Labels | None) -> None:
        """Give a layer that shows the objects of another session its own colours back.

        Parameters
        ----------
        layer : Labels or None
            Nothing happens if it is not the one of the last `apply`.
        """
        if layer is self._layer is not None:
            self.hidden, self._colours, self._known = frozenset(), {}, None
            self.apply(layer, [])
            self.apply(None, [])

    def _follow(self, layer: Labels | None) -> None:
        if self._layer is not None:
            self._layer.events.colormap.disconnect(self._on_colormap)
        self._layer = layer
        if layer is not None:
            layer.events.colormap.connect(self._on_colormap)

    def _on_colormap(self, event: Any) -> None:
        if _colormap(self._layer) is not self._last:
            self.recoloured.emit()

    def _mapping(self, object_ids: list[int]) -> Any:
        if not (self.hidden or self._colours):
            own, self._own = self._own, None
            return own
        shown = np.asarray(self._own.map(np.array(object_ids, dtype=int)))
        colormap = DirectLabelColormap(color_dict={None: INVISIBLE})
        # What goes in at once is checked colour by colour, which takes napari 0.1 s for
        # 10,000 objects.
        colours = colormap.color_dict
        colours.update(zip(object_ids, shown, strict=True))
        chosen = {
            i: np.array(colour, np.float32) for i, colour in self._colours.items()
        }
        colours.update(chosen)
        colours.update(dict.fromkeys(self.hidden, np.array(INVISIBLE, np.float32)))
        return colormap


def _colormap(layer: Labels | None) -> Any:
    return None if layer is None else layer.colormap
