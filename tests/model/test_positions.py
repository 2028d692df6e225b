"""Positions of prompts keep their precision."""

from __future__ import annotations

import torch

from napari_sam_adapter.model.decoder.prompt_encoder import PositionalEncoding


def test_half_precision_round_about_leaves_positions_alone() -> None:
    torch.manual_seed(0)
    encoding, places = PositionalEncoding(), torch.rand(50, 2)
    expected = encoding(places)
    with torch.autocast("cpu", torch.bfloat16):
        assert (places @ places.T).dtype == torch.bfloat16
        assert torch.equal(encoding(places), expected)
