"""What is encoded before a click, and what a preview sees of it."""

import numpy as np
from tests.fakes import DiskPredictor

from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.glancing import (
    can_glance,
    glance,
    look_ahead,
    look_around,
)
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.planes.windows import Focus
from napari_sam_adapter.volume.session.session import Session

SIDE = 64
"""Side of a first window; a closer look takes half of it."""
SHAPE = (400, 300)
PLANE = Plane((0, 1))
CENTRE = (160, 140)


def small_disk():
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - CENTRE[0], columns - CENTRE[1]) <= 4


def request_at(point, image_size=2 * SIDE):
    image = np.where(small_disk(), 220, 20).astype(np.uint8)
    image[::7, ::5] += 3
    predictor = DiskPredictor(image_size=image_size)
    session = Session(image, predictor, intensity=IntensityMapping())
    return session.request(1, PLANE, Prompts().with_point(point)), predictor


def sides(predictor):
    return [len(image) for image in predictor.encoded]


def test_a_preview_encodes_no_closer_look():
    request, predictor = request_at(CENTRE)
    found = glance(request)
    assert sides(predictor) == [SIDE]
    assert np.array_equal(found.mask, small_disk())


def test_after_looking_ahead_nothing_is_encoded_for_the_click():
    request, predictor = request_at(CENTRE)
    assert len(list(look_ahead(request))) == 2
    assert sides(predictor) == [SIDE, SIDE // 2]
    answer = request.predictor.predict(PLANE, request.prompts)
    preview = glance(request)
    assert sides(predictor) == [SIDE, SIDE // 2]
    assert preview.window == answer.window
    assert np.array_equal(preview.mask, answer.mask)


def test_a_preview_takes_a_neighbouring_window_that_shows_enough():
    request, predictor = request_at(CENTRE)
    request.predictor.embed_ahead(PLANE, (160, 160))
    near, far = CENTRE, (160, 130)
    assert can_glance(request.predictor, PLANE, Focus(*near))
    assert not can_glance(request.predictor, PLANE, Focus(*far))
    assert np.array_equal(glance(request).mask, small_disk())
    assert len(predictor.encoded) == 1


def test_a_plane_that_is_not_large_is_encoded_whole():
    request, predictor = request_at(CENTRE, image_size=200)
    request.predictor.embed_ahead(PLANE)
    assert sides(predictor) == [SHAPE[0]]
    assert can_glance(request.predictor, PLANE, Focus(0, 0))


def test_around_a_place_everything_is_encoded_for_clicks_the_nearest_first():
    request, predictor = request_at(CENTRE)
    steps = look_around(request.predictor, PLANE, Focus(*CENTRE, 0.5))
    next(steps)
    assert request.predictor.is_here(PLANE, Focus(*CENTRE, 0.5))
    assert sides(predictor) == [SIDE // 2]
    assert len(list(steps)) == 24
    beside = CENTRE[0] + SIDE // 2, CENTRE[1] - SIDE // 2
    assert request.predictor.is_here(PLANE, Focus(*beside, 0.5))
    assert list(look_around(request.predictor, PLANE, Focus(*CENTRE, 0.5))) == []


def test_at_a_corner_there_is_less_around():
    request, predictor = request_at(CENTRE)
    list(look_around(request.predictor, PLANE, Focus(0, 0)))
    assert len(predictor.encoded) == 4
