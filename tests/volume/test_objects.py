"""Whole objects: names, locks, merging, splitting, and the rule between them."""

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.edits import Accept, DeleteObject, Paint
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
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session


def fill(plane, rows, columns, value):
    pixels = [(row, column) for row in rows for column in columns]
    return Paint(plane, np.array(pixels), np.full(len(pixels), value))


@pytest.fixture
def two(session, plane):
    """A session with both balls clicked on one plane."""
    for number, centre in enumerate((LEFT, RIGHT), start=1):
        session.new_object()
        session.add_point(number, plane, centre[1:])
        session.mask(number, plane)
    return session


def test_name_class_and_lock_are_listed_undone_and_redone(clicked):
    clicked.apply(RenameObject(1, " left ball "), SetClass(1, "nucleus"))
    clicked.apply(LockObject(1))
    line = clicked.objects.summary(1)
    assert (line.name, line.class_name, line.locked) == ("left ball", "nucleus", True)
    assert clicked.objects.names == {1: "left ball"}
    assert clicked.objects.classes == {1: "nucleus"}
    clicked.undo()
    assert not clicked.objects.summary(1).locked
    clicked.undo()
    assert clicked.objects.summary(1).name == ""
    clicked.redo()
    assert clicked.objects.summary(1).class_name == "nucleus"


@pytest.mark.parametrize(
    "edit",
    [
        RenameObject(1, ""),
        RenameObject(1, "  \t"),
        RenameObject(1, "two\nlines"),
        RenameObject(1, "x" * 201),
        RenameObject(1, None),
        SetClass(1, "two\nlines"),
        RenameObject(7, "nobody"),
        MergeObjects((1,)),
        MergeObjects((1, 1)),
        MergeObjects((1, 7)),
        MergeObjects(()),
        SplitObject(1),
        SplitObject(7),
        SetOverlapRule("maybe"),
    ],
    ids=repr,
)
def test_edits_that_make_no_sense_change_nothing(clicked, edit):
    before = clicked.labels.copy()
    clicked.new_object()
    with pytest.raises(SessionError, match="Expected"):
        clicked.apply(RenameObject(2, "other"), edit)
    assert clicked.objects.summary(2).name == ""
    np.testing.assert_array_equal(clicked.labels, before)


def test_an_object_without_pixels_cannot_be_split(session):
    session.new_object()
    with pytest.raises(SessionError, match="several pieces"):
        session.apply(SplitObject(1))


def test_what_is_said_twice_is_no_step(clicked):
    clicked.apply(SetClass(1, "nucleus"))
    assert not clicked.apply(SetClass(1, "nucleus"), SetOverlapRule("keep"))
    clicked.undo()
    assert clicked.objects.summary(1).class_name == ""


def test_a_locked_object_is_left_alone(two, plane):
    two.apply(LockObject(1), SetOverlapRule("overwrite"))
    before = two.labels.copy()
    for refused in (DeleteObject(1), MergeObjects((2, 1)), SplitObject(1)):
        with pytest.raises(SessionError, match="Unlock"):
            two.apply(refused)
    with pytest.raises(SessionError, match="Unlock"):
        two.add_point(1, plane, (11, 11))
    with pytest.raises(SessionError, match="Unlock"):
        list(propagate(two, 1))
    two.add_point(2, plane, LEFT[1:])
    two.mask(2, plane)
    np.testing.assert_array_equal(two.labels == 1, before == 1)
    two.apply(UnlockObject(1))
    two.add_point(2, plane, (11, 11))
    two.mask(2, plane)
    assert not (two.labels == 1).any()


def test_a_mask_on_its_way_to_a_locked_object_is_dropped(clicked, plane):
    clicked.add_point(1, plane, (20, 28))
    late = clicked.compute(clicked.request(1, plane))
    clicked.apply(LockObject(1))
    assert clicked.commit(late) == []
    assert not clicked.labels[4, 20, 28]
    assert not clicked.mask(1, plane)[20, 28]


def test_a_reopened_object_has_its_prompts(clicked, plane):
    clicked.accept(1)
    clicked.apply(ReopenObject(1))
    assert clicked.accepted_ids == []
    assert len(clicked.prompts(1, plane).points) == 1
    clicked.undo()
    assert clicked.accepted_ids == [1]


