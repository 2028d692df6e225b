"""Networks that share tensors stay together when one of them has to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tests.own_decoder import with_own_decoder

from napari_sam_adapter.inference.network.network import Network
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from napari_sam_adapter.inference.network.decoding import Decoding

OTHER_DEVICE = "meta"
"""Stands for the device that memory made them move to: every machine has it."""


def devices(network: Network) -> set[str]:
    tensors = network.sam.state_dict() | network.encoder.state_dict()
    return {tensor.device.type for tensor in tensors.values()}


def place_of_decoding(network: Network) -> str:
    found, _ = network.decode(lambda decoding, _: (empty(decoding), empty(decoding)), 1)
    return found.device.type


def empty(decoding: Decoding) -> torch.Tensor:
    return torch.empty(0, device=decoding.device)


def test_a_network_follows_the_encoder_that_it_shares() -> None:
    sam = build_sam(SamShape(64, 32, 2, (2, 0), 64)).eval().requires_grad_(False)
    base, sibling = (
        Network(Checkpoint(s, None, ""), "cpu", torch.float32)
        for s in (sam, with_own_decoder(sam))
    )
    assert devices(base) == devices(sibling) == {"cpu"}
    base.sam.to(OTHER_DEVICE)
    assert sibling.device.type == OTHER_DEVICE
    assert devices(sibling) == {OTHER_DEVICE, "cpu"}  # its own decoder stayed behind
    assert [place_of_decoding(network) for network in (sibling, base)] == [
        OTHER_DEVICE,
        OTHER_DEVICE,
    ]
    assert devices(base) == devices(sibling) == {OTHER_DEVICE}
