from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.volume.asking.together import can_share, compute_together
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session


class CountingPredictor(DiskPredictor):
    """Adds a pixel for everything in the pass: masks depend on their company."""

    def predict_many(self, embedding, prompts_list):
        for answer in (answers := super().predict_many(embedding, prompts_list)):
            answer.mask[0, : len(prompts_list)] = True
        return answers


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


@pytest.fixture
def session(volume, path):
    return Session(volume, CountingPredictor(), journal=path)


def click_both(session, plane):
    for point in (LEFT, RIGHT):
        session.add_point(session.new_object(), plane, point[1:])
    return [session.request(object_id, plane) for object_id in (1, 2)]


def test_clicks_on_new_objects_of_a_plane_share_a_pass(session, plane):
    first, second = click_both(session, plane)
    assert can_share(first, second)
    session.commit(compute_together([first, second]))
    assert session.labels[LEFT] == 1
    assert session.labels[RIGHT] == 2
    assert not session.needs_mask(1, plane)


def test_corrections_and_other_planes_go_alone(session, plane):
    first, _ = click_both(session, plane)
    session.commit(session.compute(first))
    session.add_point(1, plane, (12, 10))
    session.add_point(2, plane.at(0, 5), RIGHT[1:])
    asked = (1, plane), (2, plane), (2, plane.at(0, 5))
    corrected, here, there = (session.request(*where) for where in asked)
    assert not can_share(corrected, here)
    assert not can_share(here, there)


def test_each_mask_is_undone_with_its_own_click(session, plane):
    session.commit(compute_together(click_both(session, plane)))
    session.undo()
    assert session.labels[LEFT] == 1
    assert session.labels[RIGHT] == 0
    session.undo()
    session.undo()
    assert session.labels[LEFT] == 0


@pytest.mark.parametrize("late", [False, True], ids=["all current", "one was undone"])
def test_masks_of_one_pass_are_replayed_bit_for_bit(session, path, volume, plane, late):
    requests = click_both(session, plane)
    joint = compute_together(requests)
    if late:
        session.undo()
    session.commit(joint)
    assert session.labels[RIGHT] == (0 if late else 2)
    again = replay(path, volume, CountingPredictor())
    assert np.array_equal(again.labels, session.labels)


def test_nothing_is_written_of_answers_that_all_came_too_late(session, path, plane):
    joint = compute_together(click_both(session, plane))
    for _ in range(4):
        session.undo()
    lines = path.read_text()
    assert session.commit(joint) == []
    assert path.read_text() == lines
