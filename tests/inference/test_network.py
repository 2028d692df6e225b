"""Networks that share tensors stay together when one of them has to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from napari_sam_adapter.inference.network import Network
from napari_sam_adapter.model.checkpoints import Checkpoint
from napari_sam_adapter.model.image_encoder import EncodedImage
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.model.sharing import shared_copy, with_own_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

GPU = "cuda"
"""Its tensors are fake here: they know their device and refuse to meet others."""


class Encoder(nn.Module):
    """The shortest image encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 1, 1), requires_grad=False)
        self.register_buffer("positions", torch.zeros(64, 64))

    def forward(self, batch: torch.Tensor) -> EncodedImage:
        return EncodedImage(batch * self.weight + self.positions)


class LoraEncoder(nn.Module):
    """Shares the tensors of an encoder and has one of its own."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = shared_copy(encoder)
        self.addition = nn.Parameter(torch.ones(3, 1, 1), requires_grad=False)

    def forward(self, batch: torch.Tensor) -> EncodedImage:
        return EncodedImage(self.encoder(batch).embedding * self.addition)


@pytest.fixture
def networks() -> Iterator[list[Network]]:
    """On the GPU: a base, one with a decoder of its own, and one with LoRA."""
    with FakeTensorMode():
        sam = build_sam(SamShape(64, 32, 2, (2, 0), 64)).eval().requires_grad_(False)
        base = Sam(Encoder(), sam.prompt_encoder, sam.mask_decoder)
        lora = Sam(LoraEncoder(base.image_encoder), *list(sam.children())[1:])
        sams = base, with_own_decoder(base), lora
        yield [Network(Checkpoint(s, None, ""), GPU, torch.float32) for s in sams]


def full(network: Network) -> None:
    """Let the GPU have no room for the network's next step."""

    def fail(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs[0].device.type == GPU:
            raise torch.OutOfMemoryError

    network.encoder.register_forward_pre_hook(fail)


def devices(network: Network) -> set[str]:
    tensors = network.sam.state_dict() | network.encoder.state_dict()
    return {tensor.device.type for tensor in tensors.values()}


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("first", [0, 1, 2], ids=["base", "decoder", "lora"])
def test_all_go_to_the_cpu_when_one_does(networks: list[Network], first: int) -> None:
    image = torch.zeros(2, 3, 64, 64)
    assert [devices(network) for network in networks] == [{GPU}] * 3
    full(networks[first])
    with pytest.warns(RuntimeWarning, match="going on on the CPU"):
        parts = networks[first].encode(image, (64, 64))
    assert {part.embedding.device.type for part in parts} == {"cpu"}
    for network in networks:
        (encoded,) = network.encode(image, (64, 64))
        assert encoded.embedding.device.type == "cpu"
        assert devices(network) == {"cpu"}
