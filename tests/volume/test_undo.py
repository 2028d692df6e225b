from dataclasses import replace

import numpy as np
import pytest
from tests.volume.conftest import LEFT, RIGHT, ball

from napari_sam_adapter import Plane, Session
from napari_sam_adapter.prompts import Polygon, Prompts
from napari_sam_adapter.volume.document.edits import (
    Accept,
    AddScribble,
    ChooseCandidate,
    DeleteObject,
    EndHere,
    LockPlane,
    MovePoint,
    NewObject,
    Paint,
    ReleasePaint,
    RemovePoint,
    SetBox,
    SetMaskPrompt,
    SetPrompts,
    UnlockPlane,
)
from napari_sam_adapter.volume.document.journal_entries import Redo, Undo
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    MergeObjects,
    RenameObject,
    ReopenObject,
    SetClass,
    SetOverlapRule,
    SplitObject,
    UnlockObject,
)
from napari_sam_adapter.volume.propagation.propagation import propagate

LINE = np.array([(10.0, 10.0), (10.0, 16.0), (16.0, 16.0)])


def state(session):
    """Everything a user can see, as values that can be compared."""
    shown = [
        (i, p, session.prompts(i, p).points.tolist(), session.score(i, p))
        for i in session.object_ids
        for p in session.anchors(i)
    ]
    return session.labels.tobytes(), shown, session.accepted_ids


def stroke(plane, rows, value):
    pixels = [(row, column) for row in rows for column in range(10)]
    return Paint(plane, np.array(pixels), np.full(len(pixels), value))


def test_a_click_and_its_mask_are_one_step(clicked, plane):
    changes = clicked.undo()
    assert not clicked.labels.any()
    assert clicked.prompts(1, plane).is_empty
    assert (changes[0].before == 1).sum() == ball(LEFT)[4].sum()
    clicked.redo()
    np.testing.assert_array_equal(clicked.mask(1, plane), ball(LEFT)[4])
    assert clicked.score(1, plane) == 0.9


def test_nothing_to_undo_or_redo_is_no_error(session):
    assert (session.undo(), session.redo()) == ([], [])
    assert not (session.can_undo)
    assert not (session.can_redo)


def test_a_new_edit_forgets_what_was_undone(clicked, plane):
    clicked.undo()
    assert clicked.can_redo
    clicked.add_point(1, plane, RIGHT[1:])
    assert not clicked.can_redo


def words_of_undo(session, *edits):
    """Return what the last step is called when it is taken back, and done again."""
    if edits:
        session.apply(*edits)
    text = session.objects.words_for_next(Undo())
    session.undo()
    assert session.objects.words_for_next(Redo()) == text
    session.redo()
    return text


def test_every_kind_of_step_has_a_name(clicked, plane):
    def told(*edits):
        return words_of_undo(clicked, *edits)

    def prompts(**kinds):
        return SetPrompts(1, plane, replace(clicked.prompts(1, plane), **kinds))

    other, painted = plane.at(0, 5), stroke(plane, range(2), 2)
    assert told() == "click on object 1"
    assert told(MovePoint(1, plane, 0, (15, 15))) == "changed prompt of object 1"
    assert told(SetBox(1, plane, (1, 1, 9, 9))) == "box around object 1"
    assert told(SetBox(1, plane, None)) == "removed prompt of object 1"
    assert told(AddScribble(1, plane, LINE)) == "scribble on object 1"
    assert told(prompts(polygons=[Polygon(LINE)])) == "outline of object 1"
    assert told(prompts(polygons=())) == "removed prompt of object 1"
    assert told(SetMaskPrompt(1, plane, ball(LEFT)[4])) == "mask as prompt for object 1"
    assert told(prompts(mask=None)) == "removed prompt of object 1"
    clicked.mask(1, plane)
    assert told(Accept(1)) == "acceptance of object 1"
    assert told(ReopenObject(1)) == "re-opening of object 1"
    assert told(LockObject(1)) == "lock on object 1"
    assert told(UnlockObject(1)) == "unlocking of object 1"
    assert told(RenameObject(1, "one")) == "name of object 1"
    assert told(SetClass(1, "ball")) == "class of object 1"
    assert told(painted) == "stroke on object 2"
    assert told(ReleasePaint(2, plane)) == "release of paint on object 2"
    assert told(LockPlane(2, other)) == "lock of a slice of object 2"
    assert told(UnlockPlane(2, other)) == "unlocking of a slice of object 2"
    assert told(EndHere(2, plane)) == "end of object 2"
    clicked.undo()
    assert told(stroke(plane, range(25, 28), 2)) == "stroke on object 2"
    assert told(SplitObject(2)) == "split of object 2"
    assert told(MergeObjects((2, 3))) == "merge into object 2"
    assert told(DeleteObject(2), NewObject(4)) == "deletion of object 2"
    assert told(*map(NewObject, range(5, 12))) == "new 7 objects"
    assert told(SetOverlapRule("cut")) == "rule cut for neighbours"


