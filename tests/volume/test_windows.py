"""Planes that are much larger than what a network sees at once."""

import itertools

import numpy as np
import pytest
from tests.fakes import DiskPredictor

from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.predictions import MaskPrediction, is_large
from napari_sam_adapter.prompts import Prompts, Scribble
from napari_sam_adapter.volume.asking.window_search import WindowSearch
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.planes.windows import (
    Focus,
    Window,
    all_windows,
    window_at,
)
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.session.session import Session

SIDE = 32
INPUT = 2 * SIDE
"""Side of the network's input: twice that of a first window."""
SHAPE = (200, 150)
PLANE = Plane((0, 1))


def disk(shape, centre, radius):
    rows, columns = np.indices(shape)
    return np.hypot(rows - centre[0], columns - centre[1]) <= radius


def session_of(mask):
    image = np.where(mask, 220, 20).astype(np.uint8)
    image[::7, ::5] += 3  # no window is all of one value
    predictor = DiskPredictor(image_size=INPUT)
    return Session(image, predictor, intensity=IntensityMapping()), predictor


def clicked(session, centre):
    object_id = session.new_object()
    session.add_point(object_id, PLANE, centre)
    return session.mask(object_id, PLANE)


CENTRES = list(itertools.product((10, 31, 32, 40, 63, 100, 193), (8, 47, 64, 143)))


@pytest.mark.parametrize("centre", CENTRES)
def test_a_small_object_is_the_same_wherever_it_lies(centre):
    whole = disk(SHAPE, centre, 5)
    session, predictor = session_of(whole)
    assert np.array_equal(clicked(session, centre), whole)
    assert predictor.encoded[0].shape == (SIDE, SIDE)


@pytest.mark.parametrize("radius", [12, 20, 45])
def test_a_large_object_is_seen_whole(radius):
    whole = disk(SHAPE, (90, 70), radius)
    session, predictor = session_of(whole)
    assert np.array_equal(clicked(session, (90, 70)), whole)
    shapes = [image.shape for image in predictor.encoded]
    assert shapes[0] == (SIDE, SIDE)
    assert max(shapes)[0] >= 2 * radius


def test_a_box_is_asked_in_the_finest_window_that_holds_it():
    whole = disk(SHAPE, (90, 70), 20)
    session, predictor = session_of(whole)
    object_id = session.new_object()
    session.set_box(object_id, PLANE, (69, 49, 111, 91))
    assert np.array_equal(session.mask(object_id, PLANE), whole)
    assert [image.shape for image in predictor.encoded] == [SHAPE]


def test_an_earlier_answer_counts_only_in_its_own_window():
    session, predictor = session_of(disk(SHAPE, (90, 70), 5))
    object_id = session.new_object()
    session.add_point(object_id, PLANE, (90, 70))
    session.mask(object_id, PLANE)
    session.add_point(object_id, PLANE, (92, 70))
    session.mask(object_id, PLANE)
    assert predictor.predicted[-1][1] is not None
    session.add_point(object_id, PLANE, (150, 20))  # needs a larger window
    session.mask(object_id, PLANE)
    assert predictor.predicted[-1][1] is None


def test_many_objects_share_the_windows_of_a_plane():
    centres = [(20, 20), (24, 60), (100, 75), (180, 130)]
    mask = np.logical_or.reduce([disk(SHAPE, centre, 5) for centre in centres])
    volume = np.where(np.stack([mask] * 3), 220, 20).astype(np.uint8)
    volume[:, ::7, ::5] += 3
    predictor = DiskPredictor(image_size=INPUT)
    session = Session(volume, predictor)
    ids = []
    for centre in centres:
        ids.append(session.new_object())
        session.add_point(ids[-1], Plane((1, 2), (1,)), centre)
        session.mask(ids[-1], Plane((1, 2), (1,)))
    request = session.propagation(ids)
    for result in follow(request):
        if result is not None:
            session.commit(result)
    session.finish_propagation(request)
    for object_id, centre in zip(ids, centres, strict=True):
        whole = disk(SHAPE, centre, 5)
        assert np.array_equal(session.labels[0] == object_id, whole)
        assert np.array_equal(session.labels[2] == object_id, whole)


def test_a_window_without_contrast_is_passed_over():
    whole = disk(SHAPE, (90, 70), 60)
    image = np.where(whole, 220, 20).astype(np.uint8)
    session = Session(image, DiskPredictor(image_size=INPUT))
    assert np.array_equal(clicked(session, (90, 70)), whole)


def test_only_the_window_is_read():
    class Watched:
        shape, dtype = SHAPE, np.dtype(np.uint8)
        largest = 0

        def __getitem__(self, index):
            part = np.where(disk(SHAPE, (90, 70), 5), 220, 20).astype(np.uint8)[index]
            self.largest = max(self.largest, part.size)
            return part

    watched = Watched()
    session = Session(
        watched, DiskPredictor(image_size=INPUT), intensity=IntensityMapping()
    )
    clicked(session, (90, 70))
    assert watched.largest == SIDE * SIDE