def test_merged_objects_are_one_and_come_apart_again(two, plane):
    before = two.labels.copy()
    two.apply(Accept(2))
    two.apply(MergeObjects((2, 1)))
    assert two.object_ids == [2]
    np.testing.assert_array_equal(two.labels > 0, before > 0)
    assert two.objects.summary(2).voxels == np.count_nonzero(before)
    assert two.objects.summary(2).accepted
    two.undo()
    np.testing.assert_array_equal(two.labels, before)
    assert len(two.prompts(1, plane).points) == 1


def test_what_was_merged_survives_later_masks(two, plane):
    two.apply(MergeObjects((1, 2)))
    two.add_point(1, plane, (11, 11))
    assert two.mask(1, plane)[RIGHT[1:]]


def test_a_stroke_leaves_locked_objects_out(two, plane):
    two.apply(LockObject(1))
    before = two.labels.copy()
    two.apply(fill(plane, range(30), range(20, 30), 2))
    here = two.labels[4, :30, 20:30]
    assert np.array_equal(here == 1, before[4, :30, 20:30] == 1)
    assert (here != 1).any()
    assert (here[here != 1] == 2).all()
    assert not two.apply(fill(plane, [31], [39], 1))
    two.undo()
    np.testing.assert_array_equal(two.labels, before)


def test_pieces_become_objects_the_largest_keeps_its_number(session, plane):
    session.apply(
        fill(plane, range(4), range(4), 1), fill(plane, range(8), range(20, 24), 1)
    )
    session.apply(fill(plane.at(0, 5), range(2), range(2), 1), SetClass(1, "cell"))
    session.apply(fill(plane, [4], [4], 1))
    session.apply(SplitObject(1))
    assert session.object_ids == [1, 2, 3]
    assert session.labels[4, 7, 23] == 1
    assert session.labels[4, 3, 3] == session.labels[5, 1, 1] == 2
    assert session.labels[4, 4, 4] == 3
    assert session.objects.classes == {1: "cell", 2: "cell", 3: "cell"}
    session.undo()
    assert session.object_ids == [1]
    assert session.objects.summary(1).voxels == 16 + 32 + 4 + 1


def test_pieces_stay_apart_when_the_first_is_clicked_again(two, plane):
    two.apply(MergeObjects((1, 2)), SetOverlapRule("overwrite"))
    two.apply(SplitObject(1))
    assert two.labels[(4, *LEFT[1:])] == 1
    two.add_point(1, plane, RIGHT[1:])
    assert not two.mask(1, plane)[RIGHT[1:]]
    assert two.labels[(4, *RIGHT[1:])] == 2


def test_labels_without_room_cannot_be_split(volume):
    labels = np.zeros(volume.shape, np.uint8)
    labels[0, ::2, 0] = 255
    labels[2].flat[:250] = np.arange(1, 251)
    session = Session(volume, labels=labels)
    with pytest.raises(SessionError, match="larger integer type"):
        session.apply(SplitObject(255))
    assert session.object_ids == [*range(1, 251), 255]


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("rule", ["keep", "cut", "overwrite"])
def test_the_rule_says_who_gets_a_pixel(volume, plane, rule, finished):
    labels = np.zeros(volume.shape, np.int32)
    labels[4, 8:12, 8:12] = 9
    session = Session(volume, DiskPredictor(), labels)
    session.apply(SetOverlapRule(rule))
    if finished:
        session.accept(9)
    object_id = session.new_object()
    session.add_point(object_id, plane, (14, 10))
    session.mask(object_id, plane)
    taken = rule == "overwrite" or (rule == "cut" and not finished)
    assert session.labels[4, 10, 10] == (object_id if taken else 9)
    session.undo()
    assert (session.labels == 9).sum() == 16


def test_the_rule_is_undone_and_redone(session):
    assert session.overlap_rule == "keep"
    session.apply(SetOverlapRule("cut"), SetOverlapRule("overwrite"))
    session.undo()
    assert session.overlap_rule == "keep"
    session.redo()
    assert session.overlap_rule == "overwrite"


