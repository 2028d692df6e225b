"""Make the pictures of the user guide, docs/guide/NAME.png, one per state.

Run it with a display, or under Xvfb:

    xvfb-run -a -s "-screen 0 1400x1000x24" python docs/make_screenshots.py

Names of pictures as arguments make only those. `PICTURES` at the end lists them: a new
one is a function that brings the widget into a state and returns what is to be seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

FOLDER = Path(__file__).with_name("guide")
SIZE = 1100, 820
PANEL_WIDTH = 300
COLOURS = 128
"""Colours of a picture, so that files stay small."""
MOST_BYTES = 150_000
LONGEST_WAIT = 120
PASSES = 40
"""Times that Qt works off its events at least before a picture is taken."""


def main() -> None:
    # the same window on every machine, and no preferences of whoever runs it
    settings = Path(tempfile.mkdtemp())
    os.environ["NAPARI_CONFIG"] = str(settings / "settings.yaml")
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        for kept in ("EMBEDDINGS", "AUTOSAVE"):  # nothing is left from the one before
            os.environ[f"NAPARI_SAM_ADAPTER_{kept}"] = str(settings / name / kept)
        with Stage() as stage:
            stage.save(PICTURES[name](stage), FOLDER / f"{name}.png")


class Stage:
    """A viewer with the widget docked at its narrowest."""

    def __enter__(self) -> Stage:
        import napari
        from napari.settings import get_plugin_settings

        for settings in get_plugin_settings().values():
            settings.reset()
        self.viewer: napari.Viewer = napari.Viewer()
        self.viewer.window.resize(*SIZE)
        self.widget: SegmentAnythingWidget | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self.widget is not None:
            self.widget.stop()
        self.viewer.close()

    def open_nuclei(self) -> SegmentAnythingWidget:
        from napari_sam_adapter.plugin.demo import open_sample

        self.widget = open_sample(self.viewer)
        self._narrow()
        return self.widget

    def open_empty(self) -> SegmentAnythingWidget:
        from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

        self.widget = SegmentAnythingWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget, name="Segment Anything")
        self._narrow()
        return self.widget

    def click(self) -> None:
        from napari_sam_adapter.plugin.demo import click_on_nucleus

        click_on_nucleus(self.widget)
        self.settle()

    def settle(self) -> None:
        from napari_sam_adapter.plugin.state import Phase

        self.wait(lambda: self.widget.state.phase is Phase.READY)

    def wait(self, condition: Callable[[], bool], least: float = 0.6) -> None:
        """Let Qt work until a condition holds, and a moment longer."""
        from qtpy.QtWidgets import QApplication

        begin, passes = time.monotonic(), 0
        # on a slow machine one pass may take long, and a layout needs several
        while time.monotonic() < begin + least or passes < PASSES or not condition():
            QApplication.processEvents()
            passes += 1
            if time.monotonic() > begin + LONGEST_WAIT:
                raise SystemExit("This state was not reached.")

    def save(self, seen: QWidget, target: Path) -> None:
        self.wait(lambda: True)
        if seen is self.viewer.window._qt_window:  # Qt cannot grab napari's canvas
            self.viewer.screenshot(str(target), canvas_only=False, flash=False)
        else:
            seen.grab().save(str(target))
        picture = Image.open(target).convert("RGB").quantize(COLOURS)
        picture.save(target, optimize=True)
        size = target.stat().st_size
        print(
            f"{target.name}: {picture.width} x {picture.height}, {size / 1000:.0f} kB"
        )
        if size > MOST_BYTES:
            raise SystemExit(f"{target} is larger than {MOST_BYTES} bytes.")

    def _narrow(self) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QDockWidget

        window, dock = self.viewer.window._qt_window, self.widget.parent()
        while not isinstance(dock, QDockWidget):
            dock = dock.parent()
        window.resizeDocks([dock], [PANEL_WIDTH], Qt.Orientation.Horizontal)


def whole_window(stage: Stage) -> QWidget:
    """One click, and the object followed through the volume."""
    stage.open_nuclei()
    stage.click()
    stage.widget.controller.propagate()
    stage.settle()
    stage.viewer.reset_view()
    return stage.viewer.window._qt_window


def found(stage: Stage) -> QWidget:
    """All objects of a slice, found by one button."""
    widget = stage.open_nuclei()
    widget.model_panel.adapter.choose("microscopy")
    widget.controller.do("find_objects")
    stage.wait(lambda: len(widget.state.object_ids) > 1)
    stage.viewer.reset_view()
    return stage.viewer.window._qt_window


def nothing_open(stage: Stage) -> QWidget:
    return stage.open_empty()


def all_folded(stage: Stage) -> QWidget:
    widget = stage.open_nuclei()
    for title in widget.sections.sections:
        widget.sections.fold(title, title == "Annotate")
    return widget


def one_click(stage: Stage) -> QWidget:
    widget = stage.open_nuclei()
    stage.click()
    return widget


def running(stage: Stage) -> QWidget:
    """All slices are encoded: how far, how long yet, and Stop."""
    widget = stage.open_nuclei()
    stage.click()
    widget.controller.do("encode_all")
    stage.wait(lambda: widget.state.progress.done > 3, least=0)
    return widget.activity_panel


def refused(stage: Stage) -> QWidget:
    """What stands there when something cannot be done."""
    widget = stage.open_empty()
    widget.controller.use_points()
    return widget.activity_panel


def keys(stage: Stage) -> QWidget:
    widget = stage.open_nuclei()
    widget.key_help.show()
    return widget.key_help.table


def preferences(stage: Stage) -> QWidget:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    stage.open_nuclei()
    dialog = PreferencesDialog(parent=stage.viewer.window._qt_window)
    rows = range(dialog._list.count())
    row = next(r for r in rows if dialog._list.item(r).text() == "SAM Adapter")
    dialog._list.setCurrentRow(row)
    dialog.resize(900, 620)
    dialog.show()
    return dialog


def what_the_network_sees(stage: Stage) -> QWidget:
    """A CT slice through three windows, one beside the other."""
    from napari_sam_adapter.sample_images import organ_slice

    image, _ = organ_slice()
    widget = stage.open_empty()
    stage.viewer.add_image(image, name="abdomen")
    panel = widget.image_window_panel
    widget.sections.fold("What the network sees", True)
    pictures = []
    for rule in ("percentile", "soft tissue", "lung"):
        widget.image_window.choose(rule)
        stage.wait(lambda: widget.image_window.preview is not None)
        pictures.append(panel.grab())
    return side_by_side(pictures)


def side_by_side(pictures: list) -> QWidget:
    from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

    frame = QWidget()
    row = QHBoxLayout(frame)
    for picture in pictures:
        label = QLabel()
        label.setPixmap(picture)
        row.addWidget(label)
    frame.adjustSize()
    return frame


def series(stage: Stage) -> QWidget:
    """The second of four images, the first one finished."""
    from napari_sam_adapter.sample_images import nuclei_volume

    folder = Path(tempfile.mkdtemp()) / "plate 1"
    folder.mkdir()
    volume, _ = nuclei_volume()
    for number, z in enumerate((14, 18, 22, 26), start=1):
        grey = (volume[z] / volume.max() * 255).astype("uint8")
        Image.fromarray(grey).save(folder / f"well {number}.png")
    widget = stage.open_empty()
    run = widget.series
    run.open_folder(folder)
    stage.wait(lambda: run.series is not None and not run.is_busy)
    run.mark(True)
    run.next_image()
    stage.wait(lambda: run.series.position == 1 and not run.is_busy)
    for title in widget.sections.sections:
        widget.sections.fold(title, title in {"Image", "Series"})
    return widget


PICTURES = {
    "window": whole_window,
    "found": found,
    "nothing-open": nothing_open,
    "one-click": one_click,
    "folded": all_folded,
    "running": running,
    "refused": refused,
    "keys": keys,
    "preferences": preferences,
    "what-the-network-sees": what_the_network_sees,
    "series": series,
}

if __name__ == "__main__":
    main()
