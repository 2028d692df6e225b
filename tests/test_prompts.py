from dataclasses import replace

import numpy as np
import pytest

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.drawings import SCRIBBLE_POINTS
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.prompts import Prompts, Scribble


def test_points_are_positive_unless_told_otherwise():
    prompts = Prompts([(1, 2), (3, 4)])
    assert prompts.signs.tolist() == [True, True]
    assert prompts.points.dtype == np.float64


def test_prompts_do_not_change_with_the_arrays_they_came_from():
    points, mask = np.zeros((1, 2)), np.zeros((3, 3), bool)
    prompts = Prompts(points, mask=mask)
    points[:], mask[:] = 5, True
    assert not prompts.points.any()
    assert not prompts.mask.any()
    with pytest.raises(ValueError, match="read-only"):
        prompts.points[0] = 1


def test_only_the_box_of_a_mask_is_kept():
    mask = np.zeros((8, 9), bool)
    assert Prompts().boxed_mask is None
    assert not Prompts(mask=mask).boxed_mask.pixels.size
    mask[2:4, 3:7] = True
    prompts = Prompts(mask=mask)
    assert prompts.boxed_mask.box == (2, 3, 4, 7)
    assert np.array_equal(prompts.mask, mask)
    with pytest.raises(ValueError, match="read-only"):
        prompts.mask[0, 0] = True
    changed = replace(prompts, mask=mask[::-1])
    assert changed.boxed_mask.box == (4, 3, 6, 7)


def test_a_boxed_mask_goes_in_as_it_is_and_comes_out_whole():
    mask = np.zeros((8, 9), bool)
    mask[2:4, 3:7] = True
    boxed = BoxedMask.of(mask)
    prompts = Prompts([(2, 3)], mask=boxed)
    assert prompts.boxed_mask is boxed
    assert prompts.with_point((3, 3)).boxed_mask is boxed
    assert np.array_equal(prompts.mask, mask)
    assert prompts.mask is prompts.mask
    assert prompts.with_point((3, 3)).extends(Prompts([(2, 3)], mask=mask))
    with pytest.raises(PromptError, match=r"shape \(9, 9\), got \(8, 9\)"):
        prompts.check_inside((9, 9))


def test_a_box_is_sorted():
    assert Prompts(box=(9, 2, 1, 8)).box == (1, 2, 9, 8)
    assert Prompts(box=np.array([[1, 2], [9, 8]])).box == (1, 2, 9, 8)


@pytest.mark.parametrize(
    ("prompts", "is_empty", "is_ambiguous"),
    [
        (Prompts(), True, False),
        (Prompts([(1, 1)]), False, True),
        (Prompts([(1, 1)], [False]), False, False),
        (Prompts([(1, 1), (2, 2)]), False, False),
        (Prompts(box=(0, 0, 1, 1)), False, False),
        (Prompts([(1, 1)], box=(0, 0, 1, 1)), False, False),
        (Prompts(scribbles=(Scribble([(1, 1)]),)), False, False),
        (Prompts([(1, 1)], mask=np.ones((2, 2))), False, False),
    ],
    ids=[
        "none",
        "point",
        "negative",
        "two",
        "box",
        "point-box",
        "scribble",
        "point-mask",
    ],
)
def test_only_a_single_positive_point_is_ambiguous(prompts, is_empty, is_ambiguous):
    assert (prompts.is_empty, prompts.is_ambiguous) == (is_empty, is_ambiguous)


@pytest.mark.parametrize(
    "keywords",
    [
        {"points": [(1, 2, 3)]},
        {"points": [(np.nan, 2)]},
        {"points": "here"},
        {"points": [(1, 2)], "polarities": [True, False]},
        {"points": [(1, 2)], "polarities": [-1]},
        {"points": [(1, 2)], "polarities": [0.5]},
        {"mask": np.eye(3) / 2 + 0.1},
        {"mask": [[0, 1], [2, 0]]},
        {"mask": [[0, np.nan], [1, 0]]},
        {"mask": [[0.7, 0.7]]},
        {"mask": [[-1, -1]]},
        {"mask": [["a", "b"]]},
        {"box": (1, 2, 3)},
        {"box": (1, 2, np.inf, 4)},
        {"box": (1, 2, 1, 4)},
        {"box": "wide"},
        {"mask": np.ones(3)},
        {"reduction": 0.0},
        {"reduction": np.inf},
        {"reduction": np.nan},
    ],
    ids=[
        "three",
        "nan",
        "text",
        "polarities",
        "negative",
        "half",
        "probabilities",
        "numbers of objects",
        "no number",
        "one probability",
        "below zero",
        "letters",
        "short",
        "infinite",
        "flat",
        "words",
        "line",
        "no reduction",
        "infinite reduction",
        "reduction of nothing",
    ],
)
def test_malformed_prompts_are_refused(keywords):
    with pytest.raises(PromptError, match="Expected"):
        Prompts(**keywords)


