"""What an edit costs in a large volume of labels, against a small one.

    python benchmarks/large_labels.py [--large Z Y X] [--small Z Y X] [--rounds 20]
    xvfb-run -a python benchmarks/large_labels.py --window

The same edits on objects of the same size in both volumes, turn by turn, without a
display. The network is a stand-in that knows its mask at once, so that only the
session's own cost is seen: taking a mask over, a brush stroke, undo and redo, ending
an object on a slice, merging two. With a window what was written is shown after each
edit, and all of the slice once, as napari does it for any other change.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter import Plane, Session
from napari_sam_adapter.predictions import ALL_PROMPTS, MaskCandidate, MaskPrediction
from napari_sam_adapter.volume.document.edits import EndHere, Paint
from napari_sam_adapter.volume.document.object_edits import MergeObjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

RADIUS = 20
STROKE = 9


class StandIn:
    """Gives a square around the click."""

    description = {"model": "stand-in", "device": "cpu"}
    capabilities = ALL_PROMPTS
    image_size = 1 << 20

    def encode(self, image):
        return image.shape

    def predict(self, embedding, prompts, previous=None):
        row, column = prompts.points[-1].astype(int)
        box = row - RADIUS, column - RADIUS, row + RADIUS, column + RADIUS
        mask = np.zeros(embedding, dtype=bool)
        mask[box[0] : box[2], box[1] : box[3]] = True
        logits = np.zeros((256, 256), np.float32)
        candidate = MaskCandidate(mask, 0.9, logits, box)
        return MaskPrediction(mask, 0.9, logits, (candidate,), box=box)


class Volume:
    """A session and the times of what was done in it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        image = np.broadcast_to(np.arange(shape[2], dtype=np.uint16), shape)
        self.session = Session(image, StandIn())
        self.plane = Plane((1, 2), (shape[0] // 2,))
        self.place = shape[1] // 2, shape[2] // 2
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._shown: Labels | None = None

    def open_window(self) -> None:
        """Show the labels in a window of their own."""
        import driven_window

        viewer = driven_window.open_window()
        self._shown = viewer.add_labels(self.session.labels)
        driven_window.show_plane(viewer, self.plane.position[0])

    def edited(self, what: str, action: Callable[[], object]) -> None:
        """Do an edit, and show it if there is a window."""
        self.timed(what, action)
        layer = self._shown
        if layer is not None:
            from napari_sam_adapter.plugin.viewing.labels_painting import LabelsPainter

            written = self.session.written.take()
            labels, painter = self.session.labels, LabelsPainter()
            self.timed("show an edit", lambda: painter.paint(layer, labels, written))

    def refresh(self) -> None:
        """Have napari show all of the slice."""
        if self._shown is not None:
            self.timed("show the slice", self._shown.refresh)

    def timed(self, what: str, action: Callable[[], object]) -> None:
        started = time.perf_counter()
        action()
        self.seconds[what].append(time.perf_counter() - started)

    def work(self) -> None:
        session, plane, (row, column) = self.session, self.plane, self.place
        first = session.new_object()
        session.add_point(first, plane, (row, column))
        result = session.compute(session.request(first, plane))
        self.edited("take a mask over", lambda: session.commit(result))
        square = np.argwhere(np.ones((STROKE, STROKE))) + np.array((row, column))
        stroke = Paint(plane, square, np.full(len(square), first))
        self.edited("brush stroke", lambda: session.apply(stroke))
        self.edited("undo", session.undo)
        self.edited("redo", session.redo)
        second = session.new_object()
        session.add_point(second, plane, (row, column + 3 * RADIUS))
        session.mask(second, plane)
        merge = MergeObjects((first, second))
        self.edited("merge two objects", lambda: session.apply(merge))
        end = EndHere(first, plane)
        self.edited("end an object on a slice", lambda: session.apply(end))
        self.refresh()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, nargs=3, default=[200, 4096, 4096])
    parser.add_argument("--small", type=int, nargs=3, default=[20, 256, 256])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--window", action="store_true")
    options = parser.parse_args()
    small, large = Volume(tuple(options.small)), Volume(tuple(options.large))
    if options.window:
        small.open_window()
        large.open_window()
    for _ in range(options.rounds):
        small.work()
        large.work()
    names = [" x ".join(map(str, shape)) for shape in (options.small, options.large)]
    print(f"| median of {options.rounds} | {names[0]} | {names[1]} |")
    print("|---|--:|--:|")
    for what in small.seconds:
        times = [median(volume.seconds[what]) * 1e3 for volume in (small, large)]
        print(f"| {what} | {times[0]:.2f} ms | {times[1]:.2f} ms |")


if __name__ == "__main__":
    main()
