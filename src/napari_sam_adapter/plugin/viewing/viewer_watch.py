"""Tell what happens in the viewer, until told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

STILL_DELAY = 200
"""Milliseconds after which a plane that stays in view counts as looked at."""


class ViewerListener(Protocol):
    """Whom a `ViewerWatch` tells."""

    def on_layers_changed(self) -> None:
        """Learn that layers came, went, moved or got another name."""

    def on_layer_removed(self, layer: Layer) -> None:
        """Learn that a layer has left the viewer."""

    def on_tool_changed(self) -> None:
        """Learn that another layer or another mode was chosen."""

    def on_view_changed(self) -> None:
        """Learn that the viewer shows another plane."""

    def on_view_still(self) -> None:
        """Learn that the plane in view has not changed for a moment."""


class ViewerWatch:
    """The connections to a viewer and to layers, and their way back.

    Parameters
    ----------
    viewer : ViewerModel
        What to watch.
    listener : ViewerListener
        Whom to tell.
    """

    def __init__(self, viewer: ViewerModel, listener: ViewerListener) -> None:
        self._listener = listener
        self._own: list[Layer] = []
        self._selection = viewer.layers.selection.events.active
        layers, dims = viewer.layers.events, viewer.dims.events
        self._removed = layers.removed
        self._inserted, self._reordered = layers.inserted, layers.reordered
        self._views = dims.current_step, dims.order, dims.ndisplay
        self._removed.connect(self._on_removed)
        self._selection.connect(self._on_tool)
        self._inserted.connect(self._on_inserted)
        self._reordered.connect(self._on_changed)
        self._named: list[Layer] = []
        for layer in viewer.layers:
            self._watch_name(layer)
        for event in self._views:
            event.connect(self._on_view)
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(STILL_DELAY)
        self._timer.timeout.connect(listener.on_view_still)

    def add_layer(self, layer: Layer) -> None:
        """Watch the mode of a layer.

        Parameters
        ----------
        layer : Layer
            A layer that the plugin made.
        """
        layer.events.mode.connect(self._on_tool)
        self._own.append(layer)

    def expect_stillness(self) -> None:
        """Wait for the view to be still, as after a change."""
        self._timer.start()

    def close(self) -> None:
        """Take all connections back; a last `on_view_still` may follow."""
        self._removed.disconnect(self._on_removed)
        self._selection.disconnect(self._on_tool)
        self._inserted.disconnect(self._on_inserted)
        self._reordered.disconnect(self._on_changed)
        for layer in self._named:
            layer.events.name.disconnect(self._on_renamed)
        self._named.clear()
        for event in self._views:
            event.disconnect(self._on_view)
        for layer in self._own:
            layer.events.mode.disconnect(self._on_tool)
        self._own.clear()

    def _watch_name(self, layer: Layer) -> None:
        layer.events.name.connect(self._on_renamed)
        self._named.append(layer)

    def _on_inserted(self, event: Any) -> None:
        self._watch_name(event.value)
        self._listener.on_layers_changed()

    def _on_removed(self, event: Any) -> None:
        if event.value in self._own:
            event.value.events.mode.disconnect(self._on_tool)
            self._own.remove(event.value)
        if event.value in self._named:
            event.value.events.name.disconnect(self._on_renamed)
            self._named.remove(event.value)
        self._listener.on_layer_removed(event.value)
        self._listener.on_layers_changed()

    def _on_changed(self, event: Any) -> None:
        self._listener.on_layers_changed()

    def _on_renamed(self, event: Any) -> None:
        self._listener.on_view_changed()

    def _on_tool(self, event: Any) -> None:
        self._listener.on_tool_changed()

    def _on_view(self, event: Any) -> None:
        self._listener.on_view_changed()
        self._timer.start()