@pytest.mark.parametrize("mask", [[[0, 1], [1, 0]], [[0, 255], [255, 0]]])
def test_masks_and_polarities_may_be_numbers(mask):
    prompts = Prompts([(1, 2), (3, 4)], [1, 0], mask=np.array(mask, np.uint8))
    assert prompts.signs.tolist() == [True, False]
    assert prompts.mask.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("path", [[], [(np.nan, 0)], [1, 2, 3]])
def test_malformed_scribbles_are_refused(path):
    with pytest.raises(PromptError, match="Expected"):
        Scribble(path)


@pytest.mark.parametrize("point", [(-0.5, -0.5), (3.5, 5.5), (2, 0)])
def test_points_up_to_the_pixel_edges_are_inside(point):
    Prompts([point]).check_inside((4, 6))


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts([(4, 0)]),
        Prompts([(0, -0.6)]),
        Prompts(box=(4, 0, 9, 9)),
        Prompts(box=(-5, -5, -1, -1)),
        Prompts(scribbles=(Scribble([(0, 0), (0, 9)]),)),
        Prompts(mask=np.ones((6, 4))),
    ],
    ids=["below", "left", "box-below", "box-above", "scribble", "mask"],
)
def test_prompts_outside_the_plane_are_refused(prompts):
    with pytest.raises(PromptError, match="Expected"):
        prompts.check_inside((4, 6))


def test_a_box_may_hang_over_the_edge():
    Prompts(box=(-3, -3, 99, 99)).check_inside((4, 6))


def test_with_point_adds_to_a_copy():
    prompts = Prompts([(1, 1)])
    more = prompts.with_point((2, 3), positive=False)
    assert more.points.tolist() == [[1, 1], [2, 3]]
    assert more.signs.tolist() == [True, False]
    assert len(prompts.points) == 1


def test_a_scribble_is_sampled_evenly_along_its_line():
    corner = Scribble([(0, 0), (0, 7), (7, 7)])
    points = corner.sample()
    assert len(points) == SCRIBBLE_POINTS
    np.testing.assert_allclose(points[:4], [[0, 0], [0, 2], [0, 4], [0, 6]])
    np.testing.assert_allclose(points[-1], [7, 7])


def test_a_short_scribble_is_sampled_once():
    assert Scribble([(3, 4)]).sample().tolist() == [[3, 4]]
    assert len(Scribble([(3, 4), (3, 4.5)]).sample()) == 1


def test_scribbles_count_as_points_of_their_sign():
    line = Scribble([(0, 0), (0, 3)], positive=False)
    points, polarities = Prompts([(5, 5)], scribbles=(line,)).all_points()
    assert points.tolist() == [[5, 5], [0, 0], [0, 1.5], [0, 3]]
    assert polarities.tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        (Prompts([(1, 1)]), True),
        (Prompts([(1, 1), (2, 2)]), True),
        (Prompts([(1, 1), (2, 2)], [False, True]), False),
        (Prompts([(2, 2), (1, 1)]), False),
        (Prompts(), False),
        (Prompts([(1, 1)], box=(0, 0, 1, 1)), False),
        (Prompts([(1, 1)], scribbles=(Scribble([(0, 0)]),)), True),
    ],
    ids=["same", "more", "sign", "order", "removed", "box", "scribble"],
)
def test_only_added_points_extend_prompts(prompts, expected):
    assert prompts.extends(Prompts([(1, 1)])) is expected


def test_prompts_extend_equal_ones_however_they_were_built():
    def built(**more):
        line = Scribble([(0, 0), (5, 5)], positive=False)
        mask = np.eye(8, dtype=bool)
        return Prompts([(1, 2)], box=(0, 0, 4, 4), scribbles=(line,), mask=mask, **more)

    assert built().extends(built())
    assert built().with_point((3, 3)).extends(built())
    assert not built().extends(built().with_point((3, 3)))
    assert not built(polarities=[False]).extends(built())
