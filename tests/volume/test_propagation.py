import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT, SHAPE, ball, paint_balls

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.predictions import Capabilities, MaskPrediction
from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import follow, propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.stop_rule import StopRule
from napari_sam_adapter.volume.session.review import DOUBTFUL
from napari_sam_adapter.volume.session.session import Session

LENIENT = PropagationSettings(stop=StopRule(max_slope=10))


def indices(results, axis=0):
    return [result.plane.index_along(axis) for result in results]


def reasons(results):
    return {r.plane.index_along(0): r.reason for r in results if r.reason}


def rod(stop=9, width=6, shape=SHAPE):
    """An object that is the same on every plane up to `stop`."""
    mask = np.zeros(shape, bool)
    mask[:stop, 5 : 5 + width, 5 : 5 + width] = True
    return mask


def clicked_session(image, plane, predictor=None):
    session = Session(image, predictor or DiskPredictor())
    session.new_object()
    session.add_point(1, plane, (7, 7))
    session.mask(1, plane)
    return session


def test_an_object_is_followed_both_ways_and_nothing_else_is_touched(clicked):
    results = list(propagate(clicked, 1))
    np.testing.assert_array_equal(clicked.labels == 1, ball(LEFT))
    assert indices(results) == [5, 6, 7, 8, 3, 2, 1, 0]
    assert reasons(results) == {8: "empty", 0: "empty"}


@pytest.mark.parametrize(
    ("start", "stop"), [(3, 6), (4, 5), (4, 4), (None, 5), (3, None)]
)
def test_exactly_the_range_is_covered(plane, start, stop):
    session = clicked_session(paint_balls(rod()), plane)
    results = list(propagate(session, 1, start, stop))
    covered = range(start or 0, (8 if stop is None else stop) + 1)
    assert sorted([*indices(results), 4]) == list(covered)
    assert np.flatnonzero(session.labels.any(axis=(1, 2))).tolist() == list(covered)
    assert set(reasons(results).values()) <= {"end"}


def test_the_last_plane_is_marked_and_committed(plane):
    session = clicked_session(paint_balls(rod()), plane)
    results = list(propagate(session, 1, 4, 6))
    assert reasons(results) == {6: "end"}
    assert session.labels[6].any()


@pytest.mark.parametrize("axes", [(0, 2), (2, 0), (0, 1)])
def test_any_axis_can_be_followed(session, axes):
    plane = Plane.from_index(axes, LEFT)
    session.new_object()
    session.add_point(1, plane, (LEFT[axes[0]], LEFT[axes[1]]))
    list(propagate(session, 1, settings=LENIENT))
    np.testing.assert_array_equal(session.labels == 1, ball(LEFT))


@pytest.mark.parametrize(
    ("axis", "changed"), [(0, (3, 4)), (None, (2, 8)), (1, (2, 8))]
)
def test_time_or_depth_is_followed_as_asked(axis, changed, predictor):
    movie = np.stack([paint_balls(rod())] * 3)
    session = Session(movie, predictor)
    plane = Plane((2, 3), (2, 4))
    session.new_object()
    session.add_point(1, plane, (7, 7))
    list(propagate(session, 1, axis=axis))
    touched = session.labels.any(axis=(2, 3))
    expected = np.zeros((3, 9), bool)
    expected[(slice(None), 4) if axis == 0 else (2, slice(None))] = True
    np.testing.assert_array_equal(touched, expected)


@pytest.mark.parametrize(
    ("axes", "axis", "same"),
    [
        ("tzyx", "T", 0),
        ("tzyx", "z", 1),
        ("tzyx", np.int64(-3), 1),
        ("auto", -4, 0),
        ("tzyx", np.uint8(1), 1),
    ],
)
def test_an_axis_is_called_by_number_or_letter(axes, axis, same, predictor):
    session = Session(np.stack([paint_balls(rod())] * 3), predictor, axes=axes)
    session.new_object()
    session.add_point(1, Plane((2, 3), (2, 4)), (7, 7))
    session.mask(1, session.default_seed(1))
    assert session.propagation(1, axis=axis).where.axis == same
    touched = {result.plane.at(same, 0) for result in propagate(session, 1, axis=axis)}
    assert touched == {session.default_seed(1).at(same, 0)}


