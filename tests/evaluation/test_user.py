from __future__ import annotations

import numpy as np
import pytest

from napari_sam_adapter.evaluation.user import box_of, centre_of, correction
from napari_sam_adapter.prompts import Prompts


@pytest.fixture
def square() -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[3:12, 5:14] = True
    return mask


def test_the_first_click_is_in_the_middle(square: np.ndarray) -> None:
    assert centre_of(square) == (7, 9)


def test_objects_in_the_corner_have_a_middle_too(square: np.ndarray) -> None:
    assert centre_of(np.roll(square, (-3, -5), (0, 1))) == (4, 4)


def test_the_border_of_the_image_is_the_border_of_the_object() -> None:
    assert centre_of(np.ones((9, 21), bool))[0] == 4


def test_the_box_encloses_the_object(square: np.ndarray) -> None:
    assert box_of(square) == (3, 5, 11, 13)


def test_the_box_of_a_line_has_an_area() -> None:
    line = np.zeros((8, 8), bool)
    line[2, 1:7] = True
    assert Prompts(box=box_of(line)).box == (1.5, 1, 2.5, 6)


def test_the_largest_error_is_corrected(square: np.ndarray) -> None:
    answer = square.copy()
    answer[3:12, 10:14] = False  # 36 pixels missed
    answer[3:12, 1:5] = True  # as many beside it
    answer[2, 1:5] = True  # and four more
    click = correction(answer, square)
    assert not click.positive
    assert answer[click.point]
    assert not square[click.point]


def test_missed_pixels_are_corrected_by_a_positive_click(square: np.ndarray) -> None:
    click = correction(np.zeros_like(square), square)
    assert click == ((7, 9), True)


def test_a_perfect_answer_needs_no_correction(square: np.ndarray) -> None:
    assert correction(square, square) is None
