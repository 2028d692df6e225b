"""Small objects of a plane that is not large: they are looked at closer."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.volume.conftest import ball, paint_balls

from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.seeds import typical_size
from napari_sam_adapter.volume.asking.first_look import compute_in_looks
from napari_sam_adapter.volume.asking.glancing import glance
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

SHAPE = (1, 100, 80)
PLANE = Plane((1, 2), (0,))
HALF = (50, 50)
CENTRES = [(0, row, column) for row in (10, 50, 88) for column in (12, 40, 66)]


class WindowPredictor(MarkingDiskPredictor):
    """Marks a corner of what it was shown: masks depend on the window."""

    def predict_many(self, embedding, prompts_list):
        for answer in (answers := super().predict_many(embedding, prompts_list)):
            answer.mask[20, 20] = True
        return answers


def balls_of(radius, centres=CENTRES):
    return [ball(centre, (1, radius, radius), SHAPE) for centre in centres]


@pytest.fixture
def small():
    return paint_balls(*balls_of(5))


def session_on(volume, **options):
    return Session(volume, MarkingDiskPredictor(image_size=160), **options)


def shapes_encoded(session):
    return [image.shape for image in session.predictor.encoded]


def test_small_objects_are_looked_at_through_windows(small):
    session = session_on(small)
    assert len(find_objects(session, PLANE)) == len(CENTRES)
    assert np.array_equal(session.labels > 0, small > 127)
    first, *closer = shapes_encoded(session)
    assert first == SHAPE[1:]
    assert set(closer) == {HALF}


def test_large_objects_are_looked_at_once():
    volume = paint_balls(*balls_of(22, [(0, 24, 24), (0, 74, 54)]))
    session = session_on(volume)
    assert len(find_objects(session, PLANE)) == 2
    assert shapes_encoded(session) == [SHAPE[1:]]


def test_a_large_one_among_small_ones_is_not_cut_off():
    centres = [(0, row, 70) for row in (10, 30, 50, 70, 90)]
    large = ball((0, 50, 30), (1, 28, 28), SHAPE)
    session = session_on(paint_balls(large, *balls_of(5, centres)))
    assert len(find_objects(session, PLANE)) == 6
    number = session.labels[0, 50, 30]
    assert np.array_equal(session.labels == number, large)


def test_a_correction_looks_as_closely(small):
    session = session_on(small)
    number, *_ = find_objects(session, PLANE)
    asked = len(session.predictor.encoded)
    ((row, column),) = session.prompts(number, PLANE).points
    session.add_point(number, PLANE, (row, column + 4), positive=False)
    area = np.count_nonzero(session.labels == number)
    assert 0 < np.count_nonzero(session.mask(number, PLANE)) < area
    assert len(session.predictor.encoded) == asked
    assert session.predictor.predicted[-1][1] is not None  # the mask so far


def test_the_journal_looks_as_closely(small, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(small, WindowPredictor(image_size=160), journal=path)
    find_objects(session, PLANE)
    again = replay(path, small, WindowPredictor(image_size=160))
    assert session.object_ids
    assert np.array_equal(again.labels, session.labels)


def test_what_is_larger_than_the_window_fits_into_a_larger_one(small):
    session = session_on(small)
    number = session.new_object()
    box = (2.0, 2.0, 97.0, 77.0)
    session.set_prompts(number, PLANE, Prompts(box=box, reduction=0.5))
    session.mask(number, PLANE)
    assert shapes_encoded(session) == [SHAPE[1:]]


def test_the_typical_size_is_that_of_the_middle_piece():
    inside = paint_balls(*balls_of(5), ball((0, 30, 26), (1, 8, 8), SHAPE))[0] > 127
    inside[0, 0] = True
    assert typical_size(inside, 10) == pytest.approx(10, abs=0.6)
    assert typical_size(np.zeros((4, 4), bool), 10) == 0


@pytest.mark.parametrize("reduction", [0.5, 0.001])
def test_the_closest_look_shows_more_than_a_pixel(reduction):
    session = session_on(np.array([[[200, 0], [0, 0]]], np.uint8))
    number = session.new_object()
    session.set_prompts(number, PLANE, Prompts([[0, 0]], reduction=reduction))
    assert session.mask(number, PLANE)[0, 0]


def test_what_needs_the_whole_plane_shares_its_embedding():
    session = session_on(paint_balls(ball((0, 50, 40), (1, 35, 35), SHAPE)))
    session.encode_plane(PLANE)
    number = session.new_object()
    session.set_prompts(number, PLANE, Prompts([[50, 40]], reduction=0.5))
    assert session.mask(number, PLANE)[50, 10]
    assert shapes_encoded(session) == [SHAPE[1:], HALF]


def test_a_preview_encodes_no_closer_look(small):
    session = session_on(small)
    session.encode_plane(PLANE)
    prompts = Prompts([[50, 40]], reduction=0.5)
    found = glance(session.request(1, PLANE, prompts))
    assert found.mask[50, 40]
    assert found.window is None
    assert shapes_encoded(session) == [SHAPE[1:]]
    session.predictor.encoded.clear()
    list(compute_in_looks(session.request(1, PLANE, prompts)))
    assert glance(session.request(1, PLANE, prompts)).window is not None
    assert shapes_encoded(session) == [HALF]
