"""Whether slices are encoded before they come into view, while a user scrolls.

    xvfb-run -a python benchmarks/scrolling.py [FOLDER] [--steps 32] [--pause 0.5]

A window over a uint16 zarr of 2,000 x 2,048 x 2,048 in chunks of 512 x 512 (see
large_volume.py), model `tiny`. After a click on the first slice and a pause in which
its two neighbours are encoded, the slider goes on by one slice every PAUSE seconds, and
then all the way back. A step waits if a click at that moment, where the mouse is, would
have to wait for the encoder. Stalls are the longest times in which the event loop did
not answer; napari's own, without a widget in the window, stand beside them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import driven_window
from driven_window import click, move, rest, settle, wait_until
from large_volume import CENTRE, write
from stopwatch import Heartbeat

from napari_sam_adapter import open_image

if TYPE_CHECKING:
    from napari import Viewer

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

PLANES, SIDE = 2000, 2048
FIRST = PLANES // 2
LIMITS = 0, 25_000
ALONE, FORWARD, BACK = "napari alone", "forward", "back"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--pause", type=float, default=0.5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path, _ = write(Path(folder), PLANES, SIDE, options.steps + 4)
        viewer = driven_window.open_window()
        viewer.add_image(open_image(path).data, contrast_limits=LIMITS)
        measure(viewer, options.steps, options.pause)
        viewer.close()


def measure(viewer: Viewer, steps: int, pause: float) -> None:
    heart = Heartbeat()
    there = range(FIRST + 1, FIRST + 1 + steps)
    back = range(FIRST + steps - 1, FIRST - 1, -1)
    viewer.dims.set_current_step(0, FIRST)
    for z in there:
        heart.measure(ALONE, lambda z=z: step(viewer, z, pause))
    viewer.dims.set_current_step(0, FIRST)
    widget = driven_window.dock_widget(viewer)
    widget.annotation_panel.buttons["use_points"].click()
    rest(0.5)
    move(viewer, CENTRE)
    click(viewer, CENTRE)
    session = widget.controller.workspace.session
    wait_until(lambda: session.labels[FIRST][CENTRE] == 1)
    settle(widget)
    rest(2.0)
    ready = {FORWARD: [], BACK: []}
    for name, way in ((FORWARD, there), (BACK, back)):
        for z in way:
            ready[name].append(is_ready(widget, z))
            heart.measure(name, lambda z=z: step(viewer, z, pause))
    print_results(ready, heart)


def step(viewer: Viewer, z: int, pause: float) -> None:
    """Show a slice and stay there until the pause is over."""
    started = time.perf_counter()
    driven_window.show_plane(viewer, z)
    rest(max(0.0, started + pause - time.perf_counter()))


def is_ready(widget: SegmentAnythingWidget, z: int) -> bool:
    """Say whether a click where the mouse is would need no encoder."""
    workspace = widget.controller.workspace
    plane = workspace.plane_in_view().at(0, z)
    return workspace.session.is_encoded(plane, workspace.focus())


def print_results(ready: dict[str, list[bool]], heart: Heartbeat) -> None:
    print("| | steps | waited | median of stalls | longest stall |")
    print("|---|--:|--:|--:|--:|")
    for name in (ALONE, FORWARD, BACK):
        waited = str(ready[name].count(False)) if name in ready else ""
        gaps = [1000 * gap for gap in heart.longest[name]]
        times = f"{median(gaps):.0f} ms | {max(gaps):.0f} ms"
        print(f"| {name} | {len(gaps)} | {waited} | {times} |")


if __name__ == "__main__":
    main()
