"""Which of the masks a search takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage
from tests.fakes import DiskPredictor, MarkingDiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction
from napari_sam_adapter.volume.edits import ChooseCandidate
from napari_sam_adapter.volume.finding import find_objects
from napari_sam_adapter.volume.journal import replay
from napari_sam_adapter.volume.journal_entries import (
    PredictTogether,
    edit_from_json,
    edit_to_json,
)
from napari_sam_adapter.volume.marked_choice import Marks
from napari_sam_adapter.volume.session import Session

TOO_WIDE, RIGHT_ONE, CORE = range(3)
"""What the predictors below give for a click, best score first."""


class WideDiskPredictor(DiskPredictor):
    """Is surest of a mask that reaches 4 pixels too far; asked on a grid."""

    def _answer(self, mask, prompts):
        if not prompts.is_ambiguous or not mask.any():
            return super()._answer(mask, prompts)
        wide = ndimage.binary_dilation(mask, iterations=4)
        masks = wide, mask, ndimage.binary_erosion(mask)
        candidates = tuple(
            MaskCandidate(part, score, np.where(part, 8, -8).astype(np.float32))
            for part, score in zip(masks, (0.9, 0.8, 0.7), strict=True)
        )
        return MaskPrediction(wide, 0.9, candidates[0].logits, candidates)


class MarkingWidePredictor(WideDiskPredictor, MarkingDiskPredictor):
    """The same, and marks all disks by itself."""


@pytest.fixture
def predictor():
    return MarkingWidePredictor()


def test_a_search_takes_what_ends_where_the_marks_end(session, volume, plane):
    first, second = find_objects(session, plane)
    assert np.array_equal(session.labels[4] > 0, volume[4] > 127)
    assert session.chosen_candidate(first, plane) == RIGHT_ONE
    assert session.chosen_candidate(second, plane) == RIGHT_ONE


def test_without_marks_it_takes_the_best_score(volume, plane):
    session = Session(volume, WideDiskPredictor())
    find_objects(session, plane)
    assert np.count_nonzero(session.labels) > np.count_nonzero(volume[4] > 127)


def test_the_next_click_does_not_follow_a_search(session, plane):
    session.add_point(session.new_object(), plane, LEFT[1:])
    session.mask(1, plane)
    find_objects(session, plane)
    clicked = session.new_object()
    session.add_point(clicked, plane, RIGHT[1:])
    session.mask(clicked, plane)
    assert session.preference is None
    assert session.chosen_candidate(clicked, plane) == TOO_WIDE


def test_a_search_follows_what_the_user_chose(session, plane):
    session.add_point(session.new_object(), plane, LEFT[1:])
    session.mask(1, plane)
    session.apply(ChooseCandidate(1, plane, CORE, remember=True))
    (found,) = find_objects(session, plane)
    assert session.chosen_candidate(found, plane) == CORE
    assert session.preference == 0


def test_a_correction_starts_from_the_mask_that_is_shown(session, predictor, plane):
    for number in find_objects(session, plane):
        shown = session.labels[4] == number
        (point,) = session.prompts(number, plane).points
        session.add_point(number, plane, tuple(point + 4), positive=False)
        session.mask(number, plane)
        assert np.array_equal(predictor.predicted[-1][1].mask, shown)


def test_the_journal_repeats_the_choice(volume, plane, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(volume, MarkingWidePredictor(), journal=path)
    find_objects(session, plane)
    labels = session.labels.copy()
    session.undo()
    assert not session.labels.any()
    session.redo()
    again = replay(path, volume, MarkingWidePredictor())
    assert np.array_equal(session.labels, labels)
    assert np.array_equal(again.labels, labels)
    assert again.chosen_candidate(1, plane) == RIGHT_ONE
    again.undo()
    assert again.object_ids == []


def test_older_journals_know_no_choice(plane, session):
    prompts = tuple(session.prompts(number, plane) for number in (1, 2))
    entry = PredictTogether(plane, prompts, (1, 0), numbers=(2, None))
    written = json.loads(json.dumps(edit_to_json(entry)))
    assert edit_from_json(written).numbers == (2, None)
    del written["numbers"]
    assert edit_from_json(written).numbers == ()


def test_of_a_mask_at_the_border_only_what_is_there_counts():
    marked = np.zeros((20, 20), np.float32)
    marked[:6, :6] = 1
    masks = np.zeros((3, 20, 20), bool)
    masks[0, :12, :12] = True
    masks[1, :6, :6] = True
    candidates = [MaskCandidate(mask, 0.8, np.zeros((0, 0))) for mask in masks]
    corner = np.zeros(2)
    assert Marks(marked, 0.5).best(candidates, corner) == 1
    assert Marks(marked, 0.5).best([], corner) == 0
    everywhere = np.ones((20, 20), np.float32)
    whole = MaskCandidate(everywhere > 0, 0.9, np.zeros((0, 0)))
    assert Marks(everywhere, 0.5).best([candidates[2], whole], corner) == 1


def test_of_two_masks_inside_the_marks_the_one_that_fills_a_piece_is_taken():
    marked = np.zeros((20, 20), np.float32)
    marked[2:10, 2:10] = marked[2:10, 12:18] = 1
    masks = np.zeros((2, 20, 20), bool)
    masks[0, 2:10, 2:5] = masks[1, 2:10, 2:10] = True
    scores = 0.8, 0.75
    candidates = [
        MaskCandidate(mask, score, np.zeros((0, 0)))
        for mask, score in zip(masks, scores, strict=True)
    ]
    assert Marks(marked, 0.5).best(candidates, np.array([5.0, 3.0])) == 1
