from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.evp import Evp, PlainHead, levels_of
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape


@pytest.fixture
def evp() -> Evp:
    torch.manual_seed(0)
    encoder = build_sam(SamShape(64, 32, 2, (2, 0), 64)).image_encoder
    encoder.requires_grad_(False)
    head = PlainHead(32, levels=2, classes=3, channels=16)
    return Evp(encoder, SamAdapter(32, 2), head)


def test_logits_have_the_size_of_low_resolution_masks(evp: Evp) -> None:
    assert evp(torch.randn(2, 3, 64, 64), (40, 64)).shape == (2, 3, 16, 16)


def test_only_adapter_and_head_are_trained(evp: Evp) -> None:
    image = torch.randn(1, 3, 64, 64)
    evp(image).square().sum().backward()
    trained = {id(p) for p in evp.trained_parameters()}
    assert {id(p) for p in evp.parameters() if p.grad is not None} == trained


def test_head_learns_which_half_is_bright(evp: Evp) -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[..., 32:] = 1.0
    target = torch.zeros(1, 3, 16, 16)
    target[..., 8:] = 1.0
    optimiser = torch.optim.Adam(evp.trained_parameters(), 1e-2)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(evp(image), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("depth", "levels"),
    [(12, [2, 5, 8, 11]), (6, [0, 2, 3, 5]), (2, [0, 1]), (1, [0])],
)
def test_levels_are_evenly_spaced(depth: int, levels: list[int]) -> None:
    assert levels_of(depth) == levels
