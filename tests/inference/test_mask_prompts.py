"""Mask prompts from their box equal the mask scaled as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sam_adapter.inference.frame.mask_prompts import CERTAIN, to_mask_prompt
from napari_sam_adapter.inference.frame.preprocessing import Frame, frame_of
from napari_sam_adapter.prompts import Prompts

FRAMES = {
    "enlarged": frame_of((45, 61), 128),
    "reduced": frame_of((300, 411), 128),
    "much reduced": frame_of((1100, 600), 64),
    "stretched": frame_of((90, 31), 128, stretch=True),
    "a line": frame_of((2, 300), 128),
}
BOXES = {
    "inside": (0.3, 0.2, 0.6, 0.9),
    "all": (0, 0, 1, 1),
    "a corner": (0.9, 0.9, 1, 1),
}


def scaled_as_a_whole(mask: np.ndarray, frame: Frame) -> torch.Tensor:
    soft = torch.from_numpy(mask[None, None].astype(np.float32))
    soft = F.interpolate(soft, frame.resized, mode="bilinear", antialias=True)
    rows, columns = frame.resized
    square = F.pad(soft, (0, frame.size - columns, 0, frame.size - rows))
    return 2 * CERTAIN * (F.avg_pool2d(square, frame.mask_stride)[0] - 0.5)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("name", FRAMES)
def test_logits_equal_those_of_the_whole_plane(name: str, box: str) -> None:
    frame = FRAMES[name]
    low, high = np.reshape(BOXES[box], (2, 2)) * frame.original
    mask = np.zeros(frame.original, bool)
    part = mask[int(low[0]) : int(high[0]), int(low[1]) : int(high[1])]
    part[...] = np.random.default_rng(0).random(part.shape) < 0.7
    found = to_mask_prompt(Prompts(mask=mask), frame)
    assert torch.allclose(found, scaled_as_a_whole(mask, frame), atol=1e-4)


def test_an_empty_mask_is_nowhere() -> None:
    frame = frame_of((45, 61), 128)
    found = to_mask_prompt(Prompts(mask=np.zeros((45, 61), bool)), frame)
    assert found.shape == (1, 32, 32)
    assert (found == -CERTAIN).all()


def test_mask_prompt_keeps_its_orientation() -> None:
    mask = np.zeros((64, 64), bool)
    mask[8:16, 40:56] = True
    logits = to_mask_prompt(Prompts(mask=mask), frame_of((64, 64), 64))[0]
    assert (logits > 0).nonzero().amin(dim=0).tolist() == [2, 10]
    assert (logits > 0).nonzero().amax(dim=0).tolist() == [3, 13]
