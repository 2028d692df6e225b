import numpy as np
import pytest
from tests.volume.conftest import ball

from napari_sam_adapter.boxed_mask import BoxedMask, common_box, place
from napari_sam_adapter.volume.propagation.interpolation import (
    interpolate,
    signed_distance,
)

NOTHING = BoxedMask.of(np.zeros((32, 40), bool))


def disk(row, column, radius):
    return BoxedMask.of(ball((4, row, column), (99, radius, radius))[4])


def test_the_ends_are_the_masks_themselves():
    first, second = disk(12, 12, 4), disk(16, 18, 8)
    np.testing.assert_array_equal(interpolate(first, second, 0).full(), first.full())
    np.testing.assert_array_equal(interpolate(first, second, 1).full(), second.full())


def test_half_way_between_two_disks_is_a_disk_of_mean_radius():
    middle = interpolate(disk(16, 20, 5), disk(16, 20, 9), 0.5)
    assert middle.overlap(disk(16, 20, 7)) > 0.95


def test_an_object_that_ends_shrinks_away_half_way():
    areas = [
        interpolate(disk(16, 20, 8), NOTHING, w).area for w in (0, 0.25, 0.45, 0.6)
    ]
    assert areas[0] > areas[1] > areas[2] > areas[3] == 0
    growing = interpolate(NOTHING, disk(16, 20, 8), 0.75)
    assert growing.area == areas[1]
    assert interpolate(NOTHING, NOTHING, 0.5).area == 0


def test_a_fast_object_moves_instead_of_vanishing():
    middle = interpolate(disk(16, 8, 5), disk(16, 30, 5), 0.5)
    assert middle.overlap(disk(16, 19, 5)) > 0.9


@pytest.mark.parametrize("column", [0, 39])
def test_objects_at_the_border_stay_there(column):
    mask = disk(16, column, 6)
    np.testing.assert_array_equal(interpolate(mask, mask, 0.5).full(), mask.full())


def test_depth_is_measured_in_the_size_of_pixels():
    depth = signed_distance(np.ones((1, 9), bool), (10, 1))
    assert depth.max() == 5
    assert signed_distance(np.zeros((2, 2), bool)).max() == -np.inf


def test_a_mask_is_cut_within_the_box_that_it_is_known_to_lie_in():
    mask = np.zeros((32, 40), bool)
    mask[5:9, 7:20] = True
    for within in ((0, 0, 32, 40), (5, 7, 9, 20), (2, 3, 30, 25)):
        found = BoxedMask.of(mask, within)
        assert found.box == (5, 7, 9, 20)
        assert np.array_equal(found.full(), mask)
    assert BoxedMask.of(~mask, (5, 7, 9, 20)).box == (0, 0, 0, 0)


def test_boxed_masks_are_the_masks():
    full = ball((4, 3, 5))[4]
    boxed = BoxedMask.of(full)
    np.testing.assert_array_equal(boxed.full(), full)
    assert boxed.area == full.sum()
    np.testing.assert_array_equal(boxed.window((2, 3, 6, 50))[:, :37], full[2:6, 3:])
    moved = place(full, (0, 0, *full.shape), full.shape)
    assert moved.box == boxed.box
    assert boxed.overlap(NOTHING) == 0
    assert boxed.without(NOTHING) is boxed
    assert boxed.without(boxed).area == 0
    assert common_box([boxed, NOTHING], 100) == (0, 0, 32, 40)
