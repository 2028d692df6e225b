"""The box around a mask, by whichever way it is looked for."""

import numpy as np
import pytest

from napari_sam_adapter.boxed_mask import NOWHERE, bounding_box, bounding_boxes


def expected_box(mask: np.ndarray) -> tuple[int, ...]:
    places = np.argwhere(mask)
    if not len(places):
        return NOWHERE
    return (*places.min(axis=0).tolist(), *(places.max(axis=0) + 1).tolist())


@pytest.mark.parametrize("share", [0, 0.0003, 0.002, 0.02, 1])
@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (8, 8), (70, 5), (83, 41), (9, 24)])
def test_boxes_hold_all_true_pixels_and_no_more(shape, share) -> None:
    masks = np.random.default_rng(3).random((30, *shape)) < share
    expected = [expected_box(mask) for mask in masks]
    assert [bounding_box(mask) for mask in masks] == expected
    assert bounding_boxes(masks) == expected


def test_a_cut_or_turned_mask_has_its_own_box() -> None:
    mask = np.zeros((40, 60), bool)
    mask[11, 7] = mask[24, 30] = True
    assert bounding_box(mask[10:30, 5:50]) == (1, 2, 15, 26)
    assert bounding_box(mask.T) == (7, 11, 31, 25)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_mask_of_no_pixels_has_no_box(shape) -> None:
    assert bounding_box(np.zeros(shape, bool)) == NOWHERE
    assert bounding_boxes(np.zeros((2, *shape), bool)) == [NOWHERE, NOWHERE]
