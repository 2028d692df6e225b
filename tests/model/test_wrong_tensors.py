"""One tensor that is missing or misshapen is named, whichever it is, with its file."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file
from tests.model.test_checkpoints import saved_adapter
from tests.model.test_family_behaviour import FILES

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.lora import add_lora
from napari_sam_adapter.model.files.adapter_files import load_adapter, save_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.files.hugging_face import from_hugging_face
from napari_sam_adapter.model.files.weight_files import read_header, write_weights
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path

TELLING = (
    "image_encoder.pos_embed",
    "image_encoder.patch_embed.proj.weight",
    "image_encoder.blocks.0.norm1.weight",
    "image_encoder.blocks.0.attn.rel_pos_h",
    "image_encoder.blocks.0.mlp.lin1.weight",
    "image_encoder.blocks.0.mlp.fc1.weight",
    "image_encoder.patch_embed.seq.0.c.weight",
    "image_encoder.patch_embed.stride2.0.weight",
    "image_encoder.layers.0.blocks.0.conv1.c.weight",
    "image_encoder.layers.1.blocks.0.mlp.fc1.weight",
    "image_encoder.blocks.0.Adapter.channel.0.weight",
    "image_encoder.prompt_generator.shared_mlp.weight",
    "prompt_encoder.mask_downscaling.3.weight",
    "prompt_encoder.bbox_top_left_embeddings.weight",
    "mask_decoder.mask_tokens.weight",
    "mask_decoder.transformer.layers.0.mlp.lin1.weight",
    "vision_encoder.patch_embed.projection.weight",
    "vision_encoder.layers.0.mlp.lin1.weight",
)
"""What sizes or the family are read off, where a file has it."""
WRAPPERS = ("model", "model_state")
UNUSED = ("head.", "shared_image_embedding", "no_mask_embed")
"""Not needed, or published files lack them, too."""


def state_of(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    return next((content[name] for name in WRAPPERS if name in content), content)


def as_named(key: str) -> str:
    """The end of a key in SAM's own words, in which most messages tell it."""
    (renamed,) = from_hugging_face({key.removeprefix("sam."): torch.zeros(0)})
    return renamed.replace(".mlp.fc", ".mlp.lin").rpartition("Adapter.")[2]


def own_name(key: str) -> str:
    return key.removeprefix("sam.")


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_tensor_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.pth"
    content = FILES[name]()
    state = state_of(content)
    keys = [key for key in state if key.removeprefix("sam.") in TELLING]
    used = [key for key in state if not any(part in key for part in UNUSED)]
    for key in [*keys, *random.Random(0).sample(used, 4)]:
        tensor = state.pop(key)
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=r"broken\.pth") as missing:
            load_checkpoint(path)
        state[key] = torch.cat([tensor, tensor])
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=r"broken\.pth") as misshapen:
            load_checkpoint(path)
        state[key] = tensor
        names = own_name(key), as_named(key)
        for error in (missing, misshapen):
            assert any(name in str(error.value) for name in names)


@pytest.fixture
def base_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.pth"
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return path


def lora_file(base_file: Path) -> Path:
    base = load_checkpoint(base_file)
    path = base_file.with_name("lora.safetensors")
    save_adapter(None, add_lora(base.sam, 2), path, "small", base.sha256)
    return path


@pytest.mark.parametrize(
    "key",
    [
        "adapter.shared_mlp.weight",
        "adapter.lightweight_mlp_1.0.bias",
        "mask_decoder.iou_token.weight",
        "prompt_encoder.no_mask_embed.weight",
        "image_encoder.blocks.0.attn.qkv.q_down",
    ],
)
def test_tensors_of_adapters_are_named_too(base_file: Path, key: str) -> None:
    base = load_checkpoint(base_file)
    path = lora_file(base_file) if "qkv" in key else saved_adapter(base_file)
    header, state = read_header(path), load_file(path)
    tensor = state.pop(key)
    for changed in ({}, {key: torch.cat([tensor, tensor])}):
        write_weights(path, state | changed, header)
        with pytest.raises(CheckpointError, match=key) as told:
            load_adapter(path, base, "small")
        assert path.name in str(told.value)
