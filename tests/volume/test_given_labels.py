"""Labels and numbers that a session is given, or that are written beside it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.volume.conftest import LEFT, SHAPE

from napari_sam_adapter.errors import ImageError, PromptError, SessionError
from napari_sam_adapter.volume.document.edits import NewObject, Paint
from napari_sam_adapter.volume.document.object_edits import SetOverlapRule, SplitObject
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session


def filled(value, dtype):
    labels = np.zeros(SHAPE, dtype)
    labels[0, 0, 0] = value
    return labels


@pytest.mark.parametrize("value", [-1, 1 << 33])
def test_labels_that_no_object_can_have_are_refused(volume, tmp_path, value):
    path = tmp_path / "journal.jsonl"
    with pytest.raises(ImageError, match="Expected labels from 0 to 4294967295"):
        Session(volume, labels=filled(value, np.int64), journal=path)
    assert not path.exists()


@pytest.mark.parametrize("number", [2.5, "x", None, 0, -1, 1 << 32])
def test_what_is_no_number_of_an_object_is_refused(volume, number):
    session = Session(volume, labels=np.zeros(SHAPE, np.int64))
    with pytest.raises(SessionError, match="Expected a whole number from 1"):
        session.apply(NewObject(number))
    assert session.object_ids == []


def test_what_is_no_prompts_is_refused(clicked, plane):
    with pytest.raises(PromptError, match="Expected Prompts, got None"):
        clicked.set_prompts(1, plane, None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_lowest_free_numbers_are_taken_where_labels_end(volume, plane, dtype):
    labels = filled(np.iinfo(dtype).max, dtype)
    labels[0, 0, 2] = 2
    session = Session(volume, MarkingDiskPredictor(), labels=labels)
    assert session.new_object() == 1
    assert find_objects(session, plane) == [3, 4]
    assert session.next_id == 5
    assert (session.labels == 4).any()


@pytest.mark.parametrize("rule", ["keep", "overwrite"])
def test_what_is_found_then_can_be_played_again(volume, plane, tmp_path, rule):
    path, ignored = tmp_path / "journal.jsonl", filled(255, np.uint8)
    predictor = MarkingDiskPredictor()
    session = Session(volume, predictor, labels=ignored.copy(), journal=path)
    session.apply(NewObject(2), SetOverlapRule(rule))
    found = find_objects(session, plane)
    list(propagate(session, found, seed=plane))
    again = replay(path, volume, predictor, labels=ignored)
    assert again.object_ids == session.object_ids == [1, 2, 3, 255]
    np.testing.assert_array_equal(again.labels, session.labels)


def test_pieces_get_free_numbers(volume, plane):
    session = Session(volume, labels=filled(255, np.uint8))
    session.apply(Paint(plane, np.array([(0, 0), (5, 5)]), np.array([255, 255])))
    session.apply(SplitObject(255))
    assert session.object_ids == [1, 2, 255]


def test_labels_without_a_free_number_are_full(volume):
    labels = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 256
    session = Session(volume, labels=labels.astype(np.uint8))
    with pytest.raises(SessionError, match="Expected room for 1 object more"):
        session.new_object()


@pytest.mark.parametrize("value", [0, 42])
def test_what_is_written_beside_a_session_stops_no_edit(session, plane, value):
    session.apply(NewObject(1), SetOverlapRule("overwrite"))
    session.apply(Paint(plane, np.argwhere(np.ones((20, 20))), np.full(400, 1)))
    session.apply(NewObject(2))
    session.add_point(2, plane, LEFT[1:])
    session.labels[4, 6:14, 6:14] = value
    mask = session.mask(2, plane)
    assert mask[11, 11]
    assert session.objects.summary(2).voxels == mask.sum()
    session.labels[4] = 0
    session.undo()
    assert not session.mask(1, plane).all()