@pytest.mark.parametrize(
    ("axes", "axis", "choices"),
    [
        ("tzyx", 2, r"axis 0 \(t\) or 1 \(z\) to follow, got 2\. .*shows 2 and 3"),
        ("tzyx", "y", r"axis 0 \(t\) or 1 \(z\) to follow, got 'y'"),
        ("tzyx", "", r"axis 0 \(t\) or 1 \(z\) to follow, got ''"),
        ("auto", "z", "axis 0 or 1 to follow, got 'z'"),
        ("auto", -5, "axis 0 or 1 to follow, got -5"),
        ("auto", [0], r"axis 0 or 1 to follow, got \[0\]"),
    ],
)
def test_of_a_wrong_axis_the_choices_are_told(axes, axis, choices, predictor):
    session = Session(np.stack([paint_balls(rod())] * 3), predictor, axes=axes)
    session.new_object()
    session.add_point(1, Plane((2, 3), (2, 4)), (7, 7))
    with pytest.raises(PlaneError, match=choices):
        next(propagate(session, 1, axis=axis))


def test_a_letter_counts_without_that_of_the_colours(predictor):
    image = np.moveaxis(np.stack([paint_balls(ball(LEFT))] * 3), 0, 1)
    session = Session(image, predictor, axes="zcyx")
    session.new_object()
    session.add_point(1, Plane((0, 2), (10,)), LEFT[::2])
    list(propagate(session, 1, axis="y", settings=LENIENT))
    np.testing.assert_array_equal(session.labels == 1, ball(LEFT))


def test_following_stops_where_the_object_ends(plane):
    session = clicked_session(paint_balls(rod(stop=7)), plane)
    assert reasons(propagate(session, 1)) == {7: "empty", 0: "end"}
    assert not session.labels[7:].any()


def test_following_stops_where_the_area_jumps(plane):
    image = paint_balls(rod())
    image[6:, :20, :20] = 200
    session = clicked_session(image, plane)
    assert reasons(propagate(session, 1, stop=7)) == {6: "jump", 7: "jump", 0: "end"}
    assert not session.labels[6:].any()


def test_following_stops_where_the_object_moves_away(plane):
    image = paint_balls(rod(stop=6))
    image[6:, 9:15, 9:15] = 200
    session = clicked_session(image, plane)
    results = list(propagate(session, 1))
    assert reasons(results)[6] == "jump"
    assert next(r for r in results if r.reason == "jump").mask.any()
    assert all(r.confidence == 0 for r in results if r.reason == "jump")
    assert not session.labels[6:].any()


def test_following_stops_where_the_network_is_unsure(clicked, predictor):
    predictor.score = 0.4
    assert set(reasons(propagate(clicked, 1)).values()) == {"low score"}
    assert np.flatnonzero(clicked.labels.any(axis=(1, 2))).tolist() == [4]


def test_one_bad_plane_in_between_is_interpolated(plane):
    image = paint_balls(rod())
    image[6] = 3
    session = clicked_session(image, plane)
    results = {r.plane.position[0]: r for r in propagate(session, 1)}
    assert (results[6].reason, results[6].is_usable) == ("blank", True)
    assert (results[6].trusted_score, results[7].trusted_score) == (None, 0.9)
    assert results[6].confidence < 0.5 < results[7].confidence
    np.testing.assert_array_equal(session.labels == 1, rod())


def test_following_ends_after_as_many_failures_as_asked_for(plane):
    image = paint_balls(rod())
    image[6:8] = 3
    session = clicked_session(image, plane)
    patient = PropagationSettings(stop=StopRule(patience=3))
    assert reasons(propagate(session, 1)) == {6: "blank", 7: "blank", 0: "end"}
    assert not session.labels[6:].any()
    found = reasons(propagate(session, 1, settings=patient))
    assert found == {6: "blank", 7: "blank", 8: "end", 0: "end"}
    np.testing.assert_array_equal(session.labels == 1, rod())


class EchoPredictor(DiskPredictor):
    """Sees the mask that it is prompted with everywhere."""

    def predict(self, embedding, prompts, previous=None):
        if prompts.mask is None:
            return super().predict(embedding, prompts, previous)
        return MaskPrediction(prompts.mask, self.score, np.zeros((4, 4), np.float32))


