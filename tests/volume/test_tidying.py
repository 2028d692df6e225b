"""Holes of objects are filled and specks removed; what is not theirs stays."""

import json

import numpy as np
import pytest
from tests.fakes import DiskPredictor

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.document.edits import (
    Accept,
    LockPlane,
    Paint,
    SetPrompts,
)
from napari_sam_adapter.volume.document.journal_entries import Undo
from napari_sam_adapter.volume.document.object_edits import LockObject, TidyObject
from napari_sam_adapter.volume.document.tidying import TidyCount
from napari_sam_adapter.volume.journal.journal_lines import edit_from_json, edit_to_json
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session
from napari_sam_adapter.volume.session.tidying_all import tidy_all

PLANE = Plane((0, 1))
BODY, HOLE, BIG_HOLE = np.s_[2:22, 2:22], np.s_[6:8, 6:8], np.s_[10:19, 10:19]
SPECK = np.s_[27:29, 27:29]


def ragged():
    """A square with a small and a large hole, and a speck beside it."""
    labels = np.zeros((32, 32), np.int32)
    labels[BODY] = labels[SPECK] = 1
    labels[HOLE] = labels[BIG_HOLE] = 0
    return labels


def clean():
    labels = ragged()
    labels[HOLE], labels[SPECK] = 1, 0
    return labels


def session_of(labels, **others):
    return Session(np.zeros(labels.shape, np.uint8), labels=labels, **others)


@pytest.fixture
def session():
    return session_of(ragged())


def test_a_small_hole_is_filled_and_a_speck_removed(session):
    changes = session.apply(TidyObject(1))
    assert np.array_equal(session.labels, clean())
    assert TidyCount(changes).words == "1 hole filled, 1 speck removed."
    assert session.objects.words_for_next(Undo()) == "tidying of object 1"


def test_sizes_say_what_is_filled_and_removed(session):
    session.apply(TidyObject(1, largest_hole=0, smallest_piece=0))
    assert np.array_equal(session.labels, ragged())
    assert not session.can_undo
    session.apply(TidyObject(1, largest_hole=3, smallest_piece=4))
    assert np.array_equal(session.labels, ragged())
    session.apply(TidyObject(1, largest_hole=81, smallest_piece=5))
    assert (session.labels[BODY] == 1).all()
    assert not session.labels[SPECK].any()


def test_the_largest_piece_of_a_slice_stays_however_small_it_is():
    labels = np.zeros((3, 9, 9), np.int32)
    labels[0, 2, 2] = labels[1, 0:2, 0] = labels[1, 5, 5] = 1
    labels[2, 8, 8] = labels[2, 0, 8] = 1
    session = session_of(labels.copy())
    changes = session.apply(TidyObject(1, smallest_piece=50))
    assert session.labels.sum(axis=(1, 2)).tolist() == [1, 2, 1]
    assert TidyCount(changes).words == "2 specks removed on 2 slices."


def test_pieces_that_touch_at_a_corner_are_one_and_close_a_hole():
    labels = np.zeros((12, 12), np.int32)
    labels[range(12), range(12)] = 1
    labels[0:5, 0:5] = 1
    labels[[1, 2, 2, 3], [2, 1, 3, 2]], labels[2, 2] = 1, 0
    labels[0, 0:5] = labels[0:5, 0] = 1
    session = session_of(labels)
    session.apply(TidyObject(1))
    assert session.labels[2, 2] == 1
    assert session.labels[11, 11] == 1


def test_other_objects_in_a_hole_keep_their_pixels(session):
    session.labels[6, 6] = 0
    session.apply(Paint(PLANE, np.array([[6, 6]]), 2))
    session.apply(TidyObject(1))
    assert session.labels[6, 6] == 2
    assert session.labels[7, 7] == session.labels[6, 7] == 1


def test_a_click_keeps_a_hole_open_and_a_piece_there(session):
    clicks = Prompts([(7, 7), (28, 28), (-0.4, 31.4)], [False, True, True])
    session.apply(SetPrompts(1, PLANE, clicks))
    session.apply(TidyObject(1))
    assert np.array_equal(session.labels, ragged())


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (0, 2), (1, 0)])
def test_clicks_on_slices_along_any_axes_are_spared(axes):
    labels = np.zeros((9, 32, 32), np.int32)
    labels[:, 4:24, 4:24] = labels[4, 28, 28] = labels[4, 2, 2] = 1
    labels[4, 10, 15] = labels[6, 20, 20] = 0
    session = session_of(labels)
    slice_4 = Prompts([(10, 15), (2, 2)], [False, True])
    session.apply(SetPrompts(1, Plane((1, 2), 4), slice_4))
    session.apply(SetPrompts(1, Plane((0, 1), 28), Prompts([(4, 28)], [True])))
    session.apply(TidyObject(1, axes))
    assert not session.labels[4, 10, 15]
    assert session.labels[4, 28, 28] == session.labels[4, 2, 2] == 1
    assert session.labels[6, 20, 20] == 1


