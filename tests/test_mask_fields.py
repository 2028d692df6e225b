from dataclasses import replace

import numpy as np
import pytest

from napari_sam_adapter.boxed_mask import BoxedMask, nothing, union
from napari_sam_adapter.predictions import MaskPrediction

LOGITS = np.zeros((2, 2), np.float32)


@pytest.fixture
def boxed():
    mask = np.zeros((8, 9), bool)
    mask[2:4, 3:7] = True
    return BoxedMask.of(mask)


def test_a_boxed_mask_is_made_whole_when_it_is_read(boxed):
    prediction = MaskPrediction(boxed.like_whole(), 0.5, LOGITS)
    assert prediction.boxed_mask is boxed
    assert prediction.mask.shape == (8, 9)
    assert np.array_equal(prediction.mask, boxed.full())
    assert prediction.mask is prediction.mask


def test_an_array_stays_as_it_is_and_is_looked_at_in_its_box(boxed):
    mask = boxed.full()
    prediction = MaskPrediction(mask, 0.5, LOGITS, box=(1, 1, 5, 8))
    assert prediction.mask is mask
    assert prediction.boxed_mask.box == boxed.box
    mask[7, 8] = True  # outside of the box that was told
    assert replace(prediction, score=0.6).boxed_mask.box == boxed.box
    assert replace(prediction, box=None).boxed_mask.box == (2, 3, 8, 9)


def test_a_mask_is_needed():
    with pytest.raises(TypeError, match="mask"):
        MaskPrediction(score=0.5, logits=LOGITS)


def test_pieces_join_in_a_box_around_them(boxed):
    other = BoxedMask((8, 9), (6, 0, 7, 2), np.ones((1, 2), bool))
    joined = union([nothing((8, 9)), boxed, other])
    assert joined.box == (2, 0, 7, 7)
    assert np.array_equal(joined.full(), boxed.full() | other.full())
    assert union([nothing((8, 9)), boxed]) is boxed
    assert not union([nothing((8, 9))] * 2).area
