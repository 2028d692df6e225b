"""Losses against values printed by the authors' formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.model import reference_numbers as ref

from napari_sam_adapter.training.losses import (
    dice_loss,
    focal_loss,
    hard_iou,
    mask_loss,
    step_loss,
)

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
