"""A user who does anything in any order; everything in `ACTIONS` takes part."""

from __future__ import annotations

import json
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QApplication
from tests.fakes import DiskPredictor
from tests.plugin import mouse

from napari_sam_adapter.plugin.actions import ACTIONS
from napari_sam_adapter.plugin.state import ModelChoice
from napari_sam_adapter.volume.journal.journal_header import JournalHeader
from napari_sam_adapter.volume.journal.journal_lines import edit_from_json
from napari_sam_adapter.volume.saving.replaying import _Replayer, begin_again

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.layers import Labels
    from tests.plugin.conftest import Scene

MODELS = "tiny", "vit_b", "vit_l"
BUTTONS_AND_KEYS = (1, ()), (1, ()), (1, ()), (2, ()), (1, ("Shift",))
PAINT_MODES = "paint", "erase", "fill", "pick", "polygon", "pan_zoom"


def load(choice: ModelChoice) -> DiskPredictor:
    return DiskPredictor(model=choice.model)


SEARCH_TIME = 120_000
"""Milliseconds for a search on all slices; transposed, there are 80 of them."""

ASKING = {"export"}
"""They open a dialog and wait for a person."""


@contextmanager
def faults_of_napari() -> Iterator[None]:
    """Let pass what napari itself raises, without a line of ours being involved.

    Its fill tool fails on a slice that the layer has not; its polygon tools on corners
    that are no polygon, or that it cannot cut into triangles; a box being dragged, on a
    move that it takes over after the slice was stepped.
    """
    try:
        yield
    except Exception as error:
        trace = (error.__cause__ or error).__traceback__
        frames = traceback.extract_tb(trace)
        is_polygon = any("labels_polygon" in frame.filename for frame in frames)
        is_late_move = frames[-1].name == "_set_drag_start"
        known = "non-painted dimension", "Triangulation failed"
        is_known = any(text in str(error) for text in known)
        if not (is_polygon or is_late_move or is_known):
            raise


