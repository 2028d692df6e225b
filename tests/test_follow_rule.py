import numpy as np
import pytest
from tests.volume.conftest import LEFT, ball

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.follow_rule import FollowRule, next_prompts
from napari_sam_adapter.volume.propagation.stop_rule import (
    Look,
    StopRule,
    expected_overlap,
    measure,
)

DISK = ball(LEFT)[4]
SQUARE = (1.0, 1.0)


def prompts_of(mask, distance=0.0, pixel=SQUARE, others=None, **rule):
    return next_prompts(BoxedMask.of(mask), FollowRule(**rule), distance, pixel, others)


def test_box_and_mask_are_asked_with():
    (asked,) = prompts_of(DISK)
    assert asked.box == (3, 3, 17, 17)
    np.testing.assert_array_equal(asked.mask, DISK)
    assert not len(asked.points)


def test_parts_of_the_rule_can_be_left_out():
    assert prompts_of(DISK, use_mask=False)[0].mask is None
    assert prompts_of(DISK, use_box=False)[0].box is None
    (points,) = prompts_of(DISK, use_box=False, use_mask=False, interior_points=2)
    assert points.signs.tolist() == [True, True]


def test_the_box_grows_with_the_way_and_the_shape_of_pixels():
    (asked,) = prompts_of(DISK, distance=10, pixel=(0.5, 2), box_margin=0)
    assert asked.box == (-0.5, 10 - 6 - 1.25, 16 + 5, 16 + 1.25)


def test_the_box_of_a_single_pixel_has_an_area():
    mask = np.zeros((4, 4), bool)
    mask[0, 3] = True
    assert prompts_of(mask)[0].box == (-0.5, 2, 1, 3.5)


def test_interior_points_lie_inside_and_apart():
    points = prompts_of(DISK, interior_points=3)[0].points
    assert DISK[tuple(points.astype(int).T)].all()
    assert points[0].tolist() == [10, 10]
    assert min(np.hypot(*(points[0] - p)) for p in points[1:]) >= 3


def test_every_piece_is_asked_for_on_its_own_but_specks_are_dropped():
    mask = DISK | ball((4, 20, 28))[4]
    mask[0, 39] = True
    asked = prompts_of(mask, interior_points=1)
    assert [prompts.points[0].tolist() for prompts in asked] == [[10, 10], [20, 28]]
    assert len(prompts_of(mask, by_part=False)) == 1


def test_neighbours_give_negative_points_and_the_object_itself_none():
    labels = np.where(DISK, 1, 0)
    labels[8:13, 18:22] = 2
    labels[30, 39] = 3
    (asked,) = prompts_of(DISK, others=(labels, 1), neighbour_points=4)
    assert asked.signs.tolist() == [False]
    assert labels[tuple(asked.points[0].astype(int))] == 2


@pytest.mark.parametrize(
    "rule",
    [
        {"use_box": False, "use_mask": False},
        {"interior_points": -1},
        {"box_margin": -1},
        {"box_slope": float("nan")},
        {"box_margin": float("inf")},
        {"interior_points": 1.5},
        {"use_mask": "yes"},
    ],
)
def test_rules_without_sense_are_refused(rule):
    with pytest.raises(SessionError, match="Expected"):
        FollowRule(**rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"max_slope": 0},
        {"max_slope": float("inf")},
        {"tolerance": 0.9},
        {"min_likeness": 2},
        {"min_score": 7},
        {"min_score": float("nan")},
        {"min_score": "0.5"},
        {"patience": 0},
        {"patience": 1.5},
    ],
)
def test_stop_rules_without_sense_are_refused(rule):
    with pytest.raises(SessionError, match="Expected"):
        StopRule(**rule)


def test_rules_keep_numpys_numbers_as_plain_ones():
    rule = StopRule(np.float32(0.5), np.int64(2), patience=np.uint8(3))
    assert rule == StopRule(0.5, 2, patience=3)
    assert {type(value) for value in vars(rule).values()} == {float, int}
    asked = FollowRule(np.False_, interior_points=np.int64(2))
    assert asked == FollowRule(False, interior_points=2)
    assert {type(value) for value in vars(asked).values()} == {bool, float, int}


def reason_for(mask, last=DISK, score=0.9, likeness=1.0, distance=1.0):
    last, mask = BoxedMask.of(last), BoxedMask.of(mask)
    steadiness = expected_overlap(last, distance, SQUARE, StopRule().max_slope)
    return StopRule().reason(measure(mask, last, score, likeness, steadiness))


def test_every_cue_can_stop():
    assert reason_for(DISK) == ""
    assert reason_for(np.zeros_like(DISK)) == "empty"
    assert reason_for(DISK, score=0.4) == "low score"
    assert reason_for(DISK, score=float("nan")) == "low score"
    assert reason_for(DISK, likeness=0.1) == "other image"
    assert reason_for(np.ones_like(DISK)) == "jump"
    assert reason_for(np.roll(DISK, 8, axis=1)) == "jump"


def test_wide_steps_and_small_objects_may_change_more():
    shifted = np.roll(DISK, 6, axis=1)
    assert reason_for(shifted) == "jump"
    assert reason_for(shifted, distance=5) == ""
    tip, smaller_tip = np.zeros_like(DISK), np.zeros_like(DISK)
    tip[10:13, 10:12], smaller_tip[11, 10] = True, True
    assert reason_for(smaller_tip, last=tip) == ""


def test_likeness_tells_an_object_from_where_it_is_gone():
    image = np.where(DISK, 150, 50).astype(np.uint8)
    there = Look.of(image, BoxedMask.of(DISK))
    assert there == Look(150, 50)
    assert there.likeness(Look.of(image // 2 + 90, BoxedMask.of(DISK))) == 0.5
    assert there.likeness(Look.of(image + 100, BoxedMask.of(DISK))) == 1
    assert there.likeness(Look(50, 50)) == 0
    assert there.likeness(Look(50, 150)) == 0
    assert Look(50, 51).likeness(Look(50, 150)) == 1
    assert Look(90, 50, spread=100).likeness(Look(50, 50)) == 1