def test_a_propagation_is_called_by_its_objects_and_slices(clicked, plane):
    list(propagate(clicked, 1, seed=plane))
    on_slices = len(np.unique(np.nonzero(clicked.labels == 1)[0])) - 1
    assert (
        words_of_undo(clicked)
        == f"propagation of object 1 ({on_slices} slices changed)"
    )


def test_another_candidate_is_called_a_mask(clicked, plane):
    assert words_of_undo(clicked, ChooseCandidate(1, plane, 1)) == "mask of object 1"


def many_edits(session, plane):
    """Make steps of every kind; yield after each."""
    for number in range(34):
        index = plane.at(0, 3 + number % 3)
        yield session.apply(NewObject(number + 2))
        session.add_point(number + 2, index, (12 + number % 8, 22 + number % 9))
        yield session.mask(number + 2, index)
        yield session.apply(stroke(index, range(1 + number % 9), 1 + number % 3))
        if number % 5 == 4:
            yield session.apply(DeleteObject(number))
        if number == 10:
            yield list(propagate(session, 1, seed=plane))
        if number == 20:
            yield session.set_prompts(1, plane, Prompts())


def test_more_than_100_steps_of_every_kind_go_back_and_forth(clicked, plane):
    states = [state(clicked)]
    for _ in many_edits(clicked, plane):
        states.append(state(clicked))
    assert len(states) > 101
    for expected in reversed(states[:-1]):
        clicked.undo()
        assert state(clicked)[0] == expected[0]
    assert not clicked.anchors(2)
    for expected in states[1:]:
        clicked.redo()
        assert state(clicked)[0] == expected[0]
    assert sorted(state(clicked)[1], key=repr) == sorted(states[-1][1], key=repr)


def test_100_clicks_are_taken_back_one_by_one(session, plane):
    session.new_object()
    for number in range(100):
        session.add_point(1, plane, (number % 32, number % 40), number % 2 == 0)
        session.mask(1, plane)
    for number in reversed(range(100)):
        session.undo()
        assert len(session.prompts(1, plane).points) == number
        assert not session.needs_mask(1, plane)
    assert not session.labels.any()


def test_the_chosen_candidate_is_taken_back(clicked, plane):
    clicked.apply(ChooseCandidate(1, plane, 2))
    clicked.undo()
    np.testing.assert_array_equal(clicked.mask(1, plane), ball(LEFT)[4])
    assert clicked.score(1, plane) == 0.9


def test_a_deleted_object_comes_back_whole(clicked, plane):
    before = state(clicked)
    clicked.apply(DeleteObject(1))
    clicked.undo()
    assert state(clicked) == before
    assert len(clicked.candidates(1, plane)) == 3


def test_removed_prompts_come_back_with_their_mask(clicked, plane):
    before = state(clicked)
    clicked.apply(RemovePoint(1, plane, 0))
    clicked.undo()
    assert state(clicked) == before


def test_several_edits_can_be_one_step(clicked, plane):
    before = state(clicked)
    clicked.apply(stroke(plane, [0], 1), stroke(plane.at(0, 0), [0], 1))
    clicked.undo()
    assert state(clicked) == before


def test_a_late_mask_belongs_to_its_own_click(clicked, plane):
    other = plane.at(0, 3)
    clicked.add_point(1, plane, (11, 11))
    late = clicked.compute(clicked.request(1, plane))
    clicked.add_point(1, other, LEFT[1:])
    clicked.mask(1, other)
    clicked.commit(late)
    clicked.undo()
    assert not clicked.mask(1, other).any()
    assert len(clicked.prompts(1, plane).points) == 2
    assert not clicked.needs_mask(1, plane)
    clicked.undo()
    assert len(clicked.prompts(1, plane).points) == 1
    assert not clicked.needs_mask(1, plane)


