"""Four channels of one picture in a viewer, and their menu."""

from __future__ import annotations

import numpy as np
from tests.plugin.conftest import LEFT_DISK, disks, stack

from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import OpenedImage

CHANNELS = np.stack(
    [
        stack().astype(np.uint16) * 10,
        np.stack([disks(radius=5)] * 8).astype(np.uint16) + 100,
        np.stack([disks(radius=7)] * 8).astype(np.uint16) * 3,
        np.stack([disks(centres=())] * 8).astype(np.uint16),
    ],
    axis=1,
)
NAMES = ["cells", "nuclei", "tubes", "noise"]
GRID = {"scale": (2, 0.5, 0.5), "translate": (0, 3, 4)}
ORIGIN = np.array(GRID["translate"][1:])


def at(point):
    """Return where a pixel lies in the world."""
    return tuple(ORIGIN + 0.5 * np.array(point))


def as_in_the_library(*numbers):
    image = OpenedImage(LazyArray(CHANNELS, "cells"), "zcyx", (1,) * 4, ("",) * 4, "")
    return image.composite(numbers)


def open_channels(make_scene):
    """Return a scene with four channels, the first in use and points in hand."""

    def add_others(viewer):
        viewer.add_image(
            CHANNELS, channel_axis=1, name=NAMES, blending="additive", **GRID
        )

    scene = make_scene(None, before=add_others)
    choose_image(scene, "cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def choose_image(scene, name):
    picker = scene.widget.image_panel.picker
    picker.activated.emit(picker.findText(name))


def button_of(scene):
    return scene.widget.image_panel.channels


def actions_of(scene):
    return {a.text(): a for a in button_of(scene).menu().actions()}


def tick(scene, name):
    button_of(scene).menu().aboutToShow.emit()
    actions_of(scene)[name].trigger()
    scene.settle()


def is_offered(scene):
    return not button_of(scene).isHidden()


def layers_of(scene, kind, like=""):
    layers = [la for la in scene.viewer.layers if isinstance(la, kind)]
    return [la for la in layers if like in la.name and la.name != "SAM candidates"]


def with_channels(scene):
    return [w for w in scene.controller.workspaces if w.level.partners]


def seen_last(scene):
    scene.click(at(LEFT_DISK))
    return scene.predictor.encoded[-1]
