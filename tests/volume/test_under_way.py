"""What was found is taken in part by part, and nobody sees half of it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor

from napari_sam_adapter.volume.document.edits import NewObject
from napari_sam_adapter.volume.finding.finding import find_steps, finding, taking_in
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session.session import Session

PLANE = Plane((0, 1))
COUNT = 40
"""Objects: more than fit into one pass of the network."""


def many_disks():
    rows, columns = np.ogrid[:64, :40]
    far = (rows % 8 - 4) ** 2 + (columns % 8 - 4) ** 2
    return np.where(far <= 4, 200, (rows + columns) % 3).astype(np.uint8)


@pytest.fixture
def session(tmp_path):
    return Session(
        many_disks(), MarkingDiskPredictor(), journal=tmp_path / "journal.jsonl"
    )


@pytest.fixture
def begun(session):
    """Only the first pass was taken in."""
    *_, found = find_steps(finding(session, PLANE))
    session.under_way.begin(taking_in(session, found))
    assert session.under_way.go_on()
    assert 0 < labelled(session) < COUNT
    return session


def labelled(session):
    return len(np.unique(session.labels)) - 1


def test_it_goes_on_to_the_end(begun):
    while begun.under_way.go_on():
        pass
    assert labelled(begun) == COUNT
    assert not begun.under_way.go_on()


def test_objects_are_whole_before_their_pixels_come(session):
    *_, found = find_steps(finding(session, PLANE))
    session.under_way.begin(taking_in(session, found))
    assert session.object_ids == list(range(1, COUNT + 1))
    assert not session.labels.any()
    assert not any(session.needs_mask(i, PLANE) for i in session.object_ids)
    assert all(session.candidates(i, PLANE) for i in session.object_ids)
    session.under_way.finish()
    assert labelled(session) == COUNT


def test_all_of_it_is_taken_back_and_done_again(begun):
    begun.undo()
    assert begun.object_ids == []
    assert not begun.labels.any()
    assert not begun.can_undo
    begun.redo()
    assert labelled(begun) == COUNT


def test_an_edit_comes_after_all_of_it(begun, tmp_path):
    begun.apply(NewObject(COUNT + 1))
    assert labelled(begun) == COUNT
    begun.undo()
    assert labelled(begun) == COUNT
    begun.undo()
    assert begun.object_ids == []
    begun.redo()
    begun.close()
    again = replay(tmp_path / "journal.jsonl", many_disks(), MarkingDiskPredictor())
    assert np.array_equal(again.labels, begun.labels)


def test_another_network_comes_after_all_of_it(begun):
    begun.predictor = MarkingDiskPredictor()
    assert labelled(begun) == COUNT


def test_the_journal_has_all_of_it_when_it_is_closed(begun, tmp_path):
    begun.close()
    again = replay(tmp_path / "journal.jsonl", many_disks(), MarkingDiskPredictor())
    assert labelled(again) == COUNT


def test_a_saved_session_has_all_of_it(begun, tmp_path):
    path = tmp_path / "a.session"
    save_session(path, begun)
    assert labelled(open_session(path, many_disks(), MarkingDiskPredictor())) == COUNT
    assert labelled(replay(path, many_disks(), MarkingDiskPredictor())) == COUNT


def test_a_snapshot_has_all_of_it(begun):
    snapshot = begun.snapshot().copy()
    begun.undo()
    assert len(np.unique(snapshot.labels())) - 1 == COUNT


def test_a_propagation_follows_all_of_it():
    session = Session(np.stack([many_disks()] * 2), MarkingDiskPredictor())
    *_, found = find_steps(finding(session, Plane((1, 2), (0,))))
    session.under_way.begin(taking_in(session, found))
    session.under_way.go_on()
    request = session.propagation(session.object_ids)
    for result in follow(request):
        if result is not None:
            session.commit(result)
    assert len(np.unique(session.labels[1])) - 1 == COUNT