def test_a_hole_with_another_object_across_it_is_one():
    labels = ragged()
    labels[HOLE] = 1
    labels[6:9, 6:9] = 0
    labels[7, 6:9] = 2
    labels[27, 27:30] = 1
    session = session_of(labels)
    changes = session.apply(TidyObject(1))
    assert TidyCount(changes).words == "1 hole filled, 1 speck removed."
    assert (session.labels == 2).sum() == 3


def test_painted_and_erased_pixels_stay():
    session = session_of(np.zeros((32, 32), np.int32))
    session.apply(Paint(PLANE, np.argwhere(np.ones((20, 20), bool)) + 2, 1))
    session.apply(Paint(PLANE, np.argwhere(np.ones((2, 2), bool)) + 6, 0))
    session.apply(Paint(PLANE, np.argwhere(np.ones((2, 2), bool)) + 27, 1))
    before = session.labels.copy()
    assert session.apply(TidyObject(1)) == []
    assert np.array_equal(session.labels, before)


def test_locked_objects_are_refused_and_locked_slices_left_alone():
    session = session_of(np.stack([ragged()] * 3))
    session.apply(LockPlane(1, Plane((1, 2), 1)))
    session.apply(TidyObject(1))
    assert np.array_equal(session.labels, [clean(), ragged(), clean()])
    session.apply(LockObject(1))
    with pytest.raises(SessionError, match="locked object 1"):
        session.apply(TidyObject(1))
    with pytest.raises(SessionError, match="of this session"):
        session.apply(TidyObject(5))


def test_an_object_that_cannot_be_changed_gets_no_step(followed):
    in_hole = np.argwhere(np.ones((3, 3), bool)) + np.array([20, 14])
    followed.apply(Paint(HOLED, in_hole, 2))
    followed.new_object()
    followed.undo()
    changes = followed.apply(TidyObject(1))
    assert TidyCount(changes).words == "Nothing to tidy."
    assert followed.can_redo
    assert followed.objects.words_for_next(Undo()) == "stroke on object 2"


def test_all_objects_are_tidied_at_once_or_none():
    both = np.concatenate([ragged(), 2 * ragged()])
    session = session_of(both.copy())
    session.apply(LockObject(2))
    with pytest.raises(SessionError, match="locked object 2"):
        tidy_all(session, (0, 1))
    assert np.array_equal(session.labels, both)
    session.undo()
    session.apply(Accept(2))
    count = tidy_all(session, (0, 1))
    assert count.words == "2 holes filled, 2 specks removed."
    assert np.array_equal(session.labels, np.concatenate([clean(), 2 * clean()]))


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (0, 2), (2, 0), (2, 1)])
def test_slices_run_along_the_axes_that_are_given(axes):
    stack = np.stack([ragged()] * 2)
    (other,) = {0, 1, 2} - set(axes)
    labels = np.ascontiguousarray(np.moveaxis(stack, 0, other))
    session = session_of(labels)
    session.apply(TidyObject(1, axes))
    assert np.array_equal(np.moveaxis(session.labels, other, 0), [clean()] * 2)


def test_every_time_of_a_series_of_volumes_is_tidied():
    labels = np.zeros((3, 4, 32, 32), np.int32)
    labels[0, 1], labels[2, 3] = ragged(), ragged()
    session = session_of(labels)
    changes = session.apply(TidyObject(1))
    assert TidyCount(changes).words == "2 holes filled, 2 specks removed on 2 slices."
    assert np.array_equal(session.labels[2, 3], clean())


def test_smoothing_evens_the_outline_but_leaves_small_pieces():
    labels = np.zeros((40, 40), np.int32)
    labels[5:30, 5:30] = labels[4, 15] = labels[36, 36] = 1
    labels[10, 5] = 0
    session = session_of(labels)
    session.apply(TidyObject(1, smallest_piece=0, smoothing=2))
    assert session.labels[4, 15] == 0
    assert session.labels[10, 5] == session.labels[36, 36] == 1
    whole = session_of(np.ones((20, 20), np.int32))
    assert whole.apply(TidyObject(1, smoothing=3)) == []


def test_undo_redo_and_replay_give_the_same(tmp_path):
    path, given = tmp_path / "journal.jsonl", np.stack([ragged()] * 2)
    session = session_of(given.copy(), journal=path)
    session.apply(TidyObject(1, (0, 2)), TidyObject(1, smoothing=0.7))
    after = session.labels.copy()
    session.undo()
    assert np.array_equal(session.labels, given)
    session.redo()
    assert np.array_equal(session.labels, after)
    image = np.zeros(given.shape, np.uint8)
    assert np.array_equal(
        replay(path, image, DiskPredictor(), labels=given).labels, after
    )


