"""File > IO Utilities: save and open the session of the image in use."""

from __future__ import annotations

from typing import cast

from napari import Viewer  # noqa: TC002 - napari reads the annotations

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

PLUGIN, WIDGET = "napari-sam-adapter", "Segment Anything"


def save_session(viewer: Viewer) -> None:
    """Ask for a name and save the session.

    Parameters
    ----------
    viewer : Viewer
        Of the window whose menu was used.
    """
    widget_in(viewer).save_session()


def open_session(viewer: Viewer) -> None:
    """Ask for a saved session and open it.

    Parameters
    ----------
    viewer : Viewer
        Of the window whose menu was used.
    """
    widget_in(viewer).open_session()


def widget_in(viewer: Viewer) -> SegmentAnythingWidget:
    """Return the widget in a window; it is docked if it is not there.

    Parameters
    ----------
    viewer : Viewer
        Of the window.

    Returns
    -------
    SegmentAnythingWidget
        The one that is docked.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, SegmentAnythingWidget):
            return widget
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    return cast("SegmentAnythingWidget", widget)
