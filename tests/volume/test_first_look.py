"""A first look is shown on the way to the same answer."""

import numpy as np
from tests.volume.test_glancing import CENTRE, PLANE, SHAPE, request_at, small_disk

from napari_sam_adapter.volume.asking.first_look import FirstLook, compute_in_looks


def answer(request):
    return request.predictor.predict(PLANE, request.prompts)


def test_the_first_window_is_shown_before_the_closer_one_is_encoded():
    request, predictor = request_at(CENTRE)
    looks = compute_in_looks(request)
    first = next(looks)
    assert isinstance(first, FirstLook)
    assert len(predictor.encoded) == 1
    assert np.array_equal(first.prediction.mask, small_disk())
    result = next(looks)
    assert not list(looks)
    assert len(predictor.encoded) == 2
    assert np.array_equal(result.mask, answer(request).mask)
    assert result.score == answer(request).score
    assert result.prediction.window == answer(request).window


def test_nothing_is_shown_before_an_answer_that_comes_at_once():
    request, _ = request_at(CENTRE)
    answer(request)
    (result,) = compute_in_looks(request)
    assert np.array_equal(result.mask, small_disk())


def test_a_plane_that_is_not_large_has_one_look():
    request, predictor = request_at(CENTRE, image_size=SHAPE[0])
    (result,) = compute_in_looks(request)
    assert np.array_equal(result.mask, small_disk())
    assert len(predictor.encoded) == 1
