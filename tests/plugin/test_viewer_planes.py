from __future__ import annotations

import warnings

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam_adapter.errors import PlaneError
from napari_sam_adapter.plugin.viewing.viewer_planes import (
    plane_in_view,
    show_plane,
    show_slice,
)
from napari_sam_adapter.volume.planes.planes import Plane


def add_image(shape=(6, 20, 30), **options):
    viewer = ViewerModel()
    return viewer, viewer.add_image(np.zeros(shape, np.uint8), **options)


def test_plane_of_a_stack_is_the_slice_in_view():
    viewer, image = add_image()
    viewer.dims.set_current_step(0, 4)
    assert plane_in_view(viewer, image) == Plane((1, 2), (4,))


@pytest.mark.parametrize("ndim", [2, 3, 4, 5], ids="{}-D".format)
def test_plane_has_one_position_for_every_hidden_axis(ndim):
    viewer, image = add_image(tuple(range(6, 6 + ndim)))
    steps = tuple(range(1, ndim - 1))
    viewer.dims.current_step = (*steps, 0, 0)
    assert plane_in_view(viewer, image) == Plane((ndim - 2, ndim - 1), steps)


def test_transposed_view_is_the_same_plane():
    viewer, image = add_image()
    viewer.dims.transpose()
    viewer.dims.set_current_step(0, 2)
    assert plane_in_view(viewer, image) == Plane((1, 2), (2,))


def test_rolled_view_is_a_plane_along_other_axes():
    viewer, image = add_image()
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 7)
    assert plane_in_view(viewer, image) == Plane((0, 2), (7,))


def test_scaled_and_moved_layer_gives_data_indices():
    viewer, image = add_image(scale=(2, 0.5, 0.5), translate=(10, 3, 4))
    viewer.dims.set_point(0, 16)
    assert plane_in_view(viewer, image) == Plane((1, 2), (3,))


def test_layer_rotated_within_the_slice_is_fine():
    viewer, image = add_image(rotate=30)
    viewer.dims.set_current_step(0, 5)
    assert plane_in_view(viewer, image) == Plane((1, 2), (5,))


def test_layer_with_fewer_axes_than_the_viewer_uses_its_own():
    viewer, image = add_image()
    viewer.add_image(np.zeros((3, 6, 20, 30), np.uint8))
    viewer.dims.set_current_step(1, 4)
    assert plane_in_view(viewer, image) == Plane((1, 2), (4,))


def test_colour_channels_are_no_axis():
    viewer, image = add_image((6, 20, 30, 3), rgb=True)
    viewer.dims.set_current_step(0, 1)
    assert plane_in_view(viewer, image) == Plane((1, 2), (1,))


def test_units_of_the_layer_are_kept_apart_from_those_of_the_world():
    viewer, image = add_image(scale=(2, 1, 1), units=("um",) * 3)
    shape = (6, 20, 30)
    viewer.add_image(
        np.zeros(shape, np.uint8), scale=(2000, 1000, 1000), units=("nm",) * 3
    )
    world_per_um = 1000 if str(viewer.dims.units[0]) == "nanometer" else 1
    viewer.dims.set_point(0, 6 * world_per_um)
    assert plane_in_view(viewer, image) == Plane((1, 2), (3,))
    for layer in viewer.layers:
        show_plane(viewer, layer, Plane((1, 2), (4,)))
        assert plane_in_view(viewer, layer) == Plane((1, 2), (4,))
        show_slice(viewer, layer, (5, 0, 0))
        assert plane_in_view(viewer, layer) == Plane((1, 2), (5,))


def test_3d_view_is_refused_with_a_way_out():
    viewer, image = add_image()
    viewer.dims.ndisplay = 3
    with pytest.raises(PlaneError, match="2-D view"):
        plane_in_view(viewer, image)


def test_axis_that_the_image_does_not_have_is_refused():
    viewer, image = add_image((20, 30))
    viewer.add_image(np.zeros((6, 20, 30), np.uint8))
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(PlaneError, match="axis that it does not have"):
        plane_in_view(viewer, image)


def test_layer_rotated_out_of_the_slice_is_refused():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Non-orthogonal slicing")
        viewer, image = add_image(rotate=(0, 20, 0))
        with pytest.raises(PlaneError, match="rotated out of the slice"):
            plane_in_view(viewer, image)