def found_ahead(session):
    *_, found = session.objects.tidy_search(TidyObject(1)).steps()
    return TidyObject(1, found=found)


def test_what_was_found_ahead_is_done(session):
    edit = found_ahead(session)
    assert edit_from_json(json.loads(json.dumps(edit_to_json(edit)))) == TidyObject(1)
    session.apply(edit)
    assert np.array_equal(session.labels, clean())


def test_what_was_found_of_another_object_edit_or_moment_is_refused(session):
    edit = found_ahead(session)
    other = session_of(ragged())
    session.apply(Paint(PLANE, np.array([[30, 2]]), 1))
    wrong = [(other, edit), (session, edit)]
    fresh = found_ahead(session).found
    wrong.append((session, TidyObject(1, smoothing=1, found=fresh)))
    for refusing, refused in wrong:
        with pytest.raises(SessionError, match=r"changed meanwhile\. Tidy it again"):
            refusing.apply(refused)


@pytest.mark.parametrize(
    "wrong",
    [
        {"largest_hole": -1}, {"smallest_piece": 2.5}, {"smoothing": float("nan")},
        {"smoothing": 101}, {"smoothing": "much"}, {"largest_hole": True},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SessionError, match=f"Expected .*{next(iter(wrong))}"):
        TidyObject(1, **wrong)


def test_axes_that_are_none_are_refused(session):
    for axes in ((0, 2), (1, 1), (0.5, 1), (0,)):
        with pytest.raises(PlaneError, match="Expected"):
            session.apply(TidyObject(1, axes))


def test_numbers_of_numpy_become_plain(session):
    edit = TidyObject(
        np.int64(1), (np.int64(0), np.int8(1)), np.uint8(4), np.int32(5), np.float32(0)
    )
    assert edit == TidyObject(1, (0, 1), 4, 5)
    json.dumps(edit_to_json(edit))


SEED, HOLED = Plane((1, 2), 0), Plane((1, 2), 2)


@pytest.fixture
def followed():
    """A disk that was followed through a volume; it has a hole on one slice."""
    rows, columns = np.ogrid[:40, :40]
    disk = (rows - 20) ** 2 + (columns - 20) ** 2 <= 144
    image = np.stack([np.where(disk, 200, 20).astype(np.uint8)] * 4)
    image[2, 20:23, 14:17] = 20
    session = Session(image, DiskPredictor())
    session.add_point(session.new_object(), SEED, (20, 20))
    session.mask(1, SEED)
    assert len(list(propagate(session, 1, seed=SEED))) == 3
    assert not session.labels[2, 21, 15]
    return session


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (0, 2), (1, 0)])
def test_a_click_on_a_followed_slice_corrects_the_tidied_mask(followed, axes):
    before = followed.labels.copy()
    followed.apply(TidyObject(1, axes))
    assert followed.labels[2, 21, 15]
    assert followed.objects.words_for_next(Undo()) == "tidying of object 1"
    followed.add_point(1, HOLED, (12, 20), positive=False)
    asked = followed.request(1, HOLED).prompts
    assert np.array_equal(asked.mask, followed.labels[2] == 1)
    followed.mask(1, HOLED)
    assert not followed.labels[2, 12, 20]
    for _ in range(2):
        followed.undo()
    assert np.array_equal(followed.labels, before)
    followed.add_point(1, HOLED, (12, 20), positive=False)
    assert not followed.request(1, HOLED).prompts.mask[21, 15]


def test_a_click_refines_the_answer_that_was_tidied(followed):
    followed.apply(Paint(SEED, np.array([[2, 2]]), 2))
    followed.apply(TidyObject(1))
    followed.add_point(1, SEED, (12, 20), positive=False)
    followed.mask(1, SEED)
    own = followed.labels[0] == 1
    assert own[20, 20]
    assert not own[12, 20]


def test_tidied_slices_are_followed_anew_only_if_they_have_to(followed):
    followed.apply(TidyObject(1))
    assert followed.anchors(1) == [SEED]
    assert list(propagate(followed, 1, seed=SEED)) == []
    assert followed.labels[2, 21, 15]
    list(propagate(followed, 1, seed=SEED, again=True))
    assert not followed.labels[2, 21, 15]


def test_a_mask_on_its_way_is_still_wanted(followed):
    followed.add_point(1, HOLED, (12, 20), positive=False)
    request = followed.request(1, HOLED)
    followed.apply(TidyObject(1))
    assert followed.is_current(request)
    assert followed.commit(followed.compute(request))