def test_the_rule_at_the_beginning(volume):
    assert Session(volume, overlap_rule="cut").overlap_rule == "cut"


def test_an_unknown_rule_at_the_beginning_is_refused(volume):
    with pytest.raises(SessionError, match="keep, cut, overwrite, got True"):
        Session(volume, overlap_rule=True)


def test_a_refused_edit_leaves_the_rule(session):
    with pytest.raises(SessionError):
        session.apply(SetOverlapRule("cut"), DeleteObject(3))
    assert session.overlap_rule == "keep"


def test_edits_of_objects_are_replayed(volume, plane, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(volume, DiskPredictor(), journal=path)
    for number, centre in enumerate((LEFT, RIGHT), start=1):
        session.new_object()
        session.add_point(number, plane, centre[1:])
        session.mask(number, plane)
    session.apply(MergeObjects((1, 2)), RenameObject(1, "böth"), SetClass(1, "ball"))
    session.apply(SplitObject(1))
    session.apply(SetOverlapRule("cut"))
    session.apply(LockObject(2), Accept(1))
    session.apply(ReopenObject(1))
    session.apply(UnlockObject(2))
    session.undo()
    again = replay(path, volume, DiskPredictor())
    np.testing.assert_array_equal(again.labels, session.labels)
    assert again.overlap_rule == "cut"
    lines = [[s.objects.summary(i) for i in s.object_ids] for s in (again, session)]
    assert lines[0] == lines[1]
    assert lines[0][1].locked


def test_the_list_tells_size_slices_and_doubt(two, plane):
    list(propagate(two, 1, seed=plane))
    line = two.objects.summary(1)
    own = two.labels == 1
    assert line.voxels == own.sum()
    assert line.slices == own.any(axis=(1, 2)).sum()
    scores = [
        two.confidence(1, plane.at(0, z)) for z in range(len(own)) if own[z].any()
    ]
    assert line.confidence == min(scores)


def test_the_list_tells_what_changed(two, plane):
    stamp = two.objects.stamp
    assert two.objects.changed_since(stamp) == []
    two.apply(fill(plane, [0], [0], 2))
    assert two.objects.changed_since(stamp) == [2]
    two.apply(DeleteObject(2))
    two.accept(1)
    assert two.objects.changed_since(stamp) == [1, 2]
    assert 2 not in two.objects


def test_sizes_follow_edits_along_any_axis(two):
    two.apply(fill(Plane((0, 2), (20,)), range(9), range(40), 3))
    two.apply(fill(Plane((2, 1), (0,)), range(5), range(7), 1))
    two.apply(DeleteObject(2))
    two.undo()
    two.undo()
    for object_id in (1, 2, 3):
        line = two.objects.summary(object_id)
        own = two.labels == object_id
        assert line.voxels == own.sum()
        assert line.slices == own.any(axis=(1, 2)).sum()


@pytest.mark.parametrize("largest", [9, 3_000_000])
def test_labels_at_the_start_are_counted(volume, largest):
    labels = np.zeros(volume.shape, np.int32)
    labels[3:5, 2:4, 2:4], labels[0, 0, 0] = largest, 2
    session = Session(volume, labels=labels)
    assert session.object_ids == [2, largest]
    assert session.objects.summary(largest).voxels == 8
    assert session.objects.voxel_to_look_at(largest)[0] == 4
    session.apply(DeleteObject(largest))
    assert labels.tolist()[3:] == np.zeros((6, 32, 40), int).tolist()


def test_the_voxel_to_look_at_lies_on_the_object(two, plane):
    list(propagate(two, 1, seed=plane))
    assert two.objects.voxel_to_look_at(1) == LEFT
    two.new_object()
    with pytest.raises(SessionError, match="empty object 3"):
        two.objects.voxel_to_look_at(3)


def test_the_last_open_object_is_neither_finished_nor_locked(session):
    first, second, third = (session.new_object() for _ in range(3))
    assert session.objects.last_open == third
    session.accept(third)
    session.apply(LockObject(second))
    assert session.objects.last_open == first
    session.accept(first)
    assert session.objects.last_open is None
