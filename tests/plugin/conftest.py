from __future__ import annotations

import gc
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QItemSelectionModel
from tests.fakes import DiskPredictor, MarkingDiskPredictor
from tests.plugin import mouse

import napari_sam_adapter
from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.preferences import preferences as own_preferences

MANIFEST = Path(napari_sam_adapter.__file__).with_name("napari.yaml")
LEFT_DISK, RIGHT_DISK = (20, 20), (44, 60)
BETWEEN = (32, 40)


class GatedPredictor(DiskPredictor):
    """Waits before each prediction, as a slow network does, while the gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0

    def predict(self, embedding, prompts, previous=None):
        self.asked += 1
        assert self.gate.wait(10)
        return super().predict(embedding, prompts, previous)


class MarkingPredictor(GatedPredictor, MarkingDiskPredictor):
    """Marks the disks, and can be made to wait."""


def disks(shape=(64, 80), centres=(LEFT_DISK, RIGHT_DISK), radius=8):
    """Return bright disks on a dark ground that is not constant."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    image = (rows + columns) % 3
    for row, column in centres:
        inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        image = np.where(inside, 200, image)
    return image.astype(np.uint8)


def stack(length=8, first=1, last=6):
    """Return a stack with the disks on the planes from `first` to `last`."""
    empty = disks(centres=())
    planes = [disks() if first <= z <= last else empty for z in range(length)]
    return np.stack(planes)


def corner_of(layer):
    """Return where in the world the box around the labels of a layer begins."""
    return layer.data_to_world([used.min() for used in np.nonzero(layer.data)])


@dataclass
class Scene:
    """A viewer with an image and the docked widget."""

    viewer: object
    widget: SegmentAnythingWidget
    predictor: GatedPredictor
    qtbot: object
    loads: list = field(default_factory=list)

    @property
    def controller(self):
        return self.widget.controller

    @property
    def state(self):
        return self.widget.state

    @property
    def workspace(self):
        return self.controller.workspace

    @property
    def labels(self):
        return self.workspace.session.labels

    def press(self, name):
        self.widget.annotation_panel.buttons[name].click()

    def select_row(self, row):
        """Select an object in the table, also if Qt has not laid it out yet."""
        table, flags = self.widget.object_panel.table, QItemSelectionModel.SelectionFlag
        table.selectionModel().setCurrentIndex(
            table.model().index(row, 0), flags.ClearAndSelect | flags.Rows
        )

    def settle(self):
        """Wait until nothing is running."""
        self.qtbot.waitUntil(lambda: not self.state.is_busy)

    def click(self, point, **options):
        mouse.click(self.viewer, point, **options)
        self.settle()

    def drag_box(self, start, stop):
        def is_drawn():
            return np.allclose(
                self.workspace.layers.shapes.data[-1][2, -2:], stop, atol=1
            )

        mouse.drag(self.viewer, start, stop, lambda: self.qtbot.waitUntil(is_drawn))
        self.settle()

    def draw(self, *points, **options):
        """Drag through points with the tool in hand."""

        def is_there(point):
            drawn = self.workspace.layers.shapes.data[-1][:, -2:]
            return np.abs(drawn - point).max(axis=1).min() < 1

        def wait_for(point):
            self.qtbot.waitUntil(lambda: is_there(point))

        mouse.drag_along(self.viewer, points, wait_for, **options)
        self.settle()

    @property
    def prompts(self):
        """Prompts of the object under work on the plane in view."""
        plane = self.workspace.plane_in_view()
        return self.workspace.session.prompts(self.workspace.object_id, plane)

    def is_working(self):
        """Whether a worker thread of the widget is alive."""
        return self.controller._segmenter._queue._worker is not None

    def value(self, *index):
        return int(self.labels[index])


def settings():
    """What napari keeps for the plugin; skips the test before napari 0.9."""
    return own_preferences() or pytest.skip("napari keeps no settings of plugins")


@pytest.fixture(scope="module", autouse=True)
def lasting_objects():
    """Set apart the hundreds of thousands of objects that stay: modules and tests.

    napari has Python look through all others whenever a layer goes.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def preferences(request, npe2pm):
    """napari's settings of the plugin, in a folder of the test; before 0.9 none."""
    with suppress(pytest.FixtureLookupError):
        request.getfixturevalue("plugin_settings")
    npe2pm.register(PluginManifest.from_file(MANIFEST))


@pytest.fixture(autouse=True)
def autosaves(tmp_path_factory, monkeypatch):
    """A folder of autosaves of its own."""
    folder = tmp_path_factory.mktemp("home") / "autosaves"
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_AUTOSAVE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def embeddings(tmp_path_factory, monkeypatch):
    """A folder of embeddings of its own."""
    folder = tmp_path_factory.mktemp("cache") / "embeddings"
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_EMBEDDINGS", str(folder))
    return folder


@pytest.fixture
def qtbot(qtbot):
    """Let it wait on a machine that does other things, too."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=30_000)
    return qtbot


@pytest.fixture
def make_scene(make_napari_viewer_proxy, qtbot):
    """Build scenes: an image in a real window with the widget in a dock."""
    scenes = []

    def build(image, before=None, predictor=None, **options):
        viewer = make_napari_viewer_proxy()
        if before is not None:
            before(viewer)
        if image is not None:
            viewer.add_image(image, **options)
        predictor = predictor or GatedPredictor()
        loads = []

        def load(choice):
            loads.append(choice)
            return predictor

        widget = SegmentAnythingWidget(viewer, load)
        viewer.window.add_dock_widget(widget, name="Segment Anything")
        scene = Scene(viewer, widget, predictor, qtbot, loads)
        scenes.append(scene)
        return scene

    yield build
    for scene in scenes:
        scene.predictor.gate.set()
        if scene.widget is not None:
            scene.controller.close()