def test_following_ends_where_an_object_fades_away(plane):
    image = paint_balls(rod()).astype(float)
    image *= np.array([1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0])[:, None, None]
    image += np.indices(image.shape).sum(axis=0) % 3
    session = clicked_session(image.astype(np.uint8), plane, EchoPredictor())
    results = {r.plane.position[0]: r for r in propagate(session, 1)}
    assert not results[8].is_usable
    assert results[5].confidence > results[6].confidence > results[7].confidence


def test_slow_fading_over_many_planes_does_not_end_an_object(plane):
    image = np.stack([disk * 0.97**z for z, disk in enumerate([rod()[0] * 200.0] * 60)])
    image += np.indices(image.shape).sum(axis=0) % 3
    session = clicked_session(image.astype(np.uint8), plane, EchoPredictor())
    results = list(propagate(session, 1))
    assert all(result.is_usable for result in results)
    assert min(result.confidence for result in results) > DOUBTFUL


class BrokenArray:
    """An array of which some planes are missing."""

    def __init__(self, data, missing):
        self.data, self.missing = data, set(missing)
        self.shape, self.dtype = data.shape, data.dtype
        self.reads = []

    def __getitem__(self, index):
        self.reads.append(index[0])
        if index[0] in self.missing:
            raise OSError("chunk is missing")
        return self.data[index]


def test_planes_that_cannot_be_read_are_marked_and_the_rest_goes_on(plane):
    image = BrokenArray(paint_balls(rod()), [5, 6, 7])
    session = clicked_session(image, plane)
    found = reasons(propagate(session, 1))
    assert all("chunk is missing" in found[index] for index in (5, 6, 7))
    assert (found[8], found[0]) == ("end", "end")
    np.testing.assert_array_equal(session.labels == 1, rod())
    assert [doubt.plane.position[0] for doubt in session.doubts()] == [5, 6, 7]


def test_planes_that_can_be_read_later_are_filled_in(plane):
    image = BrokenArray(paint_balls(rod()), [7, 8])
    session = clicked_session(image, plane)
    list(propagate(session, 1))
    assert not session.labels[7:].any()
    image.missing.clear()
    assert indices(propagate(session, 1)) == [5, 6, 7, 8]
    np.testing.assert_array_equal(session.labels == 1, rod())


def test_every_plane_is_read_once_on_the_way(plane):
    image = BrokenArray(paint_balls(rod()), [])
    session = clicked_session(image, plane)
    image.reads.clear()
    list(propagate(session, 1))
    assert sorted(image.reads) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_confidence_falls_where_the_object_changes(clicked):
    results = {r.plane.position[0]: r for r in propagate(clicked, 1)}
    assert results[7].confidence < results[5].confidence <= 0.9
    plane = results[5].plane
    assert clicked.confidence(1, plane) == results[5].confidence
    assert clicked.score(1, plane) == 0.9


def test_everything_is_one_step(clicked):
    before = clicked.labels.copy()
    list(propagate(clicked, 1))
    after = clicked.labels.copy()
    clicked.undo()
    np.testing.assert_array_equal(clicked.labels, before)
    clicked.redo()
    np.testing.assert_array_equal(clicked.labels, after)


def test_stopping_early_keeps_what_was_yielded_as_one_step(clicked):
    before = clicked.labels.copy()
    results = propagate(clicked, 1)
    kept = [next(results), next(results)]
    results.close()
    planes = np.flatnonzero((clicked.labels != before).any(axis=(1, 2)))
    assert planes.tolist() == indices(kept)
    clicked.new_object()
    clicked.undo()
    clicked.undo()
    np.testing.assert_array_equal(clicked.labels, before)


def test_an_edit_in_between_splits_the_step(clicked, plane):
    results = propagate(clicked, 1)
    next(results)
    middle = clicked.labels.copy()
    clicked.new_object()
    list(results)
    clicked.undo()
    np.testing.assert_array_equal(clicked.labels, middle)
    assert 2 in clicked.object_ids


def test_following_writes_nothing_by_itself(clicked):
    before = clicked.labels.copy()
    results = [r for r in follow(clicked.propagation(1)) if r is not None]
    np.testing.assert_array_equal(clicked.labels, before)
    for result in results:
        clicked.commit(result)
    assert (clicked.labels != before).any()


