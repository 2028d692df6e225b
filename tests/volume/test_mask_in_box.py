"""A mask that comes with its box costs what its box costs, and changes nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.answer import Answer
from napari_sam_adapter.volume.asking.packing import PackedArray
from napari_sam_adapter.volume.document.objects import PlaneRecord
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.planes.windows import Window
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.session.session import Session

UNDONE = 3
"""Steps taken back: the last propagation, the prompt and the mask before it."""


def followed(volume, predictor, axes, with_box):
    """Follow one object twice along an axis, the second time from another anchor."""
    session = Session(volume, predictor)
    axis = ({0, 1, 2} - set(axes)).pop()
    for centre in (LEFT, RIGHT):
        plane = Plane(axes, (centre[axis],))
        if not session.objects.ids:
            session.new_object()
        session.add_point(1, plane, [centre[a] for a in axes])
        session.mask(1, plane)
        for result in follow(session.propagation(1, again=True)):
            if result is not None:
                assert result.box is not None
                box = result.box if with_box else None
                session.commit(replace(result, box=box))
    return session


@pytest.mark.parametrize("axes", [(1, 2), (0, 2), (2, 1)])
def test_the_labels_are_those_of_looking_everywhere(volume, predictor, axes):
    with_box = followed(volume, predictor, axes, with_box=True)
    without = followed(volume, predictor, axes, with_box=False)
    assert with_box.labels.any()
    np.testing.assert_array_equal(with_box.labels, without.labels)
    for _ in range(UNDONE):
        with_box.undo()
        without.undo()
        np.testing.assert_array_equal(with_box.labels, without.labels)


def test_nobody_looks_outside_of_the_box(clicked):
    results = [r for r in follow(clicked.propagation(1)) if r and r.is_usable]
    result = results[0]
    assert result.box is not None
    assert not result.mask[:2].any()
    spoilt = result.mask.copy()
    spoilt[0, 0] = True
    clicked.commit(replace(result, mask=spoilt))
    found = result.plane.view(clicked.labels) == 1
    np.testing.assert_array_equal(found, result.mask)


def test_a_packed_mask_keeps_what_is_in_its_box():
    mask = np.zeros((50, 61), bool)
    mask[7:12, 20:33] = np.random.default_rng(0).random((5, 13)) > 0.5
    packed = PackedArray.of(mask, (6, 19, 13, 40))
    for copy in (packed, PackedArray.from_json(packed.to_json())):
        found = copy.unpack()
        np.testing.assert_array_equal(found, mask)
        assert found.dtype == bool
        assert not found.flags.writeable
    assert packed == PackedArray.from_json(packed.to_json())
    nothing = PackedArray.of(mask, (0, 0, 0, 0)).unpack()
    assert nothing.shape == mask.shape
    assert not nothing.any()


@pytest.mark.parametrize("box", [None, (1, 2, 4, 6)])
@pytest.mark.parametrize(
    "part", [(0, 0, 5, 8), (2, 3, 3, 5), (0, 1, 2, 4), (4, 6, 5, 8)]
)
def test_a_packed_plane_gives_any_part_of_itself(box, part):
    plane = np.zeros((5, 8), dtype=bool)
    plane[1:4, 2:6] = np.random.default_rng(0).random((3, 4)) < 0.5
    packed = PackedArray.of(plane, box)
    expected = plane[part[0] : part[2], part[1] : part[3]]
    assert np.array_equal(packed.unpack_part(part), expected)


def test_hand_edits_of_one_plane_add_up():
    record = PlaneRecord()
    expected = np.zeros((20, 30), dtype=bool)
    for box in ((3, 4, 6, 9), (5, 2, 8, 5), (15, 20, 16, 30)):
        pixels = np.ones((box[2] - box[0], box[3] - box[1]), dtype=bool)
        record = record.with_painted(pixels, box, expected.shape)
        expected[box[0] : box[2], box[1] : box[3]] = True
    assert np.array_equal(record.painted.unpack(), expected)


def test_an_answer_packs_all_its_candidates_in_their_boxes():
    masks = np.zeros((2, 30, 40), bool)
    masks[0, 3:9, 5:7] = masks[1, 2:20, 1:30] = True
    boxes = (3, 5, 9, 7), (2, 1, 20, 30)
    nothing = np.zeros((1, 1), np.float32)
    candidates = tuple(
        MaskCandidate(mask, 0.9, nothing, box)
        for mask, box in zip(masks, boxes, strict=True)
    )
    prediction = MaskPrediction(masks[0], 0.9, nothing, candidates, box=boxes[0])
    pasted = Window(100, 200, 130, 240).paste(prediction, (500, 500))
    answer = Answer.of(pasted, Prompts([(104, 205)]), 0.9, number=1)
    moved = [(103, 205, 109, 207), (102, 201, 120, 230)]
    assert [candidate.mask.box for candidate in answer.candidates] == moved
    assert answer.chosen.mask.box == moved[1]
    for kept, candidate in zip(answer.mask_candidates, pasted.candidates, strict=True):
        np.testing.assert_array_equal(kept.mask, candidate.mask)


class BoxingPredictor(MarkingDiskPredictor):
    """Gives its masks boxed, as `SamPredictor` does, and keeps its answers."""

    def __init__(self):
        super().__init__()
        self.answers = []

    def _answer(self, mask, prompts):
        whole = super()._answer(mask, prompts)
        masks = [BoxedMask.of(candidate.mask) for candidate in whole.candidates]
        candidates = tuple(
            replace(candidate, mask=boxed.like_whole(), box=boxed.box)
            for candidate, boxed in zip(whole.candidates, masks, strict=True)
        )
        first, best = candidates[0], masks[0].like_whole()
        answer = MaskPrediction(
            best, first.score, first.logits, candidates, box=masks[0].box
        )
        self.answers.append(answer)
        return answer

    def is_any_whole(self):
        masks = [m for answer in self.answers for m in (answer, *answer.candidates)]
        return any("whole_mask" in vars(mask) for mask in masks)


def test_a_click_takes_its_answer_over_in_its_box(volume):
    predictor = BoxingPredictor()
    session = Session(volume, predictor)
    plane = Plane((1, 2), (LEFT[0],))
    session.add_point(session.new_object(), plane, LEFT[1:])
    assert session.mask(1, plane).any()
    assert not predictor.is_any_whole()
    answer = session.state.records[1, plane].answer
    assert answer.chosen.mask.data is answer.candidates[0].mask.data  # packed once


def test_a_search_takes_its_objects_over_in_their_boxes(volume):
    predictor = BoxingPredictor()
    session = Session(volume, predictor)
    found = find_objects(session, Plane((1, 2), (LEFT[0],)))
    assert found == [1, 2]
    assert not predictor.is_any_whole()


def test_an_answer_of_a_window_is_packed_once():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 5:12] = True
    prompts = Prompts([(6, 8)])
    answer = BoxingPredictor()._answer(mask, prompts)
    pasted = Window(10, 20, 30, 50).paste(answer, (64, 64))
    packed = Answer.of(pasted, prompts, 0.9)
    assert packed.chosen.mask.data is packed.candidates[0].mask.data
    np.testing.assert_array_equal(packed.prediction.mask[10:30, 20:50], mask)
    assert packed.prediction.mask.sum() == mask.sum()
