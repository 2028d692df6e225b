"""NumPy's numbers at every door of a session: what is done is also written down."""

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.full_disk import full_disk
from tests.volume.conftest import LEFT, RIGHT, ball, paint_balls

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.follow_rule import FollowRule
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.document.edits import (
    Accept,
    AddPoint,
    ChooseCandidate,
    DeleteObject,
    MovePoint,
    NewObject,
    Paint,
    RemovePoint,
    SetBox,
    SetMaskPrompt,
)
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    MergeObjects,
    RenameObject,
    SplitObject,
    UnlockObject,
)
from napari_sam_adapter.volume.journal.journal_file import Journal
from napari_sam_adapter.volume.journal.journal_header import header_of
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.stop_rule import StopRule
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session.session import Session

SPACING = np.array([2, 1, 1], np.float32)
IMAGE = paint_balls(ball(LEFT), ball(RIGHT)).astype(np.uint16) * 10
WINDOW = IntensityMapping("contrast_limits", IMAGE.min(), IMAGE.max())
SETTINGS = PropagationSettings(
    FollowRule(np.True_, np.True_, np.int64(1), np.int8(1), box_slope=np.float32(0.25)),
    StopRule(np.float32(0.3), np.float64(2), np.int16(2), np.float16(0.1), np.int8(2)),
)
PLANE = Plane(np.array([1, 2]), np.array([4]))


def edited(path):
    """A journalled session that was told everything in NumPy's numbers."""
    session = Session(
        IMAGE,
        DiskPredictor(),
        intensity=WINDOW,
        spacing=SPACING,
        overlap_rule=np.str_("keep"),
        journal=path,
    )
    a, b, c, d, e = np.arange(1, 6)
    session.apply(NewObject(a), NewObject(b), NewObject(c))
    session.add_point(a, PLANE, np.array(LEFT[1:]), np.True_)
    session.mask(a, PLANE)
    session.apply(ChooseCandidate(a, PLANE, np.int64(1), np.bool_(True)))
    points = np.array([RIGHT[1:]])
    session.set_prompts(b, PLANE, Prompts(list(points), [np.True_]))
    session.apply(AddPoint(b, PLANE, list(np.int16([1, 1])), np.False_))
    session.apply(MovePoint(b, PLANE, np.int64(1), np.float32([2, 2])))
    session.apply(RemovePoint(b, PLANE, np.uint8(1)))
    session.mask(b, PLANE)
    below = PLANE.at(np.int64(0), np.int64(2))
    session.apply(SetBox(c, below, np.int32([14, 22, 26, 34])))
    session.apply(SetMaskPrompt(c, below, ball(RIGHT)[2]))
    session.mask(c, below)
    stroke = np.argwhere(ball(LEFT)[0] | np.eye(32, 40, dtype=bool))
    session.apply(Paint(PLANE.at(0, 0), stroke.tolist(), [d] * len(stroke)))
    session.apply(Paint(PLANE.at(0, 8), [list(np.int8([3, 5]))], [e]))
    return session


def used_on(session):
    """Go on with it: rules, windows, propagation, whole objects."""
    a, b, c, d, e = np.unique(session.labels)[1:]
    session.intensity = IntensityMapping("contrast_limits", np.int64(1), np.uint16(900))
    list(propagate(session, a, np.int64(2), np.uint8(7), settings=SETTINGS))
    several = np.array([a, b])
    axis = np.int64(0)
    list(propagate(session, several, axis=axis, seed=PLANE, again=np.True_))
    session.apply(RenameObject(b, np.str_("nucleus")), LockObject(b), UnlockObject(b))
    session.end_here(a, PLANE.at(0, 7))
    session.lock(b, PLANE)
    session.apply(SplitObject(d, SPACING))
    session.apply(MergeObjects(np.array([c, e])))
    session.apply(DeleteObject(d))
    session.apply(Accept(b))
    session.undo()
    session.redo()
    session.new_object()
    return session


