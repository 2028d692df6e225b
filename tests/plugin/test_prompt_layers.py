from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_sam_adapter.plugin.layers import prompt_layers as layers
from napari_sam_adapter.plugin.layers import prompt_reading as reading
from napari_sam_adapter.plugin.layers import prompt_shapes as shapes_layer
from napari_sam_adapter.prompts import Polygon, Prompts, Scribble
from napari_sam_adapter.volume.planes.planes import Plane

PLANE = Plane((1, 2), (3,))
SHAPE = 5, 20, 30


@pytest.fixture
def image():
    return Image(
        np.zeros((6, 20, 30), np.uint8),
        scale=(2, 0.5, 0.5),
        translate=(1, 2, 3),
        rotate=20,
        shear=(0, 0, 0.1),
        units=("um",) * 3,
        axis_labels=("z", "y", "x"),
    )


@pytest.fixture
def points(image):
    return layers.build_points_layer(image)


@pytest.fixture
def boxes(image):
    return shapes_layer.build_shapes_layer(image)


def test_new_layers_lie_exactly_over_the_image(image, points, boxes):
    corner = (5, 19, 29)
    for layer in (points, boxes):
        assert layer.data_to_world(corner) == pytest.approx(image.data_to_world(corner))
        assert layer.units == image.units
        assert layer.axis_labels == image.axis_labels


def test_points_are_read_with_their_plane_and_polarity(points):
    points.add([3, 5, 6])
    layers.set_next_point(points, positive=False, axes=(0, 2))
    points.add([2, 7, 8])
    found = reading.read_points(points, SHAPE)
    assert found[PLANE][0].tolist() == [[5, 6]]
    assert found[PLANE][1].tolist() == [True]
    assert found[Plane((0, 2), (7,))][0].tolist() == [[2, 8]]
    assert found[Plane((0, 2), (7,))][1].tolist() == [False]


def test_last_box_of_a_plane_counts_and_tiny_ones_do_not(boxes):
    for low, high in (((2, 3), (9, 9)), ((4, 5), (12, 14)), ((1, 1), (1.5, 8))):
        (top, left), (bottom, right) = low, high
        ring = (top, left), (top, right), (bottom, right), (bottom, left)
        boxes.add_rectangles([[3, *corner] for corner in ring])
    assert shapes_layer.read_shapes(boxes, SHAPE)[PLANE].box == (4, 5, 12, 14)


def test_what_is_shown_is_read_back(points, boxes):
    known = {
        PLANE: Prompts(
            [[5, 6], [7, 8]],
            [True, False],
            (1, 2, 11, 12),
            (Scribble([(1.1, 2), (3, 4)], False), Scribble([(5, 6), (7, 8), (9, 9)])),
            polygons=(Polygon([(1.3, 2), (3, 4), (5, 5)]),),
        ),
        Plane((0, 2), (7,)): Prompts([[2, 9]]),
    }
    layers.show_points(points, known)
    shapes_layer.show_shapes(boxes, known)
    assert reading.merge(points, boxes, known, SHAPE) == {}
    assert [symbol.value for symbol in points.symbol] == ["disc", "cross", "disc"]
    assert list(boxes.features["sign"]) == ["", "\N{MINUS SIGN}", "+", "+"]


def test_showing_nothing_empties_both_layers(points, boxes):
    layers.show_points(points, {PLANE: Prompts([[5, 6]])})
    shapes_layer.show_shapes(boxes, {PLANE: Prompts(box=(1, 2, 11, 12))})
    layers.show_points(points, {})
    shapes_layer.show_shapes(boxes, {})
    assert len(points.data) == 0
    assert boxes.nshapes == 0


def test_only_planes_that_differ_are_reported(points, boxes):
    known = {PLANE: Prompts([[5, 6]]), PLANE.at(0, 4): Prompts([[1, 2]])}
    layers.show_points(points, known)
    points.add([3, 9, 9])
    changed = reading.merge(points, boxes, known, SHAPE)
    assert list(changed) == [PLANE]
    assert changed[PLANE].points.tolist() == [[5, 6], [9, 9]]


def test_prompts_that_were_removed_become_empty(points, boxes):
    known = {PLANE: Prompts([[5, 6]])}
    changed = reading.merge(points, boxes, known, SHAPE)
    assert changed[PLANE].is_empty


def test_layer_that_is_gone_leaves_its_prompts_alone(points):
    known = {PLANE: Prompts([[5, 6]], box=(1, 2, 11, 12))}
    layers.show_points(points, known)
    assert reading.merge(points, None, known, SHAPE) == {}
    assert reading.merge(None, None, known, SHAPE) == {}


def test_colour_follows_the_feature_and_not_the_other_way_round(points):
    layers.show_points(points, {PLANE: Prompts([[5, 6], [7, 8]], [True, False])})
    green, red = points.face_color
    assert green[1] > green[0]
    assert red[0] > red[1]
    points.face_color = "blue"
    assert reading.read_points(points, SHAPE)[PLANE][1].tolist() == [True, False]


def test_several_prompts_are_shown_after_none(points, boxes):
    asked = Prompts([(1, 2), (3, 4)], [True, False], (1, 2, 8, 9))
    for known in ({}, {PLANE: asked, PLANE.at(0, 1): asked}):
        layers.show_points(points, known)
        shapes_layer.show_shapes(boxes, known)
    assert list(points.features["polarity"]) == ["positive", "negative"] * 2
    assert boxes.nshapes == 2


def test_what_the_next_point_is_outlasts_an_empty_layer(points):
    layers.show_points(points, {PLANE: Prompts([[3, 4]])})
    layers.set_next_point(points, False, (0, 2))
    layers.show_points(points, {})
    points.add([0, 1, 2])
    assert points.features.values.tolist() == [[layers.NEGATIVE, "0 2"]]
