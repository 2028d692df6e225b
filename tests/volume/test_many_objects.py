import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT, ball, paint_balls

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.sightings import made_disjoint
from napari_sam_adapter.volume.session.session import Session

PLANE = Plane((1, 2), (4,))


class CountingPredictor(DiskPredictor):
    """Counts decoder passes."""

    passes = 0

    def predict_many(self, embedding, prompts_list):
        self.passes += 1
        return super().predict_many(embedding, prompts_list)


def session_with(image, centres, predictor=None):
    session = Session(image, predictor or CountingPredictor())
    for centre in centres:
        object_id = session.new_object()
        plane = PLANE.at(0, centre[0])
        session.add_point(object_id, plane, centre[1:])
        session.mask(object_id, plane)
    return session


def test_all_objects_share_one_pass_per_plane(volume):
    session = session_with(volume, [LEFT, RIGHT])
    session.predictor.encoded.clear()
    list(propagate(session, [1, 2]))
    np.testing.assert_array_equal(session.labels == 1, ball(LEFT))
    np.testing.assert_array_equal(session.labels == 2, ball(RIGHT))
    assert session.predictor.passes == 8
    assert len(session.predictor.encoded) == 8


def test_together_they_become_what_they_become_alone(volume):
    together = session_with(volume, [LEFT, RIGHT])
    list(propagate(together, [1, 2]))
    alone = session_with(volume, [LEFT, RIGHT])
    list(propagate(alone, 1))
    list(propagate(alone, 2))
    np.testing.assert_array_equal(together.labels, alone.labels)


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_the_order_of_the_objects_does_not_matter(order):
    rods = ball((4, 10, 10), (99, 6, 6)), ball((4, 10, 21), (99, 6, 6))
    image = paint_balls(*rods)
    image[:, 10, 14:18] = 200  # one region: each leaks into the other
    image[4, :, 15:17] = 0
    session = session_with(image, [(4, 10, 8), (4, 10, 23)])
    results = list(propagate(session, order))
    by_plane = {}
    for result in results:
        if result.is_usable:
            by_plane.setdefault(result.plane, []).append(result.mask)
    assert all(sum(m.astype(int) for m in ms).max() <= 1 for ms in by_plane.values())
    labels = session.labels.copy()
    other = session_with(image, [(4, 10, 8), (4, 10, 23)])
    list(propagate(other, order[::-1]))
    np.testing.assert_array_equal(labels, other.labels)


def test_common_pixels_go_to_the_better_score():
    masks = [BoxedMask.of(ball(LEFT)[4]), BoxedMask.of(ball((4, 10, 14))[4])]
    first, second = made_disjoint(masks, [0.5, 0.8], [1, 2])
    assert second is masks[1]
    np.testing.assert_array_equal(first.full(), masks[0].full() & ~masks[1].full())


def test_finished_neighbours_are_spared_and_tell_where_not_to_go(volume):
    session = session_with(volume, [LEFT, RIGHT])
    list(propagate(session, 2))
    session.accept(2)
    before = session.labels == 2
    session.predictor.predicted.clear()
    settings = PropagationSettings()
    object.__setattr__(settings.follow, "neighbour_points", 3)
    object.__setattr__(settings.follow, "box_margin", 2.0)
    list(propagate(session, 1, settings=settings))
    asked, _ = session.predictor.predicted[0]
    assert not asked.signs.any()
    rows, columns = np.rint(asked.points).astype(int).T
    assert before[5][rows, columns].all()
    np.testing.assert_array_equal(session.labels == 2, before)


def test_objects_beside_the_seed_row_are_named(volume):
    session = session_with(np.stack([volume, volume]), [])
    for time in (0, 1):
        object_id = session.new_object()
        plane = Plane((2, 3), (time, 4))
        session.add_point(object_id, plane, LEFT[1:])
        session.mask(object_id, plane)
    with pytest.raises(SessionError, match="object 2"):
        next(propagate(session, [1, 2]))


def test_three_ways_vote(volume):
    session = session_with(volume, [LEFT, RIGHT])
    settings = PropagationSettings(method="three-way")
    results = list(propagate(session, [1, 2], settings=settings))
    np.testing.assert_array_equal(session.labels == 1, ball(LEFT))
    np.testing.assert_array_equal(session.labels == 2, ball(RIGHT))
    used = [result for result in results if result.is_usable]
    assert min(result.confidence for result in used) == 1
    session.undo()
    assert np.flatnonzero(session.labels.any(axis=(1, 2))).tolist() == [4]


def test_two_ways_outvote_one_that_lost_the_object():
    image = paint_balls(ball((10, 15, 20), (7, 7, 7), (21, 32, 40)))
    image[13:15] = 0  # the way along z ends here
    image[13:15, ::2] = 1
    session = session_with(image, [(10, 15, 20)])
    plain = session_with(image, [(10, 15, 20)])
    list(propagate(plain, 1))
    settings = PropagationSettings(method="three-way")
    list(propagate(session, 1, settings=settings))
    assert not plain.labels[13:].any()
    assert session.labels[10:13].any()


def test_anchors_of_other_time_points_wait_for_their_turn(volume):
    session = Session(np.stack([volume, volume]), DiskPredictor())
    session.new_object()
    for time in (1, 0):
        session.add_point(1, Plane((2, 3), (time, 4)), LEFT[1:])
    list(propagate(session, 1))
    np.testing.assert_array_equal(session.labels[0] == 1, ball(LEFT))
    assert session.needs_mask(1, Plane((2, 3), (1, 4)))
