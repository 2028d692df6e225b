"""How long the window stands still when there are very many objects.

    xvfb-run -a python benchmarks/many_found.py [--per-side 32]

Disks on a grid, found by one press of the button and taken in; then all of them are
taken back and made again, also while they still come in, selected, deleted, brought
back, given a class, hidden, locked, merged, split, and saved. The window is real, the
network a stand-in that knows all disks; the heartbeat is that of `click_latency.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import driven_window
import numpy as np
from qtpy.QtCore import QTimer
from stopwatch import Heartbeat

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.state import Phase, Tool
from napari_sam_adapter.predictions import ALL_PROMPTS, MaskCandidate, MaskPrediction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam_adapter.prompts import Prompts

PITCH, RADIUS = 24, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-side", type=int, default=32)
    options = parser.parse_args()
    viewer = driven_window.open_window()
    viewer.add_image(disks(options.per_side), name="disks")
    widget = SegmentAnythingWidget(viewer, load=lambda choice: StandIn())
    viewer.window.add_dock_widget(widget, name="Segment Anything", area="right")
    widget.model_panel.load.click()
    driven_window.settle(widget)
    widget.controller.use(Tool.POINTS)
    viewer.reset_view()
    driven_window.rest(1)
    heart = Heartbeat()
    measure(widget, heart)
    print(f"{len(widget.controller.workspace.session.object_ids)} objects\n")
    heart.print_rows()
    viewer.close()


class StandIn:
    """Knows the disks: three masks for each point, with logits of SAM's size."""

    description = {"model": "stand-in", "adapter": "none", "device": "cpu"}
    capabilities = ALL_PROMPTS
    image_size = 4096
    marks_objects = True

    def encode(self, image: np.ndarray) -> np.ndarray:
        return image

    def foreground(self, image: np.ndarray) -> np.ndarray:
        return (image > 0).astype(np.float32)

    def predict_many(
        self, image: np.ndarray, prompts_list: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return [self.predict(image, prompts) for prompts in prompts_list]

    def predict(
        self, image: np.ndarray, prompts: Prompts, previous: object = None
    ) -> MaskPrediction:
        middle = np.rint(prompts.points[0]).astype(int)
        around = [disk_at(image.shape, middle, RADIUS + by) for by in (0, 1, -1)]
        logits = np.zeros((len(around), 256, 256), np.float32)
        scores = 0.9, 0.8, 0.7
        candidates = tuple(
            MaskCandidate(mask, score, low, box)
            for (mask, box), score, low in zip(around, scores, logits, strict=True)
        )
        best = candidates[0]
        mask, low, box = best.mask, best.logits, best.box
        return MaskPrediction(mask, best.score, low, candidates, box=box)


def disks(per_side: int) -> np.ndarray:
    """Return bright disks on a grid."""
    places = np.arange(per_side * PITCH) % PITCH - PITCH // 2
    inside = np.hypot(places[:, None], places[None]) <= RADIUS
    return np.where(inside, 200, 0).astype(np.uint8)


def disk_at(
    shape: tuple[int, int], middle: np.ndarray, radius: int
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Return the mask of a disk and its box."""
    mask, reach = np.zeros(shape, bool), np.arange(-radius, radius + 1)
    top, left = (middle - radius).tolist()
    box = top, left, top + len(reach), left + len(reach)
    mask[box[0] : box[2], box[1] : box[3]] = (
        np.hypot(reach[:, None], reach[None]) <= radius
    )
    return mask, box


def measure(widget: SegmentAnythingWidget, heart: Heartbeat) -> None:
    """Do everything that concerns all objects."""
    do, panel = widget.controller.do, widget.object_panel
    give_class, show = panel.class_given.emit, panel.shown_changed.emit
    path = Path(tempfile.mkdtemp()) / "many.session"

    def done(action: Callable[[], object], text: str) -> None:
        """Do something and wait until the status line says that it is over."""
        action()
        driven_window.wait_until(
            lambda: text in widget.state.message.text and is_over()
        )
        driven_window.rest(0.5)

    def is_over() -> bool:
        session = widget.controller.workspace.session
        return widget.state.phase is Phase.READY and not session.under_way.is_busy

    def measured(name: str, action: Callable[[], object], text: str) -> None:
        heart.measure(name, lambda: done(action, text))

    def find_and(action: Callable[[], object]) -> None:
        """Do it as soon as found objects begin to come in, in a turn of its own."""
        do("find_objects")
        driven_window.wait_until(
            lambda: widget.controller.workspace.session.under_way.is_busy
        )
        QTimer.singleShot(0, action)

    def click() -> None:
        """Press the button, and release it in the next turn, as a hand does."""
        where = widget.controller.viewer, (3 * PITCH, 3 * PITCH)
        driven_window.press(*where)
        QTimer.singleShot(0, lambda: driven_window.release(*where))

    measured("find and take in", lambda: do("find_objects"), "objects found")
    for _ in range(3):
        measured("undo", lambda: do("undo"), "taken back")
        measured("redo", lambda: do("redo"), "done again")
    for _ in range(3):
        done(lambda: do("undo"), "taken back")
        undo_at_once = partial(find_and, partial(do, "undo"))
        measured("undo while they come in", undo_at_once, "taken back")
        measured("click while they come in", partial(find_and, click), "")
        done(lambda: do("undo"), "taken back")
    for _ in range(3):
        measured("select all", panel.table.selectAll, "")
        measured("delete all", lambda: do("delete_objects"), "deleted")
        measured("undo of the deletion", lambda: do("undo"), "taken back")
    for _ in range(3):
        panel.table.selectAll()
        measured("class of all", lambda: give_class(panel.selected, "disk"), "")
        measured("undo of the class", lambda: do("undo"), "taken back")
        panel.table.selectAll()
        measured("hide all", lambda: show(panel.selected, False), "")
        measured("show all", lambda: show(panel.selected, True), "")
        measured("lock all", lambda: do("lock_objects"), ": locked")
        measured("unlock all", lambda: do("lock_objects"), "unlocked")
        measured("merge all", lambda: do("merge_objects"), "now object")
        measured("split into all", lambda: do("split_object"), "was split")
        measured("undo of the split", lambda: do("undo"), "taken back")
        measured("undo of the merger", lambda: do("undo"), "taken back")
    measured("save", lambda: widget.safekeeping.save(path), "Saved")


if __name__ == "__main__":
    main()
