"""The second task of pretraining: pairs of pixels within one object, or apart."""

from __future__ import annotations

import numpy as np
import torch

from napari_sam_adapter.training.examples.prompt_data import region_map
from napari_sam_adapter.training.steps.affinities import OFFSETS, affinity_loss


def two_halves() -> torch.Tensor:
    labels = np.zeros((64, 64), np.int32)
    labels[:, :32], labels[:, 32:] = 1, 2
    return region_map((labels,))[None]


def true_logits(regions: torch.Tensor) -> torch.Tensor:
    apart = [
        regions.roll((-rows, -columns), dims=(1, 2)) != regions
        for rows, columns in OFFSETS
    ]
    return 20 * (2 * torch.stack(apart, dim=1).float() - 1)


def test_the_truth_has_no_loss() -> None:
    regions = two_halves()
    assert float(affinity_loss(true_logits(regions), regions)) < 1e-6


def test_a_border_in_the_wrong_place_costs() -> None:
    regions = two_halves()
    shifted = true_logits(regions).roll(2, dims=3)
    assert float(affinity_loss(shifted, regions)) > 0.5


def test_pairs_do_not_reach_round_the_image() -> None:
    regions = two_halves()
    logits = true_logits(regions)
    logits[:, 0, :, -1] *= -1  # the partner would be in the first column
    assert float(affinity_loss(logits, regions)) < 1e-6


def test_regions_of_nested_layers_are_told_apart() -> None:
    cell, nucleus = np.zeros((2, 16, 16), np.int32)
    cell[:, 4:], nucleus[:, 8:12] = 1, 1
    row = region_map((cell, nucleus))[0]
    assert row[0] == 0
    assert len({int(value) for value in row}) == 3
    assert row[1] == row[3] != row[2]
