"""What a change at one anchor does, and what it never does."""

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, ball, paint_balls

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.predictions import MaskPrediction
from napari_sam_adapter.volume.document.edits import EndHere, Paint
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import follow, propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.stop_rule import StopRule
from napari_sam_adapter.volume.session.session import Session

DEPTH = 21
PLANE = Plane((1, 2), (10,))
POINT = (16, 20)


def cylinder(first=0, last=DEPTH - 1):
    mask = ball((10, *POINT), (1000, 7.2, 7.2), (DEPTH, 32, 40))
    mask[:first] = mask[last + 1 :] = False
    return mask


def at(index):
    return PLANE.at(0, index)


def click(session, *positions):
    for position in positions:
        session.add_point(1, at(position), POINT)
        session.mask(1, at(position))


def visited(results):
    return sorted(result.plane.position[0] for result in results)


@pytest.fixture
def session():
    session = Session(paint_balls(cylinder()), DiskPredictor())
    session.new_object()
    return session


def test_all_planes_but_the_anchors_are_derived(session):
    click(session, 4, 12)
    assert visited(propagate(session, 1)) == [
        z for z in range(DEPTH) if z not in (4, 12)
    ]
    np.testing.assert_array_equal(session.labels == 1, cylinder())


def test_a_change_at_one_anchor_recomputes_up_to_its_neighbours_only(session):
    click(session, 4, 10, 16)
    list(propagate(session, 1))
    before = session.labels.copy()
    session.add_point(1, at(10), (16, 26), positive=False)
    assert visited(propagate(session, 1)) == [5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
    outside = [*range(5), *range(16, DEPTH)]
    np.testing.assert_array_equal(session.labels[outside], before[outside])
    assert (session.labels != before).any()


def test_what_is_up_to_date_is_left_alone_unless_asked_for(session):
    click(session, 10)
    first = visited(propagate(session, 1))
    assert visited(propagate(session, 1)) == []
    assert visited(propagate(session, 1, again=True)) == first


def test_undo_at_an_anchor_makes_its_planes_current_again(session):
    click(session, 10)
    list(propagate(session, 1))
    session.add_point(1, at(10), (16, 26), positive=False)
    session.mask(1, at(10))
    session.undo()
    assert visited(propagate(session, 1)) == []


def test_other_settings_or_another_model_compute_anew(session):
    click(session, 4, 16)
    first = visited(propagate(session, 1))
    bare = PropagationSettings(method="interpolation")
    assert visited(propagate(session, 1, settings=bare)) == list(range(5, 16))
    session.predictor = DiskPredictor(model="other")
    assert visited(propagate(session, 1)) == first


def test_a_new_anchor_on_a_derived_plane_splits_the_stretch(session):
    click(session, 4, 16)
    list(propagate(session, 1))
    session.add_point(1, at(9), (16, 26), positive=False)
    assert visited(propagate(session, 1)) == [5, 6, 7, 8, *range(10, 16)]


def test_locked_planes_and_painted_voxels_never_change(session):
    click(session, 10)
    list(propagate(session, 1))
    session.lock(1, at(7))
    across = Plane((0, 2), (16,))
    pixels = np.array([(z, x) for z in range(DEPTH) for x in (18, 35)])
    session.apply(Paint(across, pixels, np.tile([0, 1], DEPTH)))
    kept = np.zeros(session.labels.shape, bool)
    kept[7], kept[:, 16, 18], kept[:, 16, 35] = True, True, True
    before = session.labels.copy()
    session.predictor = DiskPredictor(score=0.8)
    results = visited(propagate(session, 1, again=True))
    list(propagate(session, 1, axis=2, seed=Plane((0, 1), (20,)), again=True))
    assert 7 not in results
    assert len(results) > 10
    np.testing.assert_array_equal(session.labels[kept], before[kept])


@pytest.mark.parametrize("rule", ["keep", "overwrite"])
def test_other_objects_leave_locked_and_painted_pixels_alone(rule):
    image = paint_balls(cylinder())
    session = Session(image, DiskPredictor(), overlap_rule=rule)
    session.new_object()
    session.apply(Paint(Plane((2, 1), (7,)), np.array([POINT[::-1]]), np.array([1])))
    click(session, 5)
    session.lock(1, at(5))
    before = session.labels.copy()
    session.new_object()
    session.add_point(2, PLANE, POINT)
    list(propagate(session, 2))
    np.testing.assert_array_equal(session.labels[5], before[5])
    assert session.labels[(7, *POINT)] == 1
    assert (session.labels[7] == 2).sum() > 100


def test_a_locked_plane_refuses_prompts_until_it_is_unlocked(session):
    click(session, 10)
    session.lock(1, PLANE)
    assert session.is_locked(1, PLANE)
    with pytest.raises(SessionError, match="Unlock it first"):
        session.add_point(1, PLANE, (16, 26), positive=False)
    with pytest.raises(SessionError, match="Unlock it first"):
        session.apply(EndHere(1, PLANE))
    session.unlock(1, PLANE)
    session.add_point(1, PLANE, (16, 26), positive=False)
    session.undo()
    session.undo()
    assert session.is_locked(1, PLANE)


def test_a_derived_plane_that_is_locked_becomes_an_anchor(session):
    click(session, 10)
    list(propagate(session, 1))
    session.lock(1, at(14))
    assert at(14) in session.anchors(1)
    assert visited(propagate(session, 1)) == [z for z in range(11, DEPTH) if z != 14]


def test_an_end_mark_clears_what_lies_behind_it(session):
    click(session, 10)
    list(propagate(session, 1))
    session.end_here(1, at(14))
    results = list(propagate(session, 1))
    assert {r.plane.position[0] for r in results if r.reason == "beyond"} == set(
        range(15, DEPTH)
    )
    np.testing.assert_array_equal(session.labels == 1, cylinder(last=13))
    assert session.doubts() == []
    while session.can_undo:
        session.undo()
    assert not session.labels.any()


def test_a_plane_where_a_click_found_nothing_is_followed_past(session):
    click(session, 10)
    session.add_point(1, at(14), (2, 2))
    assert not session.mask(1, at(14)).any()
    request = session.propagation(1)
    results = list(propagate(session, 1))
    assert visited(results) == [z for z in range(DEPTH) if z not in (10, 14)]
    assert request.total == len(results)
    expected = cylinder()
    expected[14] = False
    np.testing.assert_array_equal(session.labels == 1, expected)
    assert visited(propagate(session, 1)) == []


def test_a_click_that_waits_for_its_mask_is_not_the_end(session):
    click(session, 10)
    session.add_point(1, at(14), POINT)
    request = session.propagation(1)
    assert {(part.first, part.last) for part in request.stretches} == {(0, 9), (11, 20)}
    assert 14 not in visited(result for result in follow(request) if result)


def test_a_plane_with_background_prompts_alone_is_the_end(session):
    click(session, 10)
    session.add_point(1, at(14), POINT, positive=False)
    assert not session.mask(1, at(14)).any()
    list(propagate(session, 1))
    np.testing.assert_array_equal(session.labels == 1, cylinder(last=13))


def test_masks_to_be_cleared_are_counted(session):
    click(session, 10)
    list(propagate(session, 1))
    session.end_here(1, at(14))
    request = session.propagation(1)
    assert request.total == len(list(propagate(session, 1)))


def test_interpolated_masks_have_no_score(session):
    click(session, 4, 8)
    bare = PropagationSettings(method="interpolation")
    results = list(propagate(session, 1, settings=bare))
    assert {result.trusted_score for result in results} == {None}
    assert session.score(1, at(6)) is None
    assert session.confidence(1, at(6)) > 0.9


def test_planes_outside_the_range_are_not_written(session):
    click(session, 2, 18)
    assert visited(propagate(session, 1, 8, 10)) == [8, 9, 10]
    assert np.flatnonzero(session.labels.any(axis=(1, 2))).tolist() == [2, 8, 9, 10, 18]


def test_anchors_without_masks_yet_are_computed_first(session):
    session.add_point(1, at(4), POINT)
    session.add_point(1, at(16), POINT)
    results = list(propagate(session, 1))
    middle = next(r for r in results if r.plane == at(10))
    assert middle.origin.anchors == (at(4), at(16))
    assert middle.origin.distances == (6, 6)


def test_distances_are_in_units_of_the_spacing():
    session = Session(paint_balls(cylinder()), DiskPredictor(), spacing=(2.5, 1, 1))
    session.new_object()
    click(session, 10)
    results = list(propagate(session, 1, 10, 12))
    assert [r.origin.distances for r in results] == [(2.5,), (5.0,)]


@pytest.mark.parametrize(
    "spacing", [(1, 1), (0, 1, 1), (1, float("inf"), 1), (-1, 1, 1)]
)
def test_a_spacing_without_sense_is_refused(spacing):
    with pytest.raises(SessionError, match="Expected 3 distances"):
        Session(paint_balls(cylinder()), spacing=spacing)


class DriftingPredictor(DiskPredictor):
    """Moves every mask that it is prompted with one column to the right."""

    def predict(self, embedding, prompts, previous=None):
        if prompts.mask is None:
            return super().predict(embedding, prompts, previous)
        mask = np.roll(prompts.mask, 1, axis=1)
        return MaskPrediction(mask, self.score, np.zeros((4, 4), np.float32))


def test_both_directions_are_fused_by_distance_and_doubted_where_they_disagree():
    session = Session(paint_balls(cylinder()), DriftingPredictor())
    session.new_object()
    click(session, 4, 16)
    uncut = PropagationSettings(stop=StopRule(min_level=0))  # a cut ends the drift
    steps = propagate(session, 1, 4, 16, settings=uncut)
    results = {r.plane.position[0]: r for r in steps}
    confidence = [results[z].confidence for z in range(5, 16)]
    centres = [np.argwhere(results[z].mask)[:, 1].mean() for z in range(5, 16)]
    assert max(centres) - min(centres) < 6 < max(centres) - 20 + 2
    assert np.argmax(confidence) in (0, 10)
    assert min(confidence) < 0.6


def test_a_gap_that_no_direction_crosses_is_interpolated():
    image = paint_balls(cylinder())
    image[7:14] = paint_balls(np.zeros_like(cylinder()))[7:14]
    session = Session(image, DiskPredictor())
    session.new_object()
    click(session, 4, 16)
    results = {r.plane.position[0]: r for r in propagate(session, 1)}
    np.testing.assert_array_equal(session.labels == 1, cylinder())
    assert all(results[z].confidence < 0.5 for z in range(7, 14))
    assert {doubt.plane.position[0] for doubt in session.doubts()} == set(range(7, 14))


def test_the_most_doubtful_planes_come_first(session):
    session.predictor.score = 0.55
    click(session, 10)
    list(propagate(session, 1))
    doubts = session.doubts(1, below=0.9)
    assert len(doubts) == DEPTH - 1
    confidences = [doubt.confidence for doubt in doubts]
    assert confidences == sorted(confidences)
    session.lock(1, doubts[0].plane)
    assert doubts[0] not in session.doubts(below=0.9)
    assert session.doubts(7, below=0.9) == []


def test_a_correction_starts_from_the_propagated_mask(session):
    click(session, 10)
    list(propagate(session, 1))
    before = session.mask(1, at(14))
    session.add_point(1, at(14), (16, 26), positive=False)
    after = session.mask(1, at(14))
    asked, previous = session.predictor.predicted[-1]
    np.testing.assert_array_equal(asked.mask, before)
    assert previous is None
    assert 0 < after.sum() < before.sum()


def test_an_object_at_the_border_is_followed():
    mask = ball((4, 0, 20), (1000, 7, 7), (9, 32, 40))
    session = Session(paint_balls(mask), DiskPredictor())
    session.new_object()
    session.add_point(1, at(4), (0, 20))
    list(propagate(session, 1))
    np.testing.assert_array_equal(session.labels == 1, mask)


def test_a_volume_of_one_plane_has_nothing_to_follow():
    session = Session(paint_balls(cylinder())[:1], DiskPredictor())
    session.new_object()
    session.add_point(1, at(0), POINT)
    assert list(propagate(session, 1)) == []
    assert session.labels.any()


def test_an_edit_of_a_finished_neighbour_ends_the_run(session):
    click(session, 10)
    session.new_object()
    session.apply(Paint(at(3), np.array([(0, 0)]), np.array([2])))
    session.accept(2)
    results = propagate(session, 1)
    next(results)
    session.apply(Paint(at(12), np.array([POINT]), np.array([2])))
    before = session.labels.copy()
    list(results)
    np.testing.assert_array_equal(session.labels, before)


def test_interpolation_needs_no_model():
    session = Session(paint_balls(ball(LEFT)))
    session.new_object()
    for z in (2, 6):
        pixels = np.argwhere(ball(LEFT)[z])
        session.apply(Paint(at(z), pixels, np.ones(len(pixels), int)))
    settings = PropagationSettings(method="interpolation")
    results = list(propagate(session, 1, settings=settings))
    assert visited(results) == [3, 4, 5]
    assert (session.labels[4] == 1).sum() == ball(LEFT)[2].sum()


def hourglass(neck=12):
    """A cone down to its neck, and a thicker rod behind it."""
    radii = [7 - 0.625 * (z - 4) if z <= neck else 3.4 for z in range(DEPTH)]
    rows, columns = np.ogrid[:32, :40]
    away = (rows - POINT[0]) ** 2 + (columns - POINT[1]) ** 2
    return np.stack([away <= max(radius, 0) ** 2 for radius in radii])


def test_what_tapers_from_anchor_to_anchor_does_not_grow_again_beyond():
    session = Session(paint_balls(hourglass()), DiskPredictor())
    session.new_object()
    click(session, 12)
    list(propagate(session, 1))
    assert (session.labels[13:] == 1).any()
    click(session, 4)
    list(propagate(session, 1, again=True))
    assert (session.labels[5:12] == 1).any(axis=(1, 2)).all()
    assert not (session.labels[13:] == 1).any()
    (doubt, *_) = session.doubts(1)
    assert doubt.reason == "jump"


def test_a_taper_changed_behind_the_last_anchor_leaves_what_lies_beyond():
    session = Session(paint_balls(hourglass()), DiskPredictor())
    session.new_object()
    click(session, 12)
    list(propagate(session, 1))
    beyond = session.labels[13:].copy()
    click(session, 4)
    assert max(visited(propagate(session, 1))) == 11
    np.testing.assert_array_equal(session.labels[13:], beyond)
