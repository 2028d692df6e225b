"""Every object of a volume, by looking at one plane after the other."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.volume.conftest import LEFT, RIGHT, SHAPE

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.volume.document.edits import DeleteObject, Paint
from napari_sam_adapter.volume.document.journal_entries import Undo
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    SetOverlapRule,
)
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.finding.search_steps import (
    FindPart,
    FollowPart,
    LookPart,
)
from napari_sam_adapter.volume.finding.volume_search import (
    Following,
    SearchedPlane,
    find_in_volume,
    search_parts,
)
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import (
    PropagationSettings,
    StopRule,
    propagate,
)
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session.session import Session

PLANES = [Plane((1, 2), (z,)) for z in range(SHAPE[0])]


@pytest.fixture
def predictor():
    return MarkingDiskPredictor()


def seen(steps):
    return [(step.plane.position[0], len(step.object_ids)) for step in steps]


def test_every_object_is_found_once_and_followed(session, volume):
    steps = list(find_in_volume(session, PLANES))
    assert sum(count for _, count in seen(steps)) == 2
    assert session.object_ids == [1, 2]
    assert {session.labels[LEFT], session.labels[RIGHT]} == {1, 2}
    bright = volume > 127
    assert (session.labels[bright] > 0).mean() > 0.8
    assert not session.labels[~bright].any()


def test_it_is_what_finding_and_following_by_hand_gives(session, volume):
    list(find_in_volume(session, PLANES))
    by_hand = Session(volume, MarkingDiskPredictor())
    for plane in PLANES:
        found = find_objects(by_hand, plane)
        if found:
            list(propagate(by_hand, found, seed=plane))
    assert np.array_equal(session.labels, by_hand.labels)


def test_all_planes_along_the_last_two_axes_are_searched_by_default(session):
    steps = list(find_in_volume(session))
    assert [step.plane for step in steps] == PLANES


def test_without_following_each_plane_has_objects_of_its_own(session):
    steps = list(find_in_volume(session, PLANES[3:6], follow=False))
    assert seen(steps) == [(3, 2), (4, 2), (5, 2)]
    assert len(session.object_ids) == 6
    assert not session.labels[[2, 6]].any()


def test_nothing_is_written_outside_the_range(session):
    list(find_in_volume(session, PLANES[4:5], axis=0, start=3, stop=5))
    written = session.labels.any(axis=(1, 2))
    assert np.flatnonzero(written).tolist() == [3, 4, 5]


def test_what_cannot_say_that_it_is_enough_is_refused_before_the_work(session):
    with pytest.raises(SessionError, match="Expected is_enough to be a function"):
        next(find_in_volume(session, PLANES, is_enough=True))
    assert session.object_ids == []


@pytest.mark.parametrize("follow", [True, False])
def test_only_planes_of_the_range_are_looked_at_by_default(session, follow):
    steps = list(find_in_volume(session, follow=follow, start=3, stop=5))
    assert [step.plane for step in steps] == PLANES[3:6]
    assert np.flatnonzero(session.labels.any(axis=(1, 2))).tolist() == [3, 4, 5]


def test_a_search_that_is_enough_keeps_objects_whose_end_was_not_seen(session):
    steps = []
    for step in find_in_volume(session, PLANES, is_enough=lambda: len(steps) == 4):
        assert not session.object_ids or step.plane == PLANES[4]
        steps.append(step)
    assert seen(steps)[-1] == (4, 2)
    assert {session.labels[LEFT], session.labels[RIGHT]} == {1, 2}


def test_the_loop_may_say_itself_that_it_is_enough(session):
    enough = threading.Event()
    steps = []
    for step in find_in_volume(session, PLANES, is_enough=enough.is_set):
        steps.append(step)
        enough.set()
    assert [step.plane for step in steps] == PLANES[:2]


def test_without_following_the_plane_that_is_enough_is_the_last(session):
    steps = find_in_volume(session, PLANES[3:6], follow=False, is_enough=lambda: True)
    assert seen(steps) == [(3, 2)]
    assert session.object_ids == [1, 2]


@pytest.mark.parametrize("follow", [True, False])
def test_a_plane_given_twice_is_looked_at_once(session, follow):
    steps = list(find_in_volume(session, [PLANES[4]] * 2, follow=follow))
    assert seen(steps) == [(4, 2)]


@pytest.mark.parametrize("axes", [(0, 1), (2, 0)])
def test_planes_may_lie_along_any_axes(session, volume, axes):
    (axis,) = {0, 1, 2}.difference(axes)
    planes = [Plane(axes, (i,)) for i in range(volume.shape[axis])]
    assert sum(count for _, count in seen(find_in_volume(session, planes))) == 2
    assert (session.labels[volume > 127] > 0).mean() > 0.8


def test_only_the_time_of_the_planes_is_searched(volume):
    film = Session(np.stack([volume] * 3), MarkingDiskPredictor())
    planes = [Plane((2, 3), (1, z)) for z in range(SHAPE[0])]
    list(find_in_volume(film, planes, axis=1))
    assert film.object_ids == [1, 2]
    assert not film.labels[[0, 2]].any()


def test_planes_that_show_nothing_are_passed_over(volume):
    volume[2] = 0
    session = Session(volume, MarkingDiskPredictor())
    steps = list(find_in_volume(session, PLANES))
    assert [step.place for step in steps if step.problem] == ["2"]
    assert session.object_ids == [1, 2]


@pytest.mark.parametrize("follow", [True, False])
def test_all_of_it_is_one_step(session, follow):
    session.new_object()
    list(find_in_volume(session, PLANES, follow=follow))
    labels, ids = session.labels.copy(), session.object_ids
    words = session.objects.words_for_next(Undo())
    assert words == f"search that found {len(ids) - 1} objects"
    session.undo()
    assert session.object_ids == [1]
    assert not session.labels.any()
    session.redo()
    assert np.array_equal(session.labels, labels)
    assert session.object_ids == ids


@pytest.mark.parametrize("follow", [True, False])
def test_a_search_that_found_one_object_is_called_one(volume, follow):
    volume[:, :, 20:] = 0
    session = Session(volume, MarkingDiskPredictor())
    list(find_in_volume(session, PLANES[4:5], follow=follow))
    assert session.object_ids == [1]
    words = session.objects.words_for_next(Undo())
    assert words == "search that found 1 object"


def test_two_searches_are_two_steps(session):
    list(find_in_volume(session, PLANES[:4], follow=False))
    labels = session.labels.copy()
    list(find_in_volume(session, PLANES[4:], follow=False))
    assert not np.array_equal(session.labels, labels)
    session.undo()
    assert np.array_equal(session.labels, labels)


def test_what_was_done_meanwhile_is_a_step_of_its_own(session):
    steps = find_in_volume(session, PLANES[:5], start=0, stop=4)
    assert next(step for step in steps if step.object_ids)
    clicked = session.new_object()
    list(steps)
    while clicked in session.object_ids:
        session.undo()
    assert session.object_ids
    session.undo()
    assert not session.object_ids


def test_the_loop_may_be_left_at_any_time(session):
    for step in find_in_volume(session, PLANES):
        if step.object_ids:
            break
    assert session.labels.any()
    session.undo()
    assert not session.labels.any()


def test_it_ends_where_another_network_is_chosen(session):
    steps = find_in_volume(session, PLANES)
    next(steps)
    session.predictor = MarkingDiskPredictor(model="other")
    with pytest.raises(SessionError, match="Search again"):
        next(steps)


@pytest.mark.parametrize("before", [1, 2])
def test_nothing_is_made_or_followed_by_another_network(session, before):
    parts = search_parts(session, PLANES[4:5], Following())
    for _ in range(before):
        take_in(next(parts))
    session.predictor = MarkingDiskPredictor(model="other")
    with pytest.raises(SessionError, match="Search again"):
        next(parts)


@pytest.mark.parametrize("kind", [LookPart, FindPart, FollowPart])
def test_a_part_knows_that_another_network_was_set_meanwhile(session, kind):
    parts = search_parts(session, PLANES[4:5], Following())
    while not isinstance(part := next(parts), kind):
        take_in(part)
    part.check()
    session.predictor = MarkingDiskPredictor(model="other")
    with pytest.raises(SessionError, match="Search again"):
        part.check()


def test_what_was_deleted_or_locked_meanwhile_is_not_followed(session):
    parts = search_parts(session, PLANES[4:5], Following())
    take_in(next(parts))
    take_in(next(parts))
    session.apply(DeleteObject(1))
    session.apply(LockObject(2))
    assert not isinstance(next(parts), FollowPart)


def test_what_is_labelled_meanwhile_is_not_found_there(session, volume):
    parts = search_parts(session, PLANES[4:5], Following())
    take_in(next(parts))
    session.apply(Paint(PLANES[4], volume[4] > 127, session.new_object()))
    painted = session.labels.copy()
    take_in(next(parts))
    assert isinstance(next(parts), SearchedPlane)
    assert session.object_ids == [1]
    assert np.array_equal(session.labels, painted)


@pytest.mark.parametrize("order", [1, -1], ids=["upwards", "downwards"])
def test_an_object_is_followed_from_the_middle(session, volume, order):
    list(find_in_volume(session, PLANES[::order]))
    for number, place in ((session.labels[LEFT], LEFT), (session.labels[RIGHT], RIGHT)):
        (anchor,) = session.anchors(int(number))
        seen = np.flatnonzero(volume[:, place[1], place[2]] > 127)
        assert anchor == PLANES[seen[len(seen) // 2]]


def test_objects_come_when_they_have_ended(volume):
    volume[5:, :, 20:] = 0  # the right one ends before the left one
    session = Session(volume, MarkingDiskPredictor())
    steps = list(find_in_volume(session, PLANES))
    assert len([step for step in steps if step.object_ids]) == 2


def test_what_shows_on_one_plane_alone_is_left_out(volume):
    volume[[0, 1, 2, 3, 5, 6, 7, 8], :, 20:] = 0
    session = Session(volume, MarkingDiskPredictor())
    list(find_in_volume(session, PLANES))
    assert session.object_ids == [1]
    assert not session.labels[:, :, 20:].any()


@pytest.mark.parametrize("first", [0, 1])
def test_objects_between_planes_that_show_nothing_are_found_once(volume, first):
    bright = volume > 127
    volume[first::2] = 0
    session = Session(volume, MarkingDiskPredictor())
    list(find_in_volume(session, PLANES))
    assert session.object_ids == [1, 2]
    assert (session.labels[volume > 127] > 0).mean() > 0.8
    assert not session.labels[~bright].any()


def test_objects_between_labelled_planes_are_found(volume):
    bright = volume > 127
    labels = np.zeros(SHAPE, np.int32)
    labels[1::2][bright[1::2]] = 1
    session = Session(volume, MarkingDiskPredictor(), labels=labels)
    list(find_in_volume(session, PLANES))
    assert (session.labels[bright] > 0).mean() > 0.9


@pytest.mark.parametrize(("axes", "found"), [("tyx", range(8)), ("zyx", (0, 7))])
def test_along_time_what_moves_far_is_not_taken_for_noise(axes, found):
    film = np.full((8, 40, 64), 20, np.uint8)
    for time in range(8):
        film[time, 10:18, 8 * time : 8 * time + 7] = 220
    session = Session(film, MarkingDiskPredictor(), axes=axes)
    list(find_in_volume(session))
    shown = (session.labels > 0) & (film > 127)
    assert np.flatnonzero(shown.any(axis=(1, 2))).tolist() == list(found)


class FailingVolume:
    """An array of which some planes can be read only so many times."""

    def __init__(self, array, times):
        self._array, self._times = array, dict(times)
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        first = index[0] if isinstance(index, tuple) else index
        if first in self._times:
            self._times[first] -= 1
            if self._times[first] < 0:
                raise OSError("disk gone")
        return self._array[index]


def failing_session(volume, times):
    """Return a session that keeps no plane; the middle one is read once more before."""
    volume = FailingVolume(volume, times)
    return Session(volume, MarkingDiskPredictor(), cache_bytes=0)


def test_an_object_whose_middle_cannot_be_read_again_is_made_beside_it(volume):
    session = failing_session(volume, {4: 2})
    steps = list(find_in_volume(session, PLANES))
    assert not any(step.problem for step in steps)
    assert [session.anchors(number) for number in (1, 2)] == [[PLANES[3]]] * 2


def test_an_object_that_cannot_be_read_again_is_told(volume):
    session = failing_session(volume, {3: 1, 4: 2, 5: 1})
    *steps, last = find_in_volume(session, [*PLANES[3:6], PLANES[8]])
    assert not any(step.problem for step in steps)
    assert "disk gone" in last.problem
    assert not session.object_ids


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"axis": 1}, PlaneError),
        ({"start": 4, "stop": 20}, PlaneError),
        ({"start": 4, "stop": 5}, PlaneError),
    ],
)
def test_a_range_that_does_not_fit_is_refused_before_the_search(
    session, options, error
):
    with pytest.raises(error):
        next(find_in_volume(session, PLANES, **options))
    assert not session.object_ids


def test_a_picture_has_nothing_to_follow_through(volume):
    picture = Session(volume[4], MarkingDiskPredictor())
    with pytest.raises(SessionError, match="volume"):
        next(find_in_volume(picture, [Plane((0, 1))]))
    assert seen_ids(find_in_volume(picture, [Plane((0, 1))], follow=False)) == [1, 2]


def seen_ids(steps):
    return [number for step in steps for number in step.object_ids]


def test_found_objects_are_corrected_as_any(session):
    list(find_in_volume(session, PLANES))
    number = int(session.labels[LEFT])
    (anchor,) = session.anchors(number)
    assert len(session.prompts(number, anchor).points) == 1
    session.add_point(number, PLANES[4], (14, 10), positive=False)
    assert not session.mask(number, PLANES[4])[14, 10]


def test_a_replay_gives_the_same_labels_and_steps(volume, tmp_path):
    path = tmp_path / "cells.jsonl"
    session = Session(volume, MarkingDiskPredictor(), journal=path)
    list(find_in_volume(session, PLANES[:4]))
    session.undo()
    list(find_in_volume(session, PLANES[:2]))
    list(find_in_volume(session, PLANES[2:]))
    number = int(session.labels[RIGHT])
    session.add_point(number, PLANES[4], (24, 28), positive=False)
    session.mask(number, PLANES[4])
    list(propagate(session, number))
    session.close()
    again = replay(path, volume, MarkingDiskPredictor())
    while True:
        assert np.array_equal(again.labels, session.labels)
        assert again.object_ids == session.object_ids
        assert again.can_undo == session.can_undo
        if not session.can_undo:
            break
        session.undo()
        again.undo()


def search_after_a_gap(volume, path, **options):
    """Return a session that gave out a number of which its journal knows nothing."""
    session = Session(volume, MarkingDiskPredictor(), journal=path)
    session.log.next_number()  # as a search that Ctrl-C ends before its first entry
    list(find_in_volume(session, PLANES[4:5], **options))
    session.close()
    return session


@pytest.mark.parametrize("follow", [False, True])
def test_a_session_that_goes_on_keeps_search_and_propagation_apart(
    volume, tmp_path, follow
):
    path = tmp_path / "cells.jsonl"
    search_after_a_gap(volume, path, follow=follow)
    session = replay(path, volume, MarkingDiskPredictor(), resume=True)
    searched = session.labels.copy()
    settings = PropagationSettings(stop=StopRule(min_score=0.1))
    list(propagate(session, 1, seed=PLANES[4], settings=settings))
    session.undo()
    assert np.array_equal(session.labels, searched)
    list(find_in_volume(session, PLANES[6:7], start=5, stop=7))
    session.close()
    again = replay(path, volume, MarkingDiskPredictor())
    assert again.object_ids == session.object_ids
    assert np.array_equal(again.labels, session.labels)


def test_two_searches_are_two_steps_after_a_session_goes_on(volume, tmp_path):
    path = tmp_path / "cells.jsonl"
    first = search_after_a_gap(volume, path, follow=False).object_ids
    session = replay(path, volume, MarkingDiskPredictor(), resume=True)
    list(find_in_volume(session, PLANES[5:6], follow=False))
    session.close()
    again = replay(path, volume, MarkingDiskPredictor())
    again.undo()
    assert again.object_ids == first


def test_a_refused_propagation_uses_up_no_number(session):
    session.new_object()
    before = session.log.number
    with pytest.raises(SessionError):
        session.propagation(1, seed=PLANES[4])
    assert session.log.number == before


@pytest.mark.parametrize("rule", ["keep", "cut", "overwrite"])
def test_what_was_there_is_spared_under_every_rule(volume, tmp_path, rule):
    path = tmp_path / "cells.jsonl"
    given = np.zeros(SHAPE, np.int32)
    given[5:7, :, :20] = volume[5:7, :, :20] > 127
    given[4, :8, :20] = volume[4, :8, :20] > 127
    predictor = MarkingDiskPredictor()
    session = Session(volume, predictor, labels=given.copy(), journal=path)
    session.apply(SetOverlapRule(rule))
    list(find_in_volume(session, PLANES[4:5]))
    assert len(session.object_ids) == 3
    assert np.array_equal(session.labels == 1, given == 1)
    session.close()
    again = replay(path, volume, predictor, labels=given)
    assert np.array_equal(again.labels, session.labels)


def test_a_journal_written_before_is_replayed_as_it_was(volume, tmp_path):
    path = tmp_path / "cells.jsonl"
    session = Session(volume, MarkingDiskPredictor(), journal=path)
    list(find_in_volume(session, PLANES))
    session.close()
    text = path.read_text("utf-8")
    assert ', "spares_all": true' in text
    path.write_text(text.replace(', "spares_all": true', ""), "utf-8")
    again = replay(path, volume, MarkingDiskPredictor())
    assert np.array_equal(again.labels, session.labels)
    again.undo()
    assert not again.object_ids


def test_a_saved_session_takes_it_back_in_one_step(session, volume, tmp_path):
    path = tmp_path / "cells.jsonl"
    session = Session(volume, MarkingDiskPredictor(), journal=path)
    list(find_in_volume(session, PLANES))
    save_session(tmp_path / "cells.session", session)
    opened = open_session(tmp_path / "cells.session", volume, MarkingDiskPredictor())
    assert np.array_equal(opened.labels, session.labels)
    opened.undo()
    assert not opened.labels.any()


def test_a_part_that_breaks_off_takes_back_itself_alone(session):
    parts = search_parts(session, PLANES[3:5], None)
    take_in(next(parts))
    labels, _ = session.labels.copy(), next(parts)
    taking = take_in(next(parts), to_the_end=False)
    assert len(session.object_ids) == 4
    taking.close()
    assert np.array_equal(session.labels, labels)
    assert session.object_ids == [1, 2]
    session.undo()
    assert not session.object_ids
    assert not session.can_undo


def take_in(part, to_the_end=True):
    *_, found = part.steps()
    taking = part.taking_in(found)
    next(taking, None)
    if to_the_end:
        list(taking)
    return taking
