"""Real mouse and key events on napari's canvas; private access is for tests only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispy.app.canvas import MouseEvent
from vispy.util.keys import Key

if TYPE_CHECKING:
    from napari import Viewer


def canvas_of(viewer: Viewer):
    return viewer.__wrapped__.window._qt_viewer.canvas


def to_canvas(viewer: Viewer, point: tuple[float, float]) -> tuple[float, float]:
    """Return the canvas position of a world point (row, column) of the view."""
    view = canvas_of(viewer).view
    transform = view.transform * view.scene.transform
    x, y = transform.map([point[1], point[0], 0, 1])[:2]
    return float(x), float(y)


def click(viewer: Viewer, point, button=1, modifiers=()) -> None:
    events = canvas_of(viewer)._scene_canvas.events
    position = to_canvas(viewer, point)
    events.mouse_press(pos=position, modifiers=modifiers, button=button)
    events.mouse_release(pos=position, modifiers=modifiers, button=button)


def drag(viewer: Viewer, start, stop, wait_for_moves) -> None:
    """Drag with the left button; napari takes moves over after a moment only."""
    events = canvas_of(viewer)._scene_canvas.events
    here, there = _whole(to_canvas(viewer, start)), _whole(to_canvas(viewer, stop))
    press = MouseEvent(type="mouse_press", pos=here, button=1)
    events.mouse_press(pos=here, modifiers=(), button=1)
    for _ in range(2):
        events.mouse_move(pos=there, modifiers=(), button=1, press_event=press)
    wait_for_moves()
    events.mouse_release(pos=there, modifiers=(), button=1)


def _whole(position: tuple[float, float]) -> tuple[int, int]:
    """Return what a real mouse tells: napari's brush takes nothing else."""
    return round(position[0]), round(position[1])


def press_key(viewer: Viewer, key: str, *modifiers: str) -> None:
    events = canvas_of(viewer)._scene_canvas.events
    held = [Key(name) for name in modifiers]
    events.key_press(key=Key(key), modifiers=held)
    events.key_release(key=Key(key), modifiers=held)


def drag_along(viewer: Viewer, points, wait_for, button=1, modifiers=()) -> None:
    """Drag through world points; `wait_for(point)` returns when one has arrived."""
    events = canvas_of(viewer)._scene_canvas.events
    here, *others = (to_canvas(viewer, point) for point in points)
    press = MouseEvent(type="mouse_press", pos=here, button=button)
    events.mouse_press(pos=here, modifiers=modifiers, button=button)
    for place, point in zip(others, points[1:], strict=True):
        events.mouse_move(
            pos=place, modifiers=modifiers, button=button, press_event=press
        )
        wait_for(point)
    events.mouse_release(pos=others[-1], modifiers=modifiers, button=button)


def move(viewer: Viewer, point, modifiers=()) -> None:
    """Move the mouse without a button; napari may take it over a moment later."""
    events = canvas_of(viewer)._scene_canvas.events
    events.mouse_move(pos=_whole(to_canvas(viewer, point)), modifiers=modifiers)


def double_click(viewer: Viewer, point) -> None:
    events = canvas_of(viewer)._scene_canvas.events
    position = to_canvas(viewer, point)
    events.mouse_press(pos=position, modifiers=(), button=1)
    events.mouse_release(pos=position, modifiers=(), button=1)
    events.mouse_double_click(pos=position, modifiers=(), button=1)
    events.mouse_release(pos=position, modifiers=(), button=1)
