import itertools

import numpy as np
import pytest

from napari_sam_adapter.errors import PlaneError, SamAdapterError
from napari_sam_adapter.volume.planes.plane import (
    Plane,
    planes_of,
)

SHAPE = (2, 3, 4, 5, 6)
CUTS = [
    pytest.param(ndim, axes, id=f"{ndim}d-{axes[0]}{axes[1]}")
    for ndim in range(2, 6)
    for axes in itertools.permutations(range(ndim), 2)
]


@pytest.mark.parametrize(("ndim", "axes"), CUTS)
def test_every_cut_writes_exactly_what_it_reads(ndim, axes):
    array = np.arange(np.prod(SHAPE[:ndim])).reshape(SHAPE[:ndim])
    plane = Plane.from_index(axes, [1] * ndim)
    view = plane.view(array)
    assert view.shape == plane.shape(array.shape)
    view[0, 1] = -1
    point = [1] * ndim
    point[axes[0]], point[axes[1]] = 0, 1
    assert np.argwhere(array == -1).tolist() == [point]


def test_transposed_plane_is_the_transpose():
    array = np.arange(24).reshape(2, 3, 4)
    straight, turned = Plane((1, 2), (1,)), Plane((2, 1), (1,))
    np.testing.assert_array_equal(turned.view(array), straight.view(array).T)
    assert straight != turned


def test_at_moves_along_one_axis():
    plane = Plane((1, 3), (5, 6))
    assert plane.other_axes == (0, 2)
    assert plane.at(2, 9) == Plane((1, 3), (5, 9))
    assert plane.at(2, 9).index_along(2) == 9


def test_numpy_integers_make_the_same_key():
    plane = Plane((np.int64(0), np.int64(2)), (np.int32(3),))
    assert plane == Plane((0, 2), (3,))
    assert hash(plane) == hash(Plane((0, 2), (3,)))


@pytest.mark.parametrize("number", [3, np.int64(3), [3], np.array([3])])
def test_a_single_position_may_be_a_number(number):
    plane = Plane((0, 2), number)
    assert plane == Plane((0, 2), (3,))
    assert type(plane.position[0]) is int


@pytest.mark.parametrize("number", [3.0, "3", None])
def test_a_position_that_is_no_whole_number_is_refused(number):
    with pytest.raises(PlaneError, match="Expected position as whole numbers"):
        Plane((0, 2), number)


def test_a_number_alone_is_no_position_where_there_are_two():
    with pytest.raises(PlaneError, match="one position for every axis"):
        Plane((2, 3), 3)


def test_from_index_rounds_world_positions():
    assert Plane.from_index((1, 2), (2.6, 0.0, 0.0)) == Plane((1, 2), (3,))


@pytest.mark.parametrize(
    ("axes", "position"),
    [((1, 1), (0,)), ((0, 3), (0,)), ((0, -1), (0,)), ((0,), ()), ((0, 1.5), (0,))],
    ids=["equal", "beyond", "negative", "single", "fraction"],
)
def test_axes_that_make_no_plane_are_refused(axes, position):
    with pytest.raises(PlaneError):
        Plane(axes, position)


@pytest.mark.parametrize("axis", [1, 7])
def test_moving_along_a_shown_or_missing_axis_is_refused(axis):
    with pytest.raises(PlaneError, match="Expected one of the axes"):
        Plane((1, 2), (0,)).at(axis, 0)


@pytest.mark.parametrize(
    "plane", [Plane((1, 2), (2,)), Plane((1, 2), (-1,)), Plane((0, 1))]
)
def test_planes_outside_the_volume_are_refused(plane):
    with pytest.raises(IndexError, match="Expected") as caught:
        plane.check((2, 3, 4))
    assert isinstance(caught.value, SamAdapterError)


def test_planes_of_covers_every_pixel_once():
    array = np.zeros((2, 3, 4, 5), dtype=int)
    for plane in planes_of(array.shape):
        plane.view(array)[:] += 1
    assert (array == 1).all()