def assert_same(one, other):
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.object_ids == other.object_ids
    assert one.accepted_ids == other.accepted_ids


def test_a_session_told_in_numpys_numbers_is_replayed(tmp_path):
    path = tmp_path / "journal.jsonl"
    session = used_on(edited(path))
    assert len(session.object_ids) > 4
    assert {type(i) for i in session.object_ids} == {int}
    assert_same(replay(path, IMAGE, DiskPredictor()), session)


def test_a_session_told_in_numpys_numbers_is_saved_and_opened(tmp_path):
    session = edited(tmp_path / "journal.jsonl")
    folder = tmp_path / "numbers.session"
    save_session(folder, session)
    opened = open_session(folder, IMAGE, DiskPredictor())
    assert_same(opened, session)
    assert_same(used_on(opened), used_on(session))


def started(path=None, **options):
    session = Session(IMAGE, DiskPredictor(), journal=path, **options)
    session.new_object()
    session.add_point(1, PLANE, LEFT[1:])
    session.mask(1, PLANE)
    return session


def test_a_window_of_numpys_numbers_holds_after_a_replay(tmp_path):
    path = tmp_path / "journal.jsonl"
    session = started(path)
    session.intensity = IntensityMapping(
        "contrast_limits", IMAGE.min(), IMAGE.max() // 6
    )
    assert replay(path, IMAGE, DiskPredictor()).intensity == session.intensity


class WordyPredictor(DiskPredictor):
    """Says something of itself that no journal can hold."""

    @property
    def description(self):
        return super().description | {"layers": {1, 2}}


def test_a_predictor_that_cannot_be_written_down_is_refused_before_it_is_used(tmp_path):
    path = tmp_path / "journal.jsonl"
    session = started(path)
    before = session.predictor
    with pytest.raises(SessionError, match="Expected what a journal can hold"):
        session.predictor = WordyPredictor()
    assert session.predictor is before
    session.mask(1, PLANE)
    assert_same(replay(path, IMAGE, DiskPredictor()), session)


def test_a_propagation_that_is_not_written_down_is_not_begun(tmp_path):
    path = tmp_path / "journal.jsonl"
    session = started(path)
    with full_disk(path.stat().st_size), pytest.raises(OutputError):
        next(propagate(session, 1))
    assert not session._document.revisions.open_propagations
    list(propagate(session, 1))
    assert_same(replay(path, IMAGE, DiskPredictor()), session)


def test_a_journal_that_cannot_be_begun_leaves_nothing_behind(tmp_path):
    path = tmp_path / "journal.jsonl"
    header = header_of(Volume(IMAGE), None, "keep", (1.0, 1.0, 1.0), False)
    with pytest.raises(TypeError):
        Journal.create(path, replace(header, labels={1, 2}))
    with full_disk(10), pytest.raises(OutputError, match="Expected to write"):
        Journal.create(path, header)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="Expected to write"):
        Journal.create(tmp_path / "missing" / "journal.jsonl", header)
    Journal.create(path, header).close()


@pytest.mark.parametrize("several", [np.int64(1), np.array(1), [np.uint8(1)], {1: 2}])
def test_objects_to_follow_are_any_whole_numbers(several):
    session = started()
    assert {result.object_id for result in propagate(session, several)} == {1}


@pytest.mark.parametrize("several", ["1", 1.0, [1.5], None])
def test_what_is_no_number_of_an_object_is_not_followed(several):
    session = started()
    for follow in (session.propagation, lambda ids: next(propagate(session, ids))):
        with pytest.raises(SessionError, match=r"Expected objects .* numbers, got"):
            follow(several)


@pytest.mark.parametrize("number", [1.5, "2", None])
def test_what_is_no_number_makes_no_object(number):
    session = started()
    with pytest.raises(SessionError, match=r"Expected a whole number from 1"):
        session.apply(NewObject(number))
