"""Weights of attention without numbers that are too small to be multiplied quickly."""

from __future__ import annotations

import math

import torch

from napari_sam_adapter.model.attention_weights import to_weights


def test_weights_of_almost_nothing_are_nothing() -> None:
    scores = torch.tensor([[0.0, -1.0, -75.0, -95.0], [3.0, math.nan, 0.0, 0.0]])
    out = torch.empty(2, 4)
    to_weights(scores.clone(), 1, out)
    expected = scores.softmax(1)
    assert torch.equal(out[0, :2], expected[0, :2])
    assert out[0, 2:].tolist() == [0, 0]
    assert expected[0, 2:].all()
    assert out[1].isnan().all()
    assert torch.equal(to_weights(scores, 1)[0], out[0])
    assert torch.equal(scores[0], out[0])
