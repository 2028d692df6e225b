"""A click comes to the screen with its mask, if that can follow at once."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack


@pytest.fixture
def scene(make_scene):
    """The plane is encoded."""
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    scene.press("next_object")
    return scene


def canvas(scene):
    return mouse.canvas_of(scene.viewer).native


def test_a_canvas_of_somebody_else_is_left_alone(make_scene):
    others = []

    def overlay(viewer):
        others.append(QOpenGLWidget(mouse.canvas_of(viewer).native.window()))

    scene = make_scene(disks(), before=overlay)
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    assert others[0].updatesEnabled()
    assert not canvas(scene).updatesEnabled()
    scene.predictor.gate.set()
    scene.settle()


def test_the_canvas_waits_for_the_mask(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    assert not canvas(scene).updatesEnabled()
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 2
    scene.qtbot.waitUntil(lambda: canvas(scene).updatesEnabled())


def test_it_does_not_wait_for_long(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: canvas(scene).updatesEnabled())
    assert scene.value(3, *LEFT_DISK) == 0
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 2


def test_it_does_not_wait_for_the_encoder(scene):
    far = 7  # not among the neighbours that may be encoded ahead
    plane = scene.workspace.plane_in_view().at(0, far)
    assert not scene.workspace.session.is_encoded(plane)
    scene.viewer.dims.set_current_step(0, far)
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: canvas(scene).updatesEnabled(), timeout=70)
    assert not scene.labels[far].any()


def test_it_is_drawn_again_when_the_widget_goes(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    shown = canvas(scene)
    scene.controller.close()
    assert shown.updatesEnabled()


def test_candidates_come_after_the_mask(scene):
    order = []
    labels = scene.workspace.layers.labels
    labels.events.set_data.connect(lambda event: order.append("mask"))
    scene.state.events.choices.connect(lambda choices: order.append("choices"))
    scene.state.choices = ()
    order.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: len(scene.state.choices) == 3)
    assert order == ["mask", "choices"]
    assert np.count_nonzero(scene.widget.candidates.overlay.layer.data)
