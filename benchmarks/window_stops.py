"""How long the window stands still while a user does all kinds of things.

    xvfb-run -a python benchmarks/window_stops.py [--side 2048] [--planes 8]

A volume of disks, uint16, with the model `tiny` in a real window: what is seen is
chosen, objects are made, followed, painted, split, merged, measured, saved, opened and
exported. The heartbeat is that of `click_latency.py`; what napari does alone, such as
slicing what it shows, stands in the rows and not in *ours*, unless we called it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import driven_window
import numpy as np
from driven_window import click, press_key
from many_found import PITCH, disks
from napari.layers import Labels, Points, Shapes
from stopwatch import Heartbeat

from napari_sam_adapter.plugin.state import Tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

SPREAD = 4
"""Sides of a disk of `many_found.py` here."""
RULES = "contrast", "soft tissue", "plane", "percentile"
SUFFIXES = ".tif", ".zarr", ".nii.gz", ".json", ".csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--planes", type=int, default=8)
    options = parser.parse_args()
    viewer = driven_window.open_window()
    heart = Heartbeat()
    viewer.add_image(volume(options.side, options.planes), name="disks")
    widget = driven_window.dock_widget(viewer)
    widget.model_panel.load.click()
    driven_window.settle(widget)
    Steps(viewer, widget, heart).do_all()
    heart.print_rows()
    viewer.close()


def volume(side: int, planes: int) -> np.ndarray:
    """Return bright disks, 4 times as large as those of `many_found.py`, and noise."""
    plane = np.kron(
        disks(side // (SPREAD * PITCH)), np.ones((SPREAD, SPREAD), np.uint8)
    )
    rest = side - len(plane)
    plane = np.pad(plane, ((0, rest), (0, rest)))
    noise = np.random.default_rng(0).integers(0, 20, (planes, 1, side), np.uint16)
    return (plane * np.uint16(5) + noise).astype(np.uint16)


class Steps:
    """What a user does, one thing after the other."""

    def __init__(
        self, viewer: Viewer, widget: SegmentAnythingWidget, heart: Heartbeat
    ) -> None:
        self.viewer = viewer
        self.widget = widget
        self.heart = heart
        self.folder = Path(tempfile.mkdtemp())
        self.middle = SPREAD * PITCH / 2
        self.pitch = SPREAD * PITCH

    def measured(self, name: str, action: Callable[[], object]) -> None:
        """Do something and wait until nothing runs."""

        def done() -> None:
            action()
            driven_window.rest(0.1)
            driven_window.wait_until(self.is_over)
            driven_window.rest(0.3)

        self.heart.measure(name, done)

    def is_over(self) -> bool:
        controller = self.widget.controller
        works = [each.session.under_way.is_busy for each in controller.workspaces]
        is_busy = self.widget.state.is_busy or self.widget.exports.is_busy
        return not (is_busy or any(works) or controller.segmenter.queue.jobs)

    def command(self, name: str, row: str = "") -> None:
        title = row or name.replace("_", " ")
        self.measured(title, lambda: self.widget.controller.do(name))

    def spot(self, number: int) -> tuple[float, float]:
        return self.middle + self.pitch * number, self.middle + self.pitch * number

    def do_all(self) -> None:
        self.look()
        self.annotate()
        self.change_objects()
        self.save()
        self.add_layers()

    def look(self) -> None:
        """Choose what is seen."""
        self.measured("first tool", lambda: self.widget.controller.use(Tool.POINTS))
        window = self.widget.image_window
        for rule in RULES:
            self.measured(f"window: {rule}", lambda rule=rule: window.choose(rule))
        image = self.viewer.layers["disks"]
        self.measured("contrast", lambda: setattr(image, "contrast_limits", (0, 700)))
        self.measured("step", lambda: self.viewer.dims.set_current_step(0, 5))
        self.measured("roll", self.viewer.dims.roll)
        self.measured("roll", self.viewer.dims.roll)
        self.measured("roll", self.viewer.dims.roll)

    def annotate(self) -> None:
        """Make objects with all tools."""
        for number in range(3):
            press_key(self.viewer, "N")
            self.measured(
                "click", lambda number=number: click(self.viewer, self.spot(number))
            )
        self.command("propagate")
        self.command("next_doubt")
        self.command("lock_slice")
        self.command("find_objects")
        self.command("undo", "undo of found objects")
        self.command("redo", "redo of found objects")
        self.command("encode_all")
        self.measured("brush", self.paint)

    def paint(self) -> None:
        layer = self.widget.controller.workspace.layers.labels
        with layer.block_history():
            layer.paint((5, 300, 300), 2)

    def change_objects(self) -> None:
        """Work with the table of objects."""
        table = self.widget.object_panel.table
        self.measured("select", table.selectAll)
        for name in ("lock_objects", "lock_objects", "measure", "merge_objects"):
            self.command(name)
        table.selectAll()
        self.command("split_object")
        self.command("undo", "undo of the split")
        self.command("undo", "undo of the merger")
        table.selectAll()
        self.command("tidy_objects")
        self.command("delete_objects")
        self.command("undo", "undo of the deletion")

    def add_layers(self) -> None:
        """Have napari make layers as the first tool does, but none of the plugin's."""
        labels = np.zeros(self.viewer.layers["disks"].data.shape, np.int32)
        for layer in (Labels(labels), Shapes(ndim=3), Points(ndim=3)):
            name = f"napari alone: add a {type(layer).__name__} layer"
            self.measured(name, lambda layer=layer: self.viewer.add_layer(layer))

    def save(self) -> None:
        """Save, open and export."""
        saved = self.folder / "a.session"
        keeping = self.widget.safekeeping
        self.measured("save session", lambda: keeping.save(saved))
        self.measured("open session", lambda: keeping.open(saved))
        self.viewer.dims.set_current_step(0, 0)
        self.measured("open session, from another slice", lambda: keeping.open(saved))
        for suffix in SUFFIXES:
            path = self.folder / f"labels{suffix}"
            self.measured(
                f"export {suffix}", lambda path=path: self.widget.exports.save(path)
            )


if __name__ == "__main__":
    main()
