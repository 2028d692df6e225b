"""Training looks at windows of the frame; positions must be those of the frame."""

from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.model.layers import Window
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.training.steps.prompt_steps import random_window

WINDOW = Window(top=16, left=48, size=32)
CORNER_XY = torch.tensor([48.0, 16.0])


@pytest.fixture(scope="module")
def sam() -> Sam:
    torch.manual_seed(0)
    shape = SamShape(96, 32, 2, (0,), 64, use_rel_pos=False, conv_stem=True)
    sam = build_sam(shape).eval()
    torch.nn.init.normal_(sam.image_encoder.pos_embed)
    return sam


def test_grid_positions_are_those_of_the_frame(sam: Sam) -> None:
    frame = sam.prompt_encoder.dense_positions()
    part = sam.prompt_encoder.dense_positions(WINDOW)
    assert torch.equal(part, frame[..., 1:3, 3:5])


def test_token_positions_are_those_of_the_frame(sam: Sam) -> None:
    nothing = torch.zeros(1, 2, 2, 32)
    part = sam.image_encoder.add_position(nothing, WINDOW)
    assert torch.equal(part, sam.image_encoder.pos_embed[:, 1:3, 3:5])


def test_prompts_in_a_window_equal_those_in_the_frame(sam: Sam) -> None:
    points, labels = torch.tensor([[[5.0, 7.0]]]), torch.tensor([[1]])
    boxes = torch.tensor([[1.0, 2.0, 20.0, 30.0]])
    inside, _, maps = sam.prompt_encoder((points, labels), boxes, window=WINDOW)
    moved = (points + CORNER_XY, labels)
    framed, _, whole = sam.prompt_encoder(moved, boxes + CORNER_XY.repeat(2))
    assert torch.allclose(inside, framed)
    assert torch.allclose(maps, whole[..., 4:12, 12:20])


def test_missing_mask_fills_the_window(sam: Sam) -> None:
    _, dense, _ = sam.prompt_encoder(window=WINDOW)
    assert dense.shape == (1, 256, 2, 2)


def test_random_windows_are_aligned_and_inside(sam: Sam) -> None:
    windows = [random_window(sam, 32) for _ in range(30)]
    assert all(w.top % 16 == 0 and w.left % 16 == 0 for w in windows)
    assert max(max(w.top, w.left) + w.size for w in windows) <= 96
    assert random_window(sam, 96) == Window(0, 0, 96)
