"""What is asked where a user corrects what was followed to a plane."""

import numpy as np
import pytest
from tests.volume.conftest import LEFT

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.predictions import Capabilities
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.correcting import corrected
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate

ABOVE = Plane((1, 2), (5,))
INSIDE = LEFT[1:]


def last_asked(predictor):
    return predictor.predicted[-1]


@pytest.fixture
def followed(clicked):
    list(propagate(clicked, 1))
    return clicked


def test_a_click_keeps_the_followed_mask_and_its_box(followed, predictor):
    mask = followed.labels[5] == 1
    followed.add_point(1, ABOVE, (10, 13), positive=False)
    followed.mask(1, ABOVE)
    prompts, previous = last_asked(predictor)
    np.testing.assert_array_equal(prompts.mask, mask)
    rows, columns = np.nonzero(mask)
    edges = rows.min() - 0.5, columns.min() - 0.5, rows.max() + 0.5, columns.max() + 0.5
    assert prompts.box == edges
    assert previous is None


def test_the_next_click_refines_the_answer_within_the_same_box(followed, predictor):
    followed.add_point(1, ABOVE, INSIDE)
    followed.mask(1, ABOVE)
    first, _ = last_asked(predictor)
    followed.add_point(1, ABOVE, (10, 13), positive=False)
    followed.mask(1, ABOVE)
    second, previous = last_asked(predictor)
    assert second.box == first.box
    assert second.mask is None
    assert previous is not None


def test_a_box_on_a_followed_plane_stands_alone(followed, predictor):
    followed.set_box(1, ABOVE, (2, 2, 20, 20))
    followed.mask(1, ABOVE)
    prompts, _ = last_asked(predictor)
    assert prompts.box == (2, 2, 20, 20)
    assert prompts.mask is None


def test_clicks_taken_back_leave_nothing_of_what_was_followed(followed, predictor):
    followed.add_point(1, ABOVE, INSIDE)
    followed.mask(1, ABOVE)
    followed.set_prompts(1, ABOVE, Prompts())
    followed.add_point(1, ABOVE, INSIDE)
    followed.mask(1, ABOVE)
    prompts, _ = last_asked(predictor)
    assert prompts.mask is None
    assert prompts.box is None


def test_undo_asks_again_what_was_asked(followed, predictor):
    followed.add_point(1, ABOVE, INSIDE)
    followed.mask(1, ABOVE)
    first, _ = last_asked(predictor)
    followed.undo()
    followed.add_point(1, ABOVE, INSIDE)
    followed.mask(1, ABOVE)
    again, _ = last_asked(predictor)
    np.testing.assert_array_equal(again.mask, first.mask)
    assert again.box == first.box


@pytest.mark.parametrize(
    ("point", "box"),
    [
        ((12, 14), (9.5, 9.5, 19.5, 19.5)),
        ((12, 24), (9.5, 9.5, 19.5, 28.5)),
        ((12, 39), (9.5, 9.5, 19.5, 39.5)),
        ((5, 14), (0.5, 9.5, 19.5, 19.5)),
    ],
    ids=["inside", "right of it", "at the border", "above it"],
)
def test_the_box_reaches_as_far_beyond_a_click_as_that_lies_outside(point, box):
    mask = np.zeros((32, 40), bool)
    mask[10:20, 10:20] = True
    asked = corrected(Prompts([point]), BoxedMask.of(mask), Capabilities())
    assert asked.box == box


def test_what_a_network_does_not_understand_is_left_out():
    mask = BoxedMask.of(np.ones((8, 8), bool))
    clicks = Prompts([(1, 1), (2, 2), (3, 3)])
    asked = corrected(clicks, mask, Capabilities(mask_prompts=False, max_points=4))
    assert asked.mask is None
    assert asked.box is None