def test_a_propagation_reads_only_windows():
    class Watched:
        shape, dtype = (4, *SHAPE), np.dtype(np.uint8)
        largest = 0

        def __getitem__(self, index):
            picture = np.where(disk(SHAPE, (90, 70), 5), 220, 20).astype(np.uint8)
            picture[::7, ::5] += 3
            part = picture[index[1:]]
            self.largest = max(self.largest, part.size)
            return part

    watched = Watched()
    predictor = DiskPredictor(image_size=INPUT)
    session = Session(watched, predictor, intensity=IntensityMapping())
    object_id = session.new_object()
    seed = Plane((1, 2), (1,))
    session.add_point(object_id, seed, (90, 70))
    session.mask(object_id, seed)
    results = list(propagate(session, object_id))
    assert {result.plane.position[0] for result in results} == {0, 2, 3}
    for result in results:
        assert np.array_equal(result.mask, disk(SHAPE, (90, 70), 5))
        assert result.cues is not None
        assert result.cues.likeness == 1
    assert watched.largest <= 4 * SIDE * SIDE


def test_a_plane_is_embedded_ahead_where_the_user_looks():
    session, predictor = session_of(disk(SHAPE, (90, 70), 5))
    session.encode_plane(PLANE, near=(90, 70))
    clicked(session, (90, 70))
    assert len([image for image in predictor.encoded if len(image) == SIDE]) == 1


def test_planes_of_twice_the_side_are_not_cut():
    assert not is_large((128, 20), INPUT)
    assert is_large((20, 129), INPUT)


def test_all_windows_cover_the_plane():
    seen = np.zeros(SHAPE, int)
    for window in all_windows(SHAPE, SIDE):
        assert window.shape == (SIDE, SIDE)
        seen[window.slices] += 1
    assert seen.min() >= 1
    assert all(
        window_at((row, column), SHAPE, SIDE) in all_windows(SHAPE, SIDE)
        for row in range(0, 200, 7)
        for column in range(0, 150, 7)
    )


def answer(window, rows, score=0.9):
    mask = np.zeros(window.shape, bool)
    mask[:rows, 5:9] = True
    return MaskPrediction(mask, score, np.zeros((2, 2), np.float32))


def test_a_search_grows_to_the_plane():
    search = WindowSearch(Prompts([(100, 75)]), SHAPE, INPUT)
    seen = []
    while search.window is not None:
        seen.append(search.window.shape)
        search.take(answer(search.window, search.window.shape[0]))
    assert seen == [(32, 32), (64, 64), (128, 128), SHAPE]


@pytest.mark.parametrize(("score", "taken"), [(0.8, False), (0.88, True), (0.95, True)])
def test_a_closer_look_counts_if_it_is_about_as_good(score, taken):
    search = WindowSearch(Prompts([(100, 75)], reduction=8), SHAPE, INPUT)
    plane = search.window
    assert search.is_whole
    small = np.zeros(SHAPE, bool)
    small[95:104, 70:79] = True
    search.take(MaskPrediction(small, 0.9, np.zeros((2, 2), np.float32)))
    closer = search.window
    assert closer is not None
    assert closer.shape == (32, 32)
    inside = small[closer.slices].copy()
    search.take(MaskPrediction(inside, score, np.zeros((2, 2), np.float32)))
    assert search.window is None
    assert search.answer.window == (closer if taken else plane)


def test_prompts_are_cropped():
    mask = np.zeros(SHAPE, bool)
    mask[50:60, 40:50] = True
    prompts = Prompts(
        [(50, 45), (5, 5)],
        [True, False],
        (48, 38, 62, 52),
        (Scribble([(49, 41), (58, 49), (150, 140)]),),
        mask,
    )
    inside = Window(40, 30, 72, 62).crop(prompts)
    assert inside.points.tolist() == [[10, 15]]
    assert inside.box == (8, 8, 22, 22)
    assert inside.scribbles[0].path.tolist() == [[9, 11], [18, 19]]
    assert inside.mask is not None
    assert inside.mask.sum() == 100


@pytest.mark.parametrize(
    ("reduction", "shape"),
    [(1, (32, 32)), (1.2, (32, 32)), (2, (64, 64)), (4, (128, 128)), (64, SHAPE)],
)
def test_the_first_look_is_as_coarse_as_the_view(reduction, shape):
    prompts = Prompts([(100, 75)], reduction=reduction)
    search = WindowSearch(prompts, SHAPE, INPUT)
    assert search.window is not None
    assert search.window.shape == shape
    session, predictor = session_of(disk(SHAPE, (100, 75), 5))
    session.encode_plane(PLANE, Focus(100, 75, reduction))
    assert predictor.encoded[0].shape == shape


def test_the_view_does_not_matter_where_the_size_is_known():
    box = Prompts(box=(90, 65, 110, 85), reduction=16)
    search = WindowSearch(box, SHAPE, INPUT)
    assert search.window is not None
    assert search.window.shape == (128, 128)