def test_a_late_mask_over_newer_pixels_is_a_step_of_its_own(session, plane):
    session.apply(NewObject(1), NewObject(2))
    session.add_point(1, plane, LEFT[1:])
    late = session.compute(session.request(1, plane))
    session.apply(stroke(plane, range(8, 12), 2))
    states = [state(session)]
    session.commit(late)
    session.undo()
    assert state(session)[0] == states[0][0]
    session.undo()
    assert not session.labels.any()


@pytest.mark.parametrize("column", [LEFT[2], RIGHT[2]], ids=["same", "elsewhere"])
def test_a_late_mask_spares_what_can_be_redone(session, plane, column):
    session.apply(NewObject(1), NewObject(2))
    session.add_point(1, plane, LEFT[1:])
    late = session.compute(session.request(1, plane))
    session.apply(Paint(plane, np.array([(10, column)]), np.array([2])))
    painted = state(session)
    session.undo()
    session.commit(late)
    masked = state(session)
    session.redo()
    assert session.labels[4, 10, column] == 2
    assert bool((session.labels[4] == 1).any()) is (column == RIGHT[2])
    if column == LEFT[2]:
        assert state(session) == painted
    session.undo()
    assert state(session) == masked


def test_two_quick_clicks_are_redone_after_the_first_got_its_mask(session, plane):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    session.add_point(1, plane, RIGHT[1:])
    session.mask(1, plane)
    both = state(session)
    session.undo()
    session.mask(1, plane)
    one = state(session)
    assert session.can_redo
    session.redo()
    assert state(session) == both
    session.undo()
    assert state(session) == one
    assert not session.needs_mask(1, plane)
    session.undo()
    assert not session.labels.any()


def test_old_steps_are_forgotten_when_their_answers_need_much_memory(
    session, plane, monkeypatch
):
    monkeypatch.setattr(
        "napari_sam_adapter.volume.document.history.MOST_BYTES", 130 * 5120
    )
    session.new_object()
    for number in range(150):
        session.add_point(1, plane, (number % 32, number % 40), number % 2 == 0)
        session.mask(1, plane)
        assert len(session.state.done) >= min(number + 1, 100)
    answer = session._document.record(1, plane).answer
    assert answer.nbytes == 5120
    assert 100 <= len(session.state.done) <= 131


def test_only_the_newest_answers_can_be_refined(session, plane, monkeypatch):
    monkeypatch.setattr("napari_sam_adapter.volume.document.document.MOST_REFINABLE", 2)
    for object_id in (1, 2, 3):
        session.new_object()
        session.add_point(object_id, plane.at(0, object_id), LEFT[1:])
        session.mask(object_id, plane.at(0, object_id))
        session.add_point(object_id, plane.at(0, object_id), RIGHT[1:])
        session.mask(object_id, plane.at(0, object_id))
    for object_id in (1, 2, 3):
        session.add_point(object_id, plane.at(0, object_id), (1, 1))
    requests = [session.request(i, plane.at(0, i)) for i in (1, 2, 3)]
    assert [request.previous is None for request in requests] == [True, False, False]
    for request in reversed(requests):
        session.commit(session.compute(request))
    before = state(session)
    while session.can_undo:
        session.undo()
    while session.can_redo:
        session.redo()
    assert state(session)[0] == before[0]


def test_the_parts_of_a_propagation_are_one_step(session, plane):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    session.mask(1, plane)
    before = state(session)
    for result in propagate(session, 1, seed=plane):
        assert session.can_undo, result
    count, after = len(session.state.done), state(session)
    session.undo()
    assert state(session) == before
    session.redo()
    assert state(session) == after
    assert len(session.state.done) == count


def test_who_looks_at_the_steps_does_not_cut_a_propagation_in_two(session, plane):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    before = len(session.state.done)
    counts = {len(session.state.done) for _ in propagate(session, 1, seed=plane)}
    assert counts == {before + 1}


def test_erasing_inside_of_what_was_painted_is_a_stroke() -> None:
    session, plane = Session(np.zeros((9, 9), np.uint8)), Plane((0, 1), ())
    pixels = np.argwhere(np.ones((5, 5), bool))
    session.apply(Paint(plane, pixels, np.full(25, 2)))
    session.apply(Paint(plane, pixels[:7], np.zeros(7, int)))
    assert session.objects.words_for_next(Undo()) == "stroke on object 2"
