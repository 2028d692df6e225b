"""A napari window with the widget, worked with real mouse and key events.

The events go into the canvas, where those of a person arrive; that part of napari is
private, so this is for benchmarks and tests only.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QEventLoop, QTimer
from vispy.util.keys import Key

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.state import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

SIZE = 1200, 800
LOOK_INTERVAL = 2
"""Milliseconds between two looks at what is waited for."""
TIMEOUT = 300.0
"""Seconds after which a wait is given up."""


def open_window() -> Viewer:
    """Open an empty window that looks the same every time."""
    settings = tempfile.mkdtemp(prefix="napari-")
    os.environ["NAPARI_CONFIG"] = os.path.join(settings, "settings.yaml")
    os.environ["NAPARI_SAM_ADAPTER_AUTOSAVE"] = os.path.join(settings, "autosave")
    os.environ["NAPARI_SAM_ADAPTER_EMBEDDINGS"] = os.path.join(settings, "embeddings")
    import napari

    viewer = napari.Viewer(title="napari-sam-adapter")
    viewer.window.resize(*SIZE)
    rest(0.5)
    return viewer


def dock_widget(viewer: Viewer, model: str = "tiny") -> SegmentAnythingWidget:
    """Dock the widget and choose a model by name or file."""
    widget = SegmentAnythingWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Segment Anything", area="right")
    picker = widget.model_panel.model
    number = picker.findData(model)
    if number < 0:
        picker.add_file(model)
    else:
        picker.setCurrentIndex(number)
    rest(0.5)
    viewer.reset_view()
    rest(0.5)
    return widget


def canvas_of(viewer: Viewer):
    return viewer.window._qt_viewer.canvas


def click(viewer: Viewer, point: tuple[float, float]) -> None:
    """Press and release the left button over a world point (row, column)."""
    press(viewer, point)
    release(viewer, point)


def press(viewer: Viewer, point: tuple[float, float]) -> None:
    events = canvas_of(viewer)._scene_canvas.events
    events.mouse_press(pos=_on_canvas(viewer, point), modifiers=(), button=1)


def release(viewer: Viewer, point: tuple[float, float]) -> None:
    events = canvas_of(viewer)._scene_canvas.events
    events.mouse_release(pos=_on_canvas(viewer, point), modifiers=(), button=1)


def move(viewer: Viewer, point: tuple[float, float]) -> None:
    """Move the mouse, no button pressed, to a world point (row, column)."""
    events = canvas_of(viewer)._scene_canvas.events
    events.mouse_move(pos=_on_canvas(viewer, point), modifiers=())


def _on_canvas(viewer: Viewer, point: tuple[float, float]) -> tuple[float, float]:
    canvas = canvas_of(viewer)
    transform = canvas.view.transform * canvas.view.scene.transform
    x, y = transform.map([point[1], point[0], 0, 1])[:2]
    return float(x), float(y)


def press_key(viewer: Viewer, key: str) -> None:
    events = canvas_of(viewer)._scene_canvas.events
    events.key_press(key=Key(key), modifiers=[])
    events.key_release(key=Key(key), modifiers=[])


def show_plane(viewer: Viewer, z: int) -> None:
    """Step to a plane and return when it was drawn."""
    drawn = []
    draw = canvas_of(viewer)._scene_canvas.events.draw
    draw.connect(drawn.append, position="last")
    viewer.dims.set_current_step(0, z)
    canvas_of(viewer)._scene_canvas.update()
    wait_until(lambda: bool(drawn))
    draw.disconnect(drawn.append)


def settle(widget: SegmentAnythingWidget) -> None:
    """Wait until nothing is running; raise what the status line says went wrong."""
    wait_until(lambda: widget.state.phase is Phase.READY)
    if widget.state.message.is_error:
        raise RuntimeError(widget.state.message.text)


def wait_until(condition: Callable[[], bool]) -> None:
    """Run the event loop until a condition holds."""
    if not condition() and not _run_events(TIMEOUT, condition):
        raise TimeoutError(f"waited for {TIMEOUT:.0f} s")


def rest(seconds: float) -> None:
    """Run the event loop for a while."""
    _run_events(seconds, lambda: False)


def _run_events(seconds: float, is_enough: Callable[[], bool]) -> bool:
    # The loop sleeps between events, as that of a person's napari does.
    loop, clock = QEventLoop(), QTimer()
    deadline = time.monotonic() + seconds

    def look() -> None:
        if is_enough() or time.monotonic() > deadline:
            loop.quit()

    clock.timeout.connect(look)
    clock.start(LOOK_INTERVAL)
    loop.exec()
    return is_enough()
