"""How long a click takes, and how long the window stands still meanwhile.

    xvfb-run -a python benchmarks/click_latency.py [--planes 512 2048] [--stacks]
        [--json OUT]

Clicks are real mouse events on the canvas of a real napari window. A click is over when
its mask is in the Labels layer and a frame with it was shown. On a large plane a first
look at the object may be shown before that, and is timed, too. A heartbeat in the event
loop tells how long the window could not answer; the first rows of that table are what
napari needs for the same layers with no plugin in the window. A large plane is encoded
in parts, where the mouse rests: objects are clicked there, and out of nowhere. Then the
mouse moves in circles, 60 steps a second, and previews are counted.

``--stacks`` also tells which part of a stop is ours, by looking at the main thread's
stack every 2 ms. That makes clicks slower: their times are those of a run without it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import driven_window
import numpy as np
from driven_window import click, press_key, show_plane
from scipy import ndimage
from stopwatch import Heartbeat, MaskWatch, PreviewWatch, ms

from napari_sam_adapter.sample_images import nuclei_volume

if TYPE_CHECKING:
    from napari import Viewer

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

SHAPE = 24, 512, 512
REPEATS = 10
FOLLOWED = 3
"""Objects that are followed through the volume."""
LAST = REPEATS - 1
SMALL, LARGE = 512, 2048
NEW, ENCODED = "click on a new plane", "click on an encoded plane"
SUDDEN_LARGE = f"click out of nowhere, {LARGE} x {LARGE}"
SUDDEN_FIRST = f"{SUDDEN_LARGE}, first object"
FIRST_LOOK = f"{SUDDEN_FIRST}: first look"
ENCODED_LARGE = f"click where the mouse rested, {LARGE} x {LARGE}"
RESTED = 0.5
"""Seconds for which the mouse lies over an object before it is clicked."""
HOVER_SECONDS, HOVER_STEPS, HOVER_RADIUS = 4.0, 60, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--planes", type=int, nargs="+", default=[SMALL, LARGE])
    parser.add_argument("--stacks", action="store_true", help="whose stops they are")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    image, truth = nuclei_volume(SHAPE)
    viewer = driven_window.open_window()
    viewer.add_image(image, name="nuclei")
    heart = Heartbeat(options.stacks)
    measure_napari(viewer, heart)
    widget = driven_window.dock_widget(viewer, options.model)
    heart.measure("model load", lambda: load(widget))
    # Planes in view are encoded ahead; here a click has to come first.
    widget.controller._watch._timer.setInterval(3_600_000)
    seconds: dict[str, list[float]] = {}
    previews: dict[str, float] = {}
    for side in options.planes:
        if side == SMALL:
            seconds |= measure_clicks(viewer, widget, truth, heart)
        else:
            seconds |= measure_large(viewer, widget, image[LAST], truth[LAST], heart)
        size = f"{side} x {side}"
        previews[size] = measure_hover(viewer, widget, heart, f"preview, {size}")
    print_results(seconds, previews, heart)
    if options.json:
        values = {"machine": machine(), "clicks": seconds, "previews": previews}
        values |= {"gaps": heart.longest, "ours": heart.ours}
        options.json.write_text(json.dumps(values, indent=1))
    viewer.close()


def measure_napari(viewer: Viewer, heart: Heartbeat) -> None:
    """Click points and refresh labels with nothing but napari in the window."""
    labels = viewer.add_labels(np.zeros(SHAPE, np.int32))
    points = viewer.add_points(ndim=3, size=10)
    points.mode = "add"

    def click_and_refresh(z: int) -> None:
        click(viewer, (100 + 20 * z, 200))
        labels.data[z, 100:130, 100:130] = 1
        labels.refresh(thumbnail=False, highlight=False, extent=False)

    for z in range(REPEATS):
        heart.measure("napari alone: step", lambda z=z: show_plane(viewer, z))
        heart.measure("napari alone: click", lambda z=z: click_and_refresh(z))
    viewer.layers.remove(points)
    viewer.layers.remove(labels)


def load(widget: SegmentAnythingWidget) -> None:
    widget.model_panel.load.click()
    driven_window.settle(widget)


def measure_clicks(
    viewer: Viewer, widget: SegmentAnythingWidget, truth: np.ndarray, heart: Heartbeat
) -> dict[str, list[float]]:
    """Click a new object each time, first on new planes, then on an encoded one."""
    widget.annotation_panel.buttons["use_points"].click()
    watch = MaskWatch(viewer, widget)
    seconds: dict[str, list[float]] = {NEW: [], ENCODED: []}
    for z in range(REPEATS):
        show_plane(viewer, z)
        timed_click(watch, centres(truth[z])[0], heart, NEW, seconds)
    for spot in centres(truth[REPEATS - 1])[1 : REPEATS + 1]:
        timed_click(watch, spot, heart, ENCODED, seconds)
    for number in range(FOLLOWED):
        z = REPEATS + 2 + 3 * number
        show_plane(viewer, z)
        timed_click(watch, centres(truth[z])[0], heart)
        heart.measure("propagation", lambda: propagate(viewer, widget))
    return seconds


def measure_large(
    viewer: Viewer,
    widget: SegmentAnythingWidget,
    tile: np.ndarray,
    truth: np.ndarray,
    heart: Heartbeat,
) -> dict[str, list[float]]:
    """Click objects of a large plane: first ones, further ones, where it rested."""
    viewer.layers.clear()
    times = LARGE // len(tile)
    viewer.add_image(np.tile(tile, (times, times)), name="large")
    widget.annotation_panel.buttons["use_points"].click()
    viewer.reset_view()
    driven_window.rest(0.5)
    watch = MaskWatch(viewer, widget)
    seconds: dict[str, list[float]] = {
        name: [] for name in (FIRST_LOOK, SUDDEN_FIRST, SUDDEN_LARGE, ENCODED_LARGE)
    }
    side, spots = len(tile), centres(truth)[: REPEATS + 1]
    for number, (row, column) in enumerate(spots):
        spot = row + side * (number % times), column
        timed_click(watch, spot, heart, SUDDEN_FIRST, seconds)
        if watch.shown:  # the mask itself, where one window was enough
            taken = watch.first_look or seconds[SUDDEN_FIRST][-1]
            seconds[FIRST_LOOK].append(taken)
        undo(viewer, widget)
    timed_click(watch, spots[0], heart)
    for number, (row, column) in enumerate(spots[1:]):
        down = side * (number % times)
        spot = row + down, column + side
        timed_click(watch, spot, heart, SUDDEN_LARGE, seconds)
        spot = row + down, column + 2 * side
        driven_window.move(viewer, spot)
        driven_window.rest(RESTED)
        timed_click(watch, spot, heart, ENCODED_LARGE, seconds)
    # The first one of all loads what napari and the network load once.
    del seconds[SUDDEN_FIRST][0], seconds[FIRST_LOOK][0]
    return seconds


def undo(viewer: Viewer, widget: SegmentAnythingWidget) -> None:
    """Take everything back, so that the next object is the first one again."""
    while widget.state.can_undo:
        widget.controller.do("undo")
    driven_window.settle(widget)


def measure_hover(
    viewer: Viewer, widget: SegmentAnythingWidget, heart: Heartbeat, name: str
) -> float:
    """Move the mouse in circles; return how many previews were shown each second."""
    press_key(viewer, "N")
    switch = widget.controller.commands["switch_preview"]
    switch()
    middle = np.array(widget.controller.workspace.session.labels.shape[-2:]) / 2

    def move(step: int) -> None:
        angle = 2 * np.pi * step / (2 * HOVER_STEPS)
        around = HOVER_RADIUS * np.array([np.sin(angle), np.cos(angle)])
        driven_window.move(viewer, tuple(middle + around))

    watch = PreviewWatch(viewer, widget)

    def hover() -> None:
        for step in range(round(HOVER_SECONDS * HOVER_STEPS)):
            move(step)
            driven_window.rest(1 / HOVER_STEPS)

    taken = heart.measure(name, hover)
    switch()
    return watch.count / taken


def timed_click(
    watch: MaskWatch,
    spot: tuple[int, int],
    heart: Heartbeat,
    name: str = "",
    seconds: dict[str, list[float]] | None = None,
) -> None:
    press_key(watch.viewer, "N")
    taken = heart.measure(name, lambda: watch.click(spot))
    if seconds is not None and watch.shown:
        seconds[name].append(taken)


def propagate(viewer: Viewer, widget: SegmentAnythingWidget) -> None:
    press_key(viewer, "G")
    driven_window.settle(widget)


def centres(labels: np.ndarray) -> list[tuple[int, int]]:
    """Return the middle of every nucleus of a plane, the largest first."""
    numbers, sizes = np.unique(labels[labels > 0], return_counts=True)
    spots = []
    for number in numbers[np.argsort(-sizes)]:
        depth = ndimage.distance_transform_edt(labels == number)
        row, column = np.unravel_index(depth.argmax(), labels.shape)
        spots.append((int(row), int(column)))
    return spots


def print_results(
    seconds: dict[str, list[float]],
    previews: dict[str, float],
    heart: Heartbeat,
) -> None:
    print("| from the click to the mask on the screen | clicks | median | longest |")
    print("|---|--:|--:|--:|")
    for name, values in seconds.items():
        print(f"| {name} | {len(values)} | {ms(median(values))} | {ms(max(values))} |")
    print("\n| plane | previews per second |")
    print("|---|--:|")
    for name, rate in previews.items():
        print(f"| {name} | {rate:.1f} |")
    print()
    heart.print_rows()
    print("\n" + ", ".join(f"{key} {value}" for key, value in machine().items()))


def machine() -> dict[str, str]:
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count()
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": f"{usable} of {os.cpu_count()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch threads": str(torch.get_num_threads()),
    }


if __name__ == "__main__":
    main()
