"""Losses against values printed by the authors' formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.model import reference_numbers as ref
from tests.model.test_adapter_parity import published_state

from napari_sam_adapter.inference.frame.preprocessing import frame_of, to_input
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.training.steps.losses import (
    balanced_bce_loss,
    bce_loss,
    dice_loss,
    focal_loss,
    hard_iou,
    mask_loss,
    soft_iou_loss,
    step_loss,
)

if TYPE_CHECKING:
    from pathlib import Path

FOCAL = [[0.589155, 0.556226, 0.625119], [0.591847, 0.539184, 0.66184]]
DICE = [[0.689823, 0.666986, 0.707421], [0.743597, 0.775695, 0.816789]]
SQUARED = [[0.103316, 0.000133136, 0.537778], [0.00278549, 0.0750846, 0.371707]]
SCORES = torch.tensor([[0.5, 0.2, 0.9], [0.1, 0.4, 0.7]])


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.from_numpy(8 * ref.uniform("pred", (2, 3, 16, 16))).float()


@pytest.fixture
def target() -> torch.Tensor:
    masks = torch.zeros(2, 16, 16)
    masks[0, 2:9, 3:12] = 1
    masks[1, 8:15, 1:6] = 1
    return masks[:, None].expand(2, 3, 16, 16)


def test_focal_loss_matches(logits: torch.Tensor, target: torch.Tensor) -> None:
    assert np.allclose(focal_loss(logits, target), FOCAL, atol=1e-5)


def test_dice_loss_matches(logits: torch.Tensor, target: torch.Tensor) -> None:
    assert np.allclose(dice_loss(logits, target), DICE, atol=1e-5)


def test_score_error_matches(logits: torch.Tensor, target: torch.Tensor) -> None:
    squared = (SCORES - hard_iou(logits, target)) ** 2
    assert np.allclose(squared, SQUARED, atol=1e-5)


def test_the_best_of_three_masks_is_trained(
    logits: torch.Tensor, target: torch.Tensor
) -> None:
    assert mask_loss(logits, target).argmin(dim=1).tolist() == [1, 1]
    logits.requires_grad_()
    step_loss(logits, SCORES, target[:, 0]).backward()
    assert logits.grad is not None
    reached = logits.grad.abs().sum(dim=(2, 3)) > 0
    assert reached.tolist() == [[False, True, False]] * 2


def test_prompt_free_losses_match(tmp_path: Path) -> None:
    torch.save(published_state(), tmp_path / "published.pth")
    network = load_checkpoint(tmp_path / "published.pth")
    frame = frame_of((160, 160), 160, stretch=True)
    picture = to_input(ref.image(160, 160), frame)[None]
    with torch.inference_mode():
        embedding = network.image_encoder(picture).embedding
        sparse, dense, _ = network.sam.prompt_encoder()
        positions = network.sam.prompt_encoder.dense_positions()
        low, _ = network.sam.mask_decoder(embedding, positions, sparse, dense)
        logits = torch.nn.functional.interpolate(
            low[:, :1], (160, 160), mode="bilinear"
        )
    truth = torch.zeros(1, 160, 160)
    truth[:, 40:120, 30:100] = 1
    everywhere = torch.ones_like(truth)
    assert float(bce_loss(logits[0], truth, everywhere)) == pytest.approx(0.88081163)
    assert float(soft_iou_loss(logits[0], truth)) == pytest.approx(0.80705065)
    balanced = balanced_bce_loss(logits[0], truth, everywhere)
    assert float(balanced) == pytest.approx(0.25660664, abs=1e-6)


def test_padding_does_not_count() -> None:
    logits, truth = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    truth[:, :2, :2] = 1
    valid = torch.zeros_like(truth)
    valid[:, :, :2] = 1
    outside = torch.where(valid > 0, logits, 50.0)
    for loss in (bce_loss, balanced_bce_loss):
        assert torch.equal(loss(logits, truth, valid), loss(outside, truth, valid))
