"""Which layers are offered as channels, and how their menu shows them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.plugin.channels import (
    CHANNELS,
    GRID,
    actions_of,
    button_of,
    choose_image,
    is_offered,
    open_channels,
    tick,
)
from tests.plugin.conftest import disks, stack

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    return open_channels(make_scene)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (stack()[:, :-1], GRID),
        (np.stack([stack()] * 3, axis=-1), {**GRID, "rgb": True}),
        (stack(), {**GRID, "scale": (2, 0.5, 0.6)}),
        (stack(), {**GRID, "translate": (0, 3, 4.5)}),
        (stack(), {**GRID, "rotate": 10}),
        (stack(), {**GRID, "units": ("um", "um", "um")}),
        ([stack(), stack()[:, ::2, ::2]], {**GRID, "multiscale": True}),
    ],
    ids=["shape", "rgb", "scale", "place", "turned", "units", "levels"],
)
def test_what_does_not_fit_is_not_offered(make_scene, data, options):
    scene = make_scene(CHANNELS[:, 0], name="cells", **GRID)
    assert not is_offered(scene)
    scene.viewer.add_image(data, name="other", **options)
    assert not is_offered(scene)
    scene.viewer.add_image(CHANNELS[:, 1], name="nuclei", **GRID)
    assert list(actions_of(scene)) == ["nuclei"]
    assert is_offered(scene)
    scene.viewer.layers.remove("nuclei")
    assert not is_offered(scene)


def test_a_layer_is_offered_once_it_lies_as_the_image(make_scene):
    scene = make_scene(stack(), name="cells", **GRID)
    other = scene.viewer.add_image(stack(), name="nuclei")
    scene.viewer.dims.set_current_step(0, 2)
    assert not is_offered(scene)
    other.scale, other.translate = GRID["scale"], GRID["translate"]
    scene.viewer.dims.set_current_step(0, 3)
    assert is_offered(scene)


def test_colours_have_no_channels_beside_them(make_scene):
    picture = np.stack([disks()] * 3, axis=-1)
    scene = make_scene(picture, name="picture", rgb=True)
    scene.viewer.add_image(disks(), name="grey")
    assert not is_offered(scene)


def press_in_menu(scene, *keys):
    """Open the menu with the keyboard, and go on with keys."""
    pressed = []

    def press_keys():
        menu = QApplication.activePopupWidget()
        if menu is None:
            QTimer.singleShot(10, press_keys)
            return
        for key in keys:
            QTest.keyClick(menu, key)
        pressed.append(menu.isVisible())

    QTimer.singleShot(0, press_keys)
    QTest.keyClick(button_of(scene), Qt.Key.Key_Space)
    scene.qtbot.waitUntil(lambda: bool(pressed))
    scene.settle()


def test_the_keyboard_alone_ticks_a_channel(scene):
    button = button_of(scene)
    button.setFocus(Qt.FocusReason.TabFocusReason)
    assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    down, enter = Qt.Key.Key_Down, Qt.Key.Key_Return
    press_in_menu(scene, down, down, enter)
    assert [layer.name for layer in scene.workspace.level.partners] == ["tubes"]
    assert button.text() == "with tubes"
    assert button.accessibleName() == "Channels: with tubes"
    press_in_menu(scene, down, down, enter)
    assert not scene.workspace.level.partners


def test_long_names_fit_into_300_pixels(scene):
    names = [f"2024-05-17 plate 3 well B07 {name}" for name in ("nuclei", "tubes")]
    for before, name in zip(("nuclei", "tubes"), names, strict=True):
        scene.viewer.layers[before].name = name
    for number in range(len(names)):
        button_of(scene).menu().aboutToShow.emit()
        button_of(scene).menu().actions()[number].trigger()
        scene.settle()
    QApplication.processEvents()
    assert scene.widget.minimumSizeHint().width() <= 300
    assert button_of(scene).toolTip().endswith("tubes is blue.")


@pytest.mark.parametrize(
    ("grid", "other"),
    [
        (
            {"scale": (0.1,) * 3, "translate": (0, 5e4, 5e4)},
            {"scale": (0.1,) * 3, "translate": (0, 5e4 + 0.4, 5e4)},
        ),
        ({"scale": (4e-9,) * 3}, {"scale": (8e-9,) * 3}),
        ({"scale": (4e-9,) * 3}, {"scale": (4e-9,) * 3, "translate": (0, 4e-9, 0)}),
        ({}, {"scale": (1, 1, 1.001)}),
        ({}, {"affine": np.array([[1, 0, 0, 0], [0, 1, 0.01, 0], [0, 0, 1, 0]])}),
    ],
    ids=["4 pixels far away", "scale in metres", "1 pixel of nm", "0.1 %", "affine"],
)
def test_layers_a_little_apart_are_not_offered(make_scene, grid, other):
    scene = make_scene(stack(), name="cells", **grid)
    if "affine" in other:
        other = {"affine": np.vstack([other["affine"], [0, 0, 0, 1]])}
    scene.viewer.add_image(stack(), name="nuclei", **other)
    choose_image(scene, "cells")
    assert not is_offered(scene)


def test_rounding_does_not_keep_a_layer_away(make_scene):
    far = {"scale": (0.1, 0.3, 0.3), "translate": (0, 5e4, 5e4)}
    scene = make_scene(stack(), name="cells", **far)
    near = {"scale": (0.1, 0.1 * 3, 0.3), "translate": (0, 5e4 + 1e-6, 5e4)}
    scene.viewer.add_image(stack(), name="nuclei", **near)
    choose_image(scene, "cells")
    assert is_offered(scene)


@pytest.mark.parametrize("what", ["data", "rotate", "shear", "affine", "units"])
def test_the_channels_are_seen_once_a_layer_fits(make_scene, what):
    off = {
        "data": stack()[:, :-1],
        "rotate": 10,
        "shear": (0.1, 0, 0),
        "affine": np.diag([1, 2, 1, 1]),
        "units": ("um",) * 3,
    }
    scene = make_scene(stack(), name="cells")
    options = {"data": stack(), **{what: off[what]}}
    other = scene.viewer.add_image(options.pop("data"), name="nuclei", **options)
    choose_image(scene, "cells")
    assert not is_offered(scene)
    like = scene.viewer.layers["cells"]
    setattr(other, what, stack() if what == "data" else getattr(like, what))
    scene.viewer.dims.set_current_step(0, 3)
    scene.viewer.dims.set_current_step(0, 4)
    assert is_offered(scene)


def test_long_names_are_told_apart(scene):
    names = [f"2024-05-17 plate 3 well B07 {name}" for name in ("nuclei", "tubes")]
    for before, name in zip(("nuclei", "tubes"), names, strict=True):
        scene.viewer.layers[before].name = name
    button_of(scene).menu().aboutToShow.emit()
    listed = button_of(scene).menu().actions()[:2]
    assert all(len(action.text()) < len(names[0]) for action in listed)
    assert [action.toolTip() for action in listed] == names
    for number in range(2):
        button_of(scene).menu().actions()[number].trigger()
        scene.settle()
    text = button_of(scene).text()
    assert text.startswith("2: 2")
    assert "lei, 2" in text
    assert text.endswith("bes")
    assert button_of(scene).fontMetrics().horizontalAdvance(text) <= 150
    assert all(name in button_of(scene).accessibleName() for name in names)


def test_a_new_name_is_seen_at_once(scene):
    tick(scene, "nuclei")
    nuclei = scene.viewer.layers["nuclei"]
    nuclei.name = "DAPI"
    assert button_of(scene).text() == "with DAPI"
    assert button_of(scene).toolTip().endswith("DAPI is blue.")
    assert "DAPI" in actions_of(scene)
    assert scene.widget.image_panel.picker.findText("DAPI") >= 0
    scene.viewer.window.remove_dock_widget(scene.widget)
    nuclei.name = "Hoechst"
    assert button_of(scene).text() == "with DAPI"


def test_a_tick_that_cannot_be_is_taken_back(scene):
    tick(scene, "nuclei")
    tick(scene, "noise")
    button_of(scene).switched.emit(scene.viewer.layers["tubes"])
    assert not actions_of(scene)["tubes"].isChecked()
    actions_of(scene)["tubes"].setChecked(True)
    button_of(scene).switched.emit(scene.viewer.layers["tubes"])
    assert not actions_of(scene)["tubes"].isChecked()
    assert len(scene.workspace.level.partners) == 2
