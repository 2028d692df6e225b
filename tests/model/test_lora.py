from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.lora import (
    add_lora,
    load_lora,
    lora_state,
    merge_lora,
)
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape

SMALL = SamShape(64, 32, 2, (2, 0), 64)


@pytest.fixture
def sam() -> Sam:
    torch.manual_seed(0)
    return build_sam(SMALL).eval().requires_grad_(False)


@pytest.fixture
def trained(sam: Sam) -> Sam:
    wrapped = add_lora(sam, rank=3)
    for value in lora_state(wrapped).values():
        value.normal_(std=0.3)
    return wrapped


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def embedding(sam: Sam, image: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return sam.image_encoder(image).embedding


def test_fresh_lora_changes_nothing_and_shares_all_tensors(
    sam: Sam, image: torch.Tensor
) -> None:
    wrapped = add_lora(sam)
    assert torch.allclose(embedding(wrapped, image), embedding(sam, image), atol=1e-5)
    base = {id(tensor) for tensor in sam.parameters()}
    own = [key for key, p in wrapped.named_parameters() if id(p) not in base]
    assert own == list(lora_state(wrapped))
    assert len(own) == 8


def test_base_keeps_its_results_while_lora_is_trained(
    sam: Sam, image: torch.Tensor
) -> None:
    before = embedding(sam, image)
    wrapped = add_lora(sam)
    wrapped.image_encoder(image).embedding.square().sum().backward()
    trainable = [p for p in wrapped.parameters() if p.requires_grad]
    assert len(trainable) == 8
    assert all(p.grad is not None for p in trainable)
    torch.optim.SGD(trainable, lr=1e-3).step()
    assert not torch.equal(embedding(wrapped, image), before)
    assert torch.equal(embedding(sam, image), before)
    assert lora_state(sam) == {}


def test_keys_and_queries_and_values(sam: Sam, trained: Sam) -> None:
    layer = trained.image_encoder.blocks[0].attn.qkv
    plain = sam.image_encoder.blocks[0].attn.qkv
    x = torch.randn(5, 32)
    q, k, v = (layer(x) - plain(x)).chunk(3, dim=-1)
    assert torch.allclose(q, x @ layer.q_down.T @ layer.q_up.T, atol=1e-5)
    assert not k.any()
    assert torch.allclose(v, x @ layer.v_down.T @ layer.v_up.T, atol=1e-5)


def test_merged_network_is_plain_and_equal(
    sam: Sam, trained: Sam, image: torch.Tensor
) -> None:
    merged = merge_lora(trained)
    assert merged.state_dict().keys() == sam.state_dict().keys()
    found, expected = embedding(merged, image), embedding(trained, image)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(expected, embedding(sam, image), atol=1e-2)
    assert merged.mask_decoder is sam.mask_decoder


def test_two_sets_live_on_one_base(sam: Sam, trained: Sam, image: torch.Tensor) -> None:
    state = {key: value.clone() for key, value in lora_state(trained).items()}
    again = load_lora(sam, state)
    other = add_lora(sam)
    assert torch.equal(embedding(again, image), embedding(trained, image))
    assert torch.allclose(embedding(other, image), embedding(sam, image), atol=1e-5)


@pytest.mark.parametrize("rank", [0, 32, -1])
def test_senseless_rank_is_refused(sam: Sam, rank: int) -> None:
    with pytest.raises(CheckpointError, match=f"rank from 1 to 31, got {rank}"):
        add_lora(sam, rank)


def test_lora_of_another_network_is_refused(trained: Sam) -> None:
    other = build_sam(SamShape(64, 48, 2, (2, 0), 64))
    with pytest.raises(CheckpointError, match=r"q_down .* \(3, 48\), got \(3, 32\)"):
        load_lora(other, lora_state(trained))
    with pytest.raises(CheckpointError, match="one rank"):
        load_lora(other, {})
    with pytest.raises(CheckpointError, match="Merge it first"):
        add_lora(trained)
