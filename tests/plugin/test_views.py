"""Every prompt on the plane in view, whatever the view is."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, corner_of, disks, stack

from napari_sam_adapter.volume.planes.planes import Plane

pytestmark = pytest.mark.slow

AROUND_LEFT = np.array([(8, 8), (8, 32), (32, 32), (32, 8), (12, 8)])
LEFT_MASK = disks(centres=[LEFT_DISK]) == 200
WAYS = "preview", "points", "boxes", "scribbles", "lasso", "mask"


def check_every_way(scene, cut, corner, to_world=lambda point: point):
    """Each way to ask gives the left disk on the plane in view and nothing else."""
    for name in WAYS:
        ask(scene, name, to_world)
        if name == "preview":
            shown = corner_of(scene.widget.preview.overlay.layer)
            assert shown == pytest.approx(corner)
            assert not scene.labels.any()
        else:
            assert np.array_equal(scene.labels[cut] == 1, LEFT_MASK), name
            assert np.count_nonzero(scene.labels) == LEFT_MASK.sum()
        while scene.workspace.session.can_undo:
            scene.press("undo")


def ask(scene, name, to_world):
    """Mark the left disk with one of the ways to ask; return what is in view then."""
    if name == "preview":
        scene.press("use_points")
        scene.controller.load_model()
        scene.settle()
        scene.widget.prompt_panel.buttons["switch_preview"].click()
        mouse.move(scene.viewer, to_world((21, 21)))
        scene.qtbot.waitUntil(
            lambda: scene.workspace.session.is_encoded(scene.workspace.plane_in_view())
        )
        mouse.move(scene.viewer, to_world(LEFT_DISK))
        scene.qtbot.waitUntil(lambda: scene.widget.preview.overlay.is_shown)
        return
    scene.press("use_points" if name == "mask" else f"use_{name}")
    around = [to_world(point) for point in AROUND_LEFT]
    if name in ("points", "mask"):
        scene.click(to_world(LEFT_DISK))
    elif name == "boxes":
        mouse.drag_along(
            scene.viewer,
            [around[0], around[2], around[2]],
            lambda point: scene.qtbot.waitUntil(lambda: is_box_at(scene, (32, 32))),
        )
    elif name == "lasso":
        draw(scene, around, AROUND_LEFT)
    else:
        path = np.array([(14, 14), (20, 20), (26, 24)])
        draw(scene, [to_world(point) for point in path], path)
    if name == "mask":
        mouse.press_key(scene.viewer, "M", "Shift")
    scene.settle()


def axes_in_view(scene):
    return list(scene.workspace.plane_in_view().axes)


def is_box_at(scene, stop):
    shapes = scene.workspace.layers.shapes.data
    axes = axes_in_view(scene)
    return len(shapes) and np.allclose(shapes[-1].max(axis=0)[axes], stop, atol=1)


def draw(scene, points, in_data):
    arrived = iter(in_data[1:])

    def wait_for(_):
        wanted = next(arrived)

        def is_there():
            drawn = scene.workspace.layers.shapes.data[-1][:, axes_in_view(scene)]
            return np.abs(drawn - wanted).max(axis=1).min() < 1

        scene.qtbot.waitUntil(is_there)

    mouse.drag_along(scene.viewer, points, wait_for)


def test_transposed_view(make_scene):
    scene = make_scene(disks())
    scene.viewer.dims.transpose()
    check_every_way(scene, ..., (12, 12), lambda point: tuple(point)[::-1])


def test_what_is_drawn_over_the_border_ends_there(make_scene):
    scene = make_scene(stack())
    ranges = scene.viewer.dims.range
    scene.viewer.dims.order = (1, 0, 2)
    scene.viewer.dims.set_current_step(1, 20)
    scene.press("use_boxes")

    def wait():
        shapes = scene.workspace.layers.shapes
        scene.qtbot.waitUntil(lambda: shapes.data[-1][:, 2].max() > 28)

    mouse.drag(scene.viewer, (-0.8, 5), (5, 30), wait)
    scene.qtbot.waitUntil(lambda: scene.viewer.dims.range == ranges)
    assert scene.prompts.box == pytest.approx((0, 5, 5, 30), abs=0.5)
    assert scene.workspace.layers.shapes.nshapes == 1
    scene.press("use_points")
    scene.click((-0.4, 12))
    scene.qtbot.waitUntil(lambda: scene.viewer.dims.range == ranges)
    assert scene.prompts.points.tolist() == [[0, pytest.approx(12, abs=0.5)]]


def test_prompts_over_the_border_that_came_from_elsewhere_stay(make_scene):
    scene = make_scene(stack())
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    session, plane = scene.workspace.session, Plane((1, 2), (3,))
    session.new_object()
    session.set_box(2, plane, (5, 5, 64, 80))
    session.add_point(2, plane, (-0.4, 30))
    prompts = session.prompts(2, plane)
    session.lock(2, plane)
    scene.controller.choose_object(2)
    scene.viewer.dims.set_current_step(0, 4)
    scene.click(LEFT_DISK)
    assert not scene.state.message.is_error
    assert scene.value(4, *LEFT_DISK) == 2
    assert session.prompts(2, plane) is prompts


def test_view_along_another_axis(make_scene):
    scene = make_scene(np.moveaxis(stack(), 0, 2))
    scene.viewer.dims.order = (2, 0, 1)
    scene.viewer.dims.set_current_step(2, 4)
    check_every_way(scene, np.s_[:, :, 4], (12, 12, 4))


def test_time_and_channel_axes(make_scene):
    image = np.broadcast_to(stack(), (2, 3, 8, 64, 80))
    scene = make_scene(image, axis_labels=("t", "c", "z", "y", "x"))
    scene.viewer.dims.current_step = (1, 2, 3, 0, 0)
    check_every_way(scene, (1, 2, 3), (1, 2, 3, 12, 12))
    assert scene.workspace.plane_in_view() == Plane((3, 4), (1, 2, 3))


def test_scaled_and_moved_image(make_scene):
    options = {"scale": (2, 0.5, 0.5), "translate": (10, 3, 4), "units": ("um",) * 3}
    scene = make_scene(stack(), **options)
    scene.viewer.dims.set_point(0, 16)

    def to_world(point):
        return 3 + point[0] * 0.5, 4 + point[1] * 0.5

    check_every_way(scene, 3, (16, 9, 10), to_world)


def test_multiscale_image(make_scene):
    full = stack()
    scene = make_scene([full, full[:, ::2, ::2], full[:, ::4, ::4]], multiscale=True)
    scene.viewer.dims.set_current_step(0, 3)
    check_every_way(scene, 3, (3, 12, 12))


def test_another_image_lies_on_top(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.add_image(np.zeros((2, 8, 300, 300)), name="larger")
    assert scene.workspace.image.name == "cells"
    scene.viewer.dims.set_current_step(1, 3)
    check_every_way(scene, 3, (3, 12, 12))
    scene.controller.choose_image(scene.state.images[1])
    assert not scene.widget.preview.overlay.is_shown


def test_outlines_of_candidates_lie_on_a_turned_image(make_scene):
    scene = make_scene(disks(), rotate=30, translate=(5, 7))
    image = scene.workspace.image
    scene.press("use_points")
    scene.click(image.data_to_world(RIGHT_DISK))
    scene.qtbot.waitUntil(lambda: scene.widget.candidates.overlay.is_shown)
    layer = scene.widget.candidates.overlay.layer
    middle = np.mean(np.nonzero(layer.data), axis=1)
    expected = image.data_to_world(RIGHT_DISK)
    assert layer.data_to_world(middle) == pytest.approx(expected, abs=0.2)
