from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.predictions import MaskCandidate
from napari_sam_adapter.volume.asking.candidates import (
    outlined,
    preferred_number,
    size_rank,
)
from napari_sam_adapter.volume.document.edits import ChooseCandidate
from napari_sam_adapter.volume.journal.journal_lines import edit_from_json
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

LARGEST = 2
"""Number of the largest candidate that the disk predictor gives."""


def click(session, plane, point):
    object_id = session.new_object()
    session.add_point(object_id, plane, point)
    return object_id, session.mask(object_id, plane).sum()


def choose(session, object_id, plane, number, remember=True):
    session.apply(ChooseCandidate(object_id, plane, number, remember))


def masks(*areas):
    return [BoxedMask.of(np.arange(10)[None] < area) for area in areas]


def test_rank_counts_from_the_smallest():
    assert [size_rank(masks(5, 3, 8), number) for number in range(3)] == [1, 0, 2]


@pytest.mark.parametrize(
    ("areas", "rank", "number"),
    [
        ((5, 3, 8), None, 0),
        ((5, 3, 8), 0, 1),
        ((5, 3, 8), 2, 2),
        ((5,), 2, 0),
        ((5, 0, 8), 0, 0),
        ((5, 3), 2, 0),
    ],
    ids=["no wish", "small", "large", "no choice", "nothing in it", "fewer masks"],
)
def test_preference_is_a_place_by_size(areas, rank, number):
    assert preferred_number(masks(*areas), rank) == number


def test_the_next_click_gets_a_mask_of_the_same_size(session, plane):
    _, before = click(session, plane, LEFT[1:])
    choose(session, 1, plane, LARGEST)
    assert session.chosen_candidate(1, plane) == LARGEST
    _, after = click(session, plane, RIGHT[1:])
    assert session.chosen_candidate(2, plane) == LARGEST
    assert after > before
    assert session.score(2, plane) == pytest.approx(0.7)


def test_a_choice_that_is_not_to_be_remembered_is_not(session, plane):
    click(session, plane, LEFT[1:])
    choose(session, 1, plane, LARGEST, remember=False)
    click(session, plane, RIGHT[1:])
    assert session.chosen_candidate(2, plane) == 0


def test_undo_takes_the_preference_back_and_redo_brings_it(session, plane):
    _, best = click(session, plane, LEFT[1:])
    choose(session, 1, plane, LARGEST)
    session.undo()
    assert session.chosen_candidate(1, plane) == 0
    assert session.mask(1, plane).sum() == best
    assert click(session, plane, RIGHT[1:])[1] == best
    session.undo()
    session.undo()
    session.redo()
    session.undo()
    choose(session, 1, plane, LARGEST)
    session.undo()
    session.redo()
    assert click(session, plane, RIGHT[1:])[1] > best


def test_a_preview_shows_what_a_click_would_give(session, plane):
    click(session, plane, LEFT[1:])
    choose(session, 1, plane, LARGEST)
    prompts = session.prompts(2, plane).with_point(RIGHT[1:])
    result = session.compute(session.request(2, plane, prompts))
    shown = session.preferred(result.prediction).mask.sum()
    assert session.commit(result) == []
    assert session.object_ids == [1]
    assert click(session, plane, RIGHT[1:])[1] == shown


def test_choices_are_replayed_bit_for_bit(volume, plane, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(volume, DiskPredictor(), journal=path)
    click(session, plane, LEFT[1:])
    choose(session, 1, plane, LARGEST)
    click(session, plane, RIGHT[1:])
    session.undo()
    session.redo()
    again = replay(path, volume, DiskPredictor())
    assert np.array_equal(again.labels, session.labels)
    assert again.chosen_candidate(2, plane) == LARGEST


def test_choices_of_older_journals_are_not_remembered(plane):
    where = {"axes": list(plane.axes), "position": list(plane.position)}
    old = {"kind": "ChooseCandidate", "object_id": 1, "plane": where, "number": 2}
    assert not edit_from_json(old).remember


def test_a_candidate_that_is_not_there_is_refused(session, plane):
    click(session, plane, LEFT[1:])
    with pytest.raises(SessionError, match="one of 3 candidates"):
        choose(session, 1, plane, 3)
    assert session.chosen_candidate(1, plane) == 0


def candidate(score, *pieces):
    mask = np.zeros((40, 50), bool)
    for piece in pieces:
        mask[piece] = True
    return MaskCandidate(mask, score, np.zeros((4, 4), np.float32))


BODY, SPECK = (slice(5, 25), slice(5, 25)), (slice(30, 32), slice(40, 43))


def test_outlines_leave_specks_out():
    (outline,) = outlined([candidate(0.9, BODY, SPECK)], chosen=0)
    assert outline.box == (5, 5, 25, 25)
    assert outline.area == 400


def test_two_pieces_of_one_object_are_both_outlined():
    other = slice(28, 38), slice(28, 38)
    (outline,) = outlined([candidate(0.9, BODY, other)], chosen=0)
    assert outline.area == 500


def test_a_score_far_below_the_best_is_not_outlined_unless_it_is_chosen():
    candidates = [candidate(score, BODY) for score in (0.9, 0.8, 0.4)]
    assert [o.area > 0 for o in outlined(candidates, 0)] == [True, True, False]
    assert [o.area > 0 for o in outlined(candidates, 2)] == [True, True, True]
    assert all(o.area > 0 for o in outlined(candidates, 0, is_trusted=False))


def test_an_empty_mask_has_no_outline():
    assert outlined([candidate(0.9)], 0)[0].area == 0


def test_a_mask_beside_the_one_that_is_taken_is_not_outlined():
    beside = slice(28, 38), slice(28, 38)
    candidates = [candidate(0.9, BODY), candidate(0.85, beside)]
    assert [o.area > 0 for o in outlined(candidates, 0)] == [True, False]
    assert [o.area > 0 for o in outlined(candidates, 1)] == [False, True]
