"""When a mask is on the screen, and how long the event loop stood still."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import driven_window
from driven_window import canvas_of, click, wait_until
from qtpy.QtCore import Qt, QTimer
from stack_watch import StackWatch

from napari_sam_adapter.plugin.state import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

BEAT = 5
"""Milliseconds between two heartbeats."""


class Heartbeat:
    """Longest time between two turns of the event loop, per measured stretch.

    Parameters
    ----------
    looks_at_stacks : bool
        Whether to find out which part of it is ours, which takes time itself.
    """

    def __init__(self, looks_at_stacks: bool = True) -> None:
        self.longest: dict[str, list[float]] = {}
        self.ours: dict[str, list[float]] = {}
        """The largest part of any such time for which this package ran."""
        self.garbage: dict[str, list[float]] = {}
        """The longest search for garbage meanwhile."""
        self._stops: list[tuple[float, float]] = []
        self._stacks = StackWatch() if looks_at_stacks else None
        self._name = ""
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def measure(self, name: str, action: Callable[[], object]) -> float:
        """Do something and note the longest gap; return how long it took."""
        driven_window.rest(0.05)
        self._name = name
        self.longest.setdefault(name, []).append(0.0)
        self._stops = []
        if self._stacks:
            self._stacks.begin()
        started = self._last = time.perf_counter()
        action()
        seconds = time.perf_counter() - started
        driven_window.rest(0.05)  # what was put off belongs to it
        self._name = ""
        if self._stacks:
            self._note_stacks(name, self._stacks)
        return seconds

    def _note_stacks(self, name: str, stacks: StackWatch) -> None:
        stacks.end()
        ours = [stacks.ours_between(*stop) for stop in self._stops]
        self.ours.setdefault(name, []).append(max(ours, default=0.0))
        self.garbage.setdefault(name, []).append(stacks.longest_collection)

    def _beat(self) -> None:
        now = time.perf_counter()
        if self._name:
            gaps = self.longest[self._name]
            gaps[-1] = max(gaps[-1], now - self._last)
            self._stops.append((self._last, now))
        self._last = now

    def print_rows(self) -> None:
        """Print all stretches as the rows of a table."""
        title = "the window stood still during"
        heads = ["times", "median", "longest", *(["ours", "garbage"] * bool(self.ours))]
        print(f"| {title} | {' | '.join(heads)} |")
        print("|---" + "|--:" * len(heads) + "|")
        for name, values in self.longest.items():
            if name:
                row = f"{len(values)} | {ms(median(values))} | {ms(max(values))}"
                parts = [max(seen[name]) for seen in (self.ours, self.garbage) if seen]
                print(" | ".join([f"| {name} | {row}", *map(ms, parts)]) + " |")


def ms(seconds: float) -> str:
    """Return a time as it stands in tables."""
    return f"{1000 * seconds:.0f} ms"


class MaskWatch:
    """Clicks, and waits until the mask of the object was shown on the screen."""

    def __init__(self, viewer: Viewer, widget: SegmentAnythingWidget) -> None:
        self.viewer = viewer
        self.shown = False
        self.first_look: float | None = None
        """Seconds to what was shown before the mask, if anything was."""
        self._widget = widget
        self._written = self._drawn = self._glimpsed = False
        self._started = 0.0
        canvas = canvas_of(viewer)
        told = widget.controller.workspace.layers.labels.events
        told.set_data.connect(self._on_data)
        told.labels_update.connect(self._on_data)
        canvas._scene_canvas.events.draw.connect(self._on_draw, position="last")
        canvas.native.frameSwapped.connect(self._on_frame)
        segmenter = widget.controller.segmenter
        segmenter.glimpsed.connect(self._on_glimpse, max_args=0)

    def click(self, spot: tuple[int, int]) -> None:
        self._written = self._drawn = self.shown = self._glimpsed = False
        self.first_look, self._started = None, time.perf_counter()
        click(self.viewer, spot)
        wait_until(lambda: self.shown or self._is_in_vain())

    def _is_in_vain(self) -> bool:
        # Another object has all the pixels.
        return self._widget.state.phase is Phase.READY and not self._written

    def _on_data(self, event: object) -> None:
        workspace = self._widget.controller.workspace
        plane = workspace.plane_in_view().view(workspace.session.labels)
        self._written = bool((plane == workspace.object_id).any())

    def _on_draw(self, event: object) -> None:
        self._drawn = self._written

    def _on_glimpse(self) -> None:
        self._glimpsed = True

    def _on_frame(self) -> None:
        if self._glimpsed and self._widget.candidates.overlay.is_shown:
            self.first_look = time.perf_counter() - self._started
            self._glimpsed = False
        self.shown = self.shown or self._drawn


class PreviewWatch:
    """Counts the previews under the mouse that came to the screen."""

    def __init__(self, viewer: Viewer, widget: SegmentAnythingWidget) -> None:
        self.count = 0
        self._is_new = False
        level = widget.controller.workspace.level
        layer = widget.preview.overlay.prepare(level)
        layer.events.set_data.connect(self._on_data)
        canvas = canvas_of(viewer)
        canvas._scene_canvas.events.draw.connect(self._on_draw, position="last")

    def _on_data(self, event: object) -> None:
        self._is_new = True

    def _on_draw(self, event: object) -> None:
        self.count += self._is_new
        self._is_new = False
