from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from tests.model.reference_numbers import image

from napari_sam_adapter.evaluation import maps
from napari_sam_adapter.evaluation.matching import segmentation_accuracy, stack_masks
from napari_sam_adapter.evaluation.overlap import dice, iou, surface_dice


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    mask = np.zeros((64, 80), bool)
    mask[10:40, 15:60] = True
    mask[30:50, 50:70] = True
    return mask


@pytest.fixture(scope="module")
def grey(truth: np.ndarray) -> np.ndarray:
    """The prediction that PySODMetrics 1.6.2 judged, 8 bits."""
    mixed = 0.35 * (255 * truth) + 0.65 * image(64, 80)[..., 0]
    assert truth.sum() == 1650
    assert mixed.astype(np.uint8).sum() == 570329
    return mixed.astype(np.uint8)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (maps.s_measure, 0.664004788),
        (maps.weighted_f_measure, 0.526875868),
        (maps.mean_absolute_error, 0.323108915),
        (maps.mean_e_measure, 0.514934744),
    ],
)
def test_map_metrics_equal_the_reference(metric, expected, grey, truth) -> None:
    assert metric(maps.stretched(grey / 255), truth) == pytest.approx(
        expected, abs=1e-8
    )


def test_balanced_error_rate_equals_the_reference(grey, truth) -> None:
    rate = maps.balanced_error_rate(grey / 255, truth)
    assert rate == pytest.approx(23.37201991, abs=1e-8)


@pytest.mark.parametrize(
    "metric", [maps.s_measure, maps.weighted_f_measure, maps.mean_e_measure]
)
def test_a_perfect_map_is_rated_best(metric, truth) -> None:
    assert metric(truth.astype(float), truth) == pytest.approx(1, abs=5e-3)
    assert metric(1 - truth.astype(float), truth) < 0.3


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_maps_and_masks_give_numbers(value: float) -> None:
    flat = np.full((8, 9), value)
    for truth in (flat > 0.5, flat < 0.5):
        for name in ("s_measure", "mean_e_measure", "weighted_f_measure"):
            assert np.isfinite(getattr(maps, name)(flat, truth))
        assert maps.balanced_error_rate(flat, truth) in (0, 100)


def test_overlaps_of_two_squares() -> None:
    a, b = np.zeros((2, 8, 8), bool)
    a[2:6, 2:6] = b[2:6, 4:8] = True
    assert iou(a, b) == pytest.approx(8 / 24)
    assert dice(a, b) == pytest.approx(16 / 32)
    assert iou(~a & a, ~a & a) == dice(~a & a, ~a & a) == 1


def test_surfaces_one_voxel_apart_agree() -> None:
    ball = np.hypot.reduce(np.indices((15, 15, 15)) - 7) < 5
    larger = ndimage.binary_dilation(ball)  # by one voxel along each axis
    assert surface_dice(ball, larger) == 1
    assert surface_dice(ball, larger, tolerance=0) < 0.2
    assert surface_dice(ball, np.roll(ball, 4, 0)) < 0.6
    assert surface_dice(ball, ball & ~ball) == 0


def test_surface_is_closed_at_the_border_of_the_volume() -> None:
    full = np.ones((5, 5, 5), bool)
    half = full.copy()
    half[3:] = False
    assert surface_dice(full, full) == 1
    assert surface_dice(full, half) < 1


def test_segmentation_accuracy_counts_matches_misses_and_false_alarms() -> None:
    truth = np.zeros((10, 30), int)
    truth[:, :10], truth[:, 10:20] = 5, 9
    labels = np.zeros_like(truth)
    labels[:, :10] = 1  # exact
    labels[:6, 10:20] = 2  # IoU 0.6
    labels[:, 25:] = 3  # nothing there
    found = segmentation_accuracy(labels, truth)
    assert found.at_50 == pytest.approx(2 / 3)
    assert found.mean == pytest.approx((3 * 2 / 3 + 7 * 1 / 4) / 10)


def test_segmentation_accuracy_without_objects() -> None:
    nothing, one = np.zeros((4, 4), int), np.ones((4, 4), int)
    assert segmentation_accuracy(nothing, nothing).mean == 1
    assert segmentation_accuracy(one, nothing).mean == 0
    assert segmentation_accuracy(nothing, one).mean == 0


def test_small_masks_are_painted_over_large_ones() -> None:
    large, small = np.ones((4, 4), bool), np.eye(4) > 0
    labels = stack_masks([small, large], (4, 4))
    assert np.array_equal(labels == 2, small)