def test_other_objects_are_spared(clicked, plane):
    clicked.apply(Paint(plane.at(0, 5), np.array([LEFT[1:]]), np.array([2])))
    list(propagate(clicked, 1))
    assert clicked.labels[5, 10, 10] == 2


def test_a_click_on_a_followed_plane_corrects_its_mask(clicked, plane, predictor):
    list(propagate(clicked, 1))
    above = plane.at(0, 5)
    before = clicked.mask(1, above)
    clicked.add_point(1, above, (10, 13), positive=False)
    after = clicked.mask(1, above)
    assert after.any()
    assert not (after & ~before).any()


def test_the_newest_anchor_is_where_following_begins(clicked, plane):
    other = plane.at(0, 5)
    clicked.add_point(1, other, LEFT[1:])
    assert clicked.default_seed(1) == other
    assert clicked.propagation(1, seed=plane).where.seed == plane


def bad_requests():
    plane = Plane((1, 2), (4,))
    return {
        "no-object": ((7,), {}, SessionError),
        "none": (((),), {}, SessionError),
        "no-anchor": ((2,), {}, SessionError),
        "no-mask": ((2,), {"seed": plane}, SessionError),
        "beyond": ((1, 0, 9), {}, PlaneError),
        "backwards": ((1, 6, 2), {}, PlaneError),
        "fraction": ((1, 2.5, 6), {}, PlaneError),
        "shown-axis": ((1,), {"axis": 1}, PlaneError),
        "outside": ((1,), {"seed": plane.at(0, 9)}, PlaneError),
    }


@pytest.mark.parametrize(
    ("arguments", "keywords", "error"),
    bad_requests().values(),
    ids=bad_requests().keys(),
)
def test_requests_that_make_no_sense_are_refused(clicked, arguments, keywords, error):
    clicked.new_object()
    with pytest.raises(error, match="Expected"):
        clicked.propagation(*arguments, **keywords)
    with pytest.raises(error, match="Expected"):
        next(propagate(clicked, *arguments, **keywords))


def test_a_range_that_is_refused_computes_nothing(session, plane):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    with pytest.raises(PlaneError):
        next(propagate(session, 1, start=6, stop=2))
    assert not session.labels.any()


def test_a_single_image_cannot_be_followed(volume):
    session = clicked_session(volume[4], Plane((0, 1)))
    session.add_point(1, Plane((0, 1)), RIGHT[1:])
    with pytest.raises(SessionError, match="Expected a volume"):
        next(propagate(session, 1))


def test_an_unknown_method_is_refused():
    with pytest.raises(SessionError, match="Expected a method"):
        PropagationSettings(method="magic")


@pytest.mark.parametrize("name", ["follow", "stop"])
def test_a_rule_of_another_kind_is_refused(name):
    with pytest.raises(SessionError, match="Rule, got"):
        PropagationSettings(**{name: lambda _: True})


def test_a_network_without_mask_prompts_is_followed_by_boxes(clicked, predictor):
    predictor.capabilities = Capabilities(mask_prompts=False)
    predictor.predicted.clear()
    assert list(propagate(clicked, 1))
    assert all(p.mask is None and p.box for p, _ in predictor.predicted)


def test_a_click_on_a_followed_plane_is_asked_as_far_as_understood(clicked, predictor):
    predictor.capabilities = Capabilities(mask_prompts=False)
    list(propagate(clicked, 1))
    above = Plane((1, 2), (5,))
    clicked.add_point(1, above, (10, 13))
    assert clicked.mask(1, above).any()
    assert predictor.predicted[-1][0].mask is None


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (1, -1, 1), 2, "far"])
def test_a_spacing_that_does_not_fit_is_refused(clicked, spacing):
    clicked.spacing = spacing
    with pytest.raises(SessionError, match="Expected 3 distances"):
        clicked.propagation(1)


def test_a_loop_that_is_left_ends_its_propagation(clicked):
    for result in propagate(clicked, 1):
        if result.plane.index_along(0) == 6:
            break
    assert not clicked._document.revisions.open_propagations
    assert np.flatnonzero(clicked.labels.any(axis=(1, 2))).tolist() == [4, 5, 6]
