"""Make docs/window.png: napari with image, prompts, masks and the dock widget.

Run it with a display, or under Xvfb:

    xvfb-run -a -s "-screen 0 1400x900x24" python docs/make_screenshot.py
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

TARGET = Path(__file__).with_name("window.png")
SIZE = 1400, 900
LONGEST_WAIT = 120


def main() -> None:
    settings = Path(tempfile.mkdtemp()) / "settings.yaml"
    os.environ["NAPARI_CONFIG"] = str(settings)  # the same window on every machine
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_sam_adapter.plugin.demo import click_on_nucleus, open_sample
    from napari_sam_adapter.plugin.state import Phase

    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    widget = open_sample(viewer)

    def settle() -> None:
        deadline = time.monotonic() + LONGEST_WAIT
        QApplication.processEvents()
        while widget.state.phase is not Phase.READY and time.monotonic() < deadline:
            QApplication.processEvents()

    click_on_nucleus(widget)
    settle()
    widget.controller.propagate()
    settle()
    widget.controller.accept()
    widget.controller.use_boxes()
    draw_box(widget)
    settle()
    widget.controller.use_points()
    save(viewer)


def draw_box(widget: SegmentAnythingWidget) -> None:
    """Draw a box around the largest nucleus of the plane that has no mask yet."""
    import numpy as np

    from napari_sam_adapter.sample_images import nuclei_volume

    workspace = widget.controller.workspace
    plane = workspace.plane_in_view()
    _, nuclei = nuclei_volume()
    nuclei = plane.view(nuclei)
    taken = np.unique(nuclei[plane.view(workspace.session.labels) > 0])
    sizes = np.bincount(nuclei.ravel())
    sizes[[0, *taken]] = 0
    rows, columns = np.nonzero(nuclei == sizes.argmax())
    low, high = (rows.min() - 2, columns.min() - 2), (rows.max() + 2, columns.max() + 2)
    ring = [low, (low[0], high[1]), high, (high[0], low[1])]
    workspace.layers.shapes.add_rectangles(
        [[*plane.position, *corner] for corner in ring]
    )


def save(viewer: napari.Viewer) -> None:
    from qtpy.QtWidgets import QApplication

    for _ in range(20):
        QApplication.processEvents()
    viewer.reset_view()
    for _ in range(20):
        QApplication.processEvents()
    viewer.screenshot(str(TARGET), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main()