class Follower:
    """Does what a journal says, as far as it got, beside the session that writes it."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        self._replayer = self._session = None
        self._path, self._size = None, 0

    def labels_after(self, path: Path) -> np.ndarray:
        if path != self._path:
            self._begin(path)
        with path.open("rb") as file:
            file.seek(self._size)
            lines = file.read()
        self._size += len(lines)
        for line in lines.splitlines():
            self._replayer.do(edit_from_json(json.loads(line)))
        return self._session.labels

    def _begin(self, path: Path) -> None:
        with path.open("rb") as file:
            header = file.readline()
        self._path, self._size = path, len(header)
        self._session = begin_again(JournalHeader(**json.loads(header)), self._image)
        self._replayer = _Replayer(
            self._session, lambda description: DiskPredictor(model=description["model"])
        )


def is_shown(layer: Labels) -> bool:
    """Whether what a visible layer shows is what stands in its data."""
    shown = layer._slice.image
    whole = layer._raw_to_displayed(shown.raw)
    return not layer.visible or np.array_equal(shown.view, whole)


class Monkey:
    """Does random things to a window with the widget.

    Actions of the table are pressed as keys and as buttons; what else a user can do
    has a method here.
    """

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.rng = np.random.default_rng(seed)
        self.follower = Follower(scene.viewer.layers[0].data)
        self.done: list[str] = []
        scene.controller._segmenter._load = load
        self.actions = [
            *[self.click] * 12, *[self.press_action] * 8, *[self.undo] * 3,
            *[self.redo] * 2, *[self.step] * 4, *[self.paint] * 4, self.roll,
            self.transpose, self.drag_box, self.drag_box, self.remove_layer,
            self.rename_layer, self.choose_model, self.choose_object, self.move_point,
            self.remove_point, self.select_layer, self.stop, self.press_points,
            self.press_points, self.replace_pixels, self.toggle_layer,
        ]  # fmt: skip

    def burst(self, length: int) -> None:
        """Do some things without waiting, then compare layer, session and journal."""
        with self.events():
            for _ in range(length):
                action = self.actions[self.rng.integers(len(self.actions))]
                self.done.append(action.__name__)
                action()
                if self.rng.random() < 0.5:
                    QApplication.processEvents()
            self.settle()
        self.check()

    @contextmanager
    def events(self) -> Iterator[None]:
        """Raise what was raised in Qt's event loop, but for napari's own faults."""
        with self.scene.qtbot.capture_exceptions() as raised:
            yield
        for _, error, _ in raised:
            with faults_of_napari():
                raise error

    def settle(self) -> None:
        for workspace in self.scene.controller.workspaces:
            workspace.layers.drop_outline()  # or it would wait for the end

        def is_idle() -> bool:
            segmenter = self.scene.controller.segmenter
            if self.scene.controller.objects.passes._works:  # or not shown yet
                return False
            is_ready = not self.scene.state.is_busy
            return is_ready and not (segmenter.queue.jobs or segmenter._pause._waiting)

        self.scene.qtbot.waitUntil(is_idle, timeout=SEARCH_TIME)

    def check(self) -> None:
        workspace = self.scene.workspace
        session, layer = workspace.session, workspace.layers.labels
        if layer is not None:
            assert layer.data is session.labels, self.done[-40:]
            assert is_shown(layer), self.done[-40:]
        path = self.scene.widget.safekeeping._kept[workspace].autosave.path
        if path is None:
            assert not session.labels.any()
            return
        np.testing.assert_array_equal(
            self.follower.labels_after(path), session.labels, str(self.done[-40:])
        )

    # What it can do.

    def point(self) -> tuple[float, float]:
        shown = [self.scene.viewer.dims.range[axis] for axis in self.shown_axes()]
        spread = [self.rng.uniform(-3, extent.stop + 3) for extent in shown]
        return spread[0], spread[1]

    def shown_axes(self) -> tuple[int, ...]:
        return self.scene.viewer.dims.displayed[-2:]

    def click(self) -> None:
        button, modifiers = BUTTONS_AND_KEYS[self.rng.integers(len(BUTTONS_AND_KEYS))]
        viewer, point = self.scene.viewer, self.point()
        with faults_of_napari():
            mouse.click(viewer, point, button=button, modifiers=modifiers)

    def drag_box(self) -> None:
        self.scene.press("use_boxes")
        mouse.drag(self.scene.viewer, self.point(), self.point(), lambda: None)

    def press_action(self) -> None:
        actions = [action for action in ACTIONS.values() if action.name not in ASKING]
        action = actions[self.rng.integers(len(actions))]
        self.done.append(action.name)
        keys = [key for key in (action.key, action.own_key) if key]
        if keys and self.rng.random() < 0.5:
            *modifiers, key = keys[self.rng.integers(len(keys))].split("-")
            mouse.press_key(self.scene.viewer, key, *modifiers)
        elif action.name in self.scene.controller.commands:
            self.scene.controller.commands[action.name]()

    def press_points(self) -> None:
        self.scene.press("use_points")

    def undo(self) -> None:
        mouse.press_key(self.scene.viewer, "U")

    def redo(self) -> None:
        mouse.press_key(self.scene.viewer, "U", "Shift")

    def stop(self) -> None:
        self.scene.controller.stop()

    def step(self) -> None:
        # A refused prompt beside the image is gone before a hand is at the slider;
        # as long as it is there, napari's steps lie between the slices.
        QApplication.processEvents()
        dims = self.scene.viewer.dims
        for axis in dims.not_displayed:
            dims.set_current_step(axis, int(self.rng.integers(dims.nsteps[axis])))

    def roll(self) -> None:
        self.scene.viewer.dims.roll()

    def transpose(self) -> None:
        self.scene.viewer.dims.transpose()

    def select_layer(self) -> None:
        layers = self.scene.viewer.layers
        layers.selection.active = layers[self.rng.integers(len(layers))]

    def remove_layer(self) -> None:
        layers = self.scene.workspace.layers.all
        if layers:
            self.scene.viewer.layers.remove(layers[self.rng.integers(len(layers))])

    def replace_pixels(self) -> None:
        image = self.scene.workspace.image
        shift = int(self.rng.integers(1, 9))
        image.data = np.roll(image.data, shift, axis=-1)
        self.follower = Follower(image.data)

    def toggle_layer(self) -> None:
        layers = list(self.scene.viewer.layers)
        layer = layers[self.rng.integers(len(layers))]
        with faults_of_napari():  # the mode of a layer comes back with it
            layer.visible = not layer.visible

    def rename_layer(self) -> None:
        layers = self.scene.viewer.layers
        layers[self.rng.integers(len(layers))].name = f"mine {self.rng.integers(5)}"

    def choose_model(self) -> None:
        model = MODELS[self.rng.integers(len(MODELS))]
        self.scene.controller.choose_model(ModelChoice(model))

    def choose_object(self) -> None:
        self.scene.controller.choose_object(int(self.rng.integers(1, 6)))

    def move_point(self) -> None:
        points = self.scene.workspace.layers.points
        if points is not None and len(points.data):
            data = points.data.copy()
            data[self.rng.integers(len(data))] += self.rng.integers(
                -4, 5, data.shape[1]
            )
            points.data = data

    def remove_point(self) -> None:
        points = self.scene.workspace.layers.points
        if points is not None and len(points.data):
            points.selected_data = {int(self.rng.integers(len(points.data)))}
            points.remove_selected()

    def paint(self) -> None:
        labels = self.scene.workspace.layers.labels
        if labels is None:
            return
        self.scene.viewer.layers.selection.active = labels
        with faults_of_napari():
            labels.mode = PAINT_MODES[self.rng.integers(len(PAINT_MODES))]
        labels.brush_size = int(self.rng.integers(1, 9))
        labels.n_edit_dimensions = int(self.rng.integers(2, labels.ndim + 1))
        start, stop = self.point(), self.point()
        with faults_of_napari():
            mouse.drag(self.scene.viewer, start, stop, lambda: None)
