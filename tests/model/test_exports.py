from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.full_disk import full_disk
from tests.model.test_adapter_parity import published_state

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.lora import add_lora, lora_state
from napari_sam_adapter.model.families.preparation import MICRO_SAM, SAM_ADAPTER
from napari_sam_adapter.model.files.adapter_files import load_adapter, save_adapter
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.checkpoints import Checkpoint, load_checkpoint
from napari_sam_adapter.model.files.exports import (
    export_plain_sam,
    export_published,
    import_published,
)
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SamShape(64, 32, 2, (2, 0), 64)


@pytest.fixture(scope="module")
def published_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model_epoch_best.pth"
    torch.save(published_state(), path)
    return path


@pytest.fixture
def base(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(0)
    path = tmp_path / "small.pth"
    torch.save(build_sam(SMALL).state_dict(), path)
    return load_checkpoint(path)


def base_of(published: Path, folder: Path) -> Checkpoint:
    """A plain SAM with the encoder of a published SAM-Adapter."""
    sam = load_checkpoint(published).sam
    state = build_sam(SamShape(160, 128, 4, (4, 0, 4, 0), 512)).state_dict()
    state |= {
        f"image_encoder.{k}": v for k, v in sam.image_encoder.state_dict().items()
    }
    path = folder / "base.pth"
    torch.save(state, path)
    return load_checkpoint(path)


def adapted(base: Checkpoint, **options) -> Checkpoint:
    adapter = SamAdapter(32, 2, **options)
    torch.nn.init.normal_(adapter.shared_mlp.weight)
    return replace(
        base, adapter=adapter.eval().requires_grad_(False), family=SAM_ADAPTER
    )


def prompt_free(checkpoint: Checkpoint, image: torch.Tensor) -> torch.Tensor:
    sam = checkpoint.sam
    with torch.inference_mode():
        embedding = checkpoint.image_encoder(image).embedding
        sparse, dense, _ = sam.prompt_encoder()
        positions = sam.prompt_encoder.dense_positions()
        return sam.mask_decoder(embedding, positions, sparse, dense)[0]


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_published_file_comes_back_bit_by_bit(
    published_file: Path, tmp_path: Path, suffix: str
) -> None:
    expected = published_state()
    exported = tmp_path / f"again.{suffix}"
    export_published(load_checkpoint(published_file), exported)
    again = load_checkpoint(exported)
    assert again.family.stretch
    assert not again.family.capabilities.score_is_trusted
    if suffix == "pth":
        state = torch.load(exported, weights_only=True)
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_published_file_as_an_adapter_of_its_base(
    published_file: Path, tmp_path: Path
) -> None:
    base = base_of(published_file, tmp_path)
    own, exported = tmp_path / "own.safetensors", tmp_path / "exported.pth"
    import_published(published_file, base, "base", own, licence="MIT")
    loaded = load_adapter(own, base, "base")
    image = torch.randn(1, 3, 160, 160)
    expected = prompt_free(load_checkpoint(published_file), image)
    assert torch.allclose(prompt_free(loaded, image), expected, atol=1e-4)
    assert loaded.family.stretch
    assert not loaded.family.capabilities.score_is_trusted
    export_published(loaded, exported)
    state, expected_state = torch.load(exported), published_state()
    assert state.keys() == expected_state.keys()
    assert all(torch.equal(state[key], expected_state[key]) for key in state)
    assert own.stat().st_size < 0.8 * published_file.stat().st_size


def test_imported_adapter_remembers_how_its_base_got_images(
    published_file: Path, tmp_path: Path
) -> None:
    base = base_of(published_file, tmp_path)
    own = tmp_path / "own.safetensors"
    import_published(published_file, replace(base, family=MICRO_SAM), "base", own)
    assert read_adapter_header(own).notes.preprocessing == MICRO_SAM.name
    assert load_adapter(own, base, "base").family.stretch


def test_import_refuses_another_base_and_files_without_an_adapter(
    published_file: Path, base: Checkpoint, tmp_path: Path
) -> None:
    target = tmp_path / "own.safetensors"
    with pytest.raises(CheckpointError, match=r"best\.pth .* of 'small'"):
        import_published(published_file, base, "small", target)
    with pytest.raises(CheckpointError, match="no prompt generator"):
        import_published(tmp_path / "small.pth", base, "small", target)
    assert not target.exists()


@pytest.mark.parametrize("learned", ["none", "shared"])
def test_weights_are_multiplied_into_the_layers(
    base: Checkpoint, tmp_path: Path, learned: str
) -> None:
    weights = {"fft_highpass": 0.3, "patch_embedding": 1.7}
    checkpoint = adapted(
        base, weights=weights, learned_weights=learned, published_order=True
    )
    export_published(checkpoint, tmp_path / "out.pth")
    image = torch.randn(1, 3, 64, 64)
    found = prompt_free(load_checkpoint(tmp_path / "out.pth"), image)
    assert torch.allclose(found, prompt_free(checkpoint, image), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sees each token by itself"),
        ({"sources": ["srm"], "published_order": True}, "task information srm"),
        (
            {"learned_weights": "per_block", "published_order": True},
            "weights of its own",
        ),
    ],
    ids=["order", "sources", "per block"],
)
def test_published_layout_refuses_what_it_cannot_express(
    base: Checkpoint, tmp_path: Path, options: dict, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        export_published(adapted(base, **options), tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


def test_lora_is_merged_into_a_plain_sam_file(base: Checkpoint, tmp_path: Path) -> None:
    sam = add_lora(base.sam, rank=2)
    for value in lora_state(sam).values():
        value.normal_(std=0.3)
    own = tmp_path / "lora.safetensors"
    save_adapter(None, sam, own, "small", base.sha256)
    loaded = load_adapter(own, base, "small")
    export_plain_sam(loaded, tmp_path / "plain.pth")
    plain = load_checkpoint(tmp_path / "plain.pth")
    image = torch.randn(1, 3, 64, 64)
    found, expected = prompt_free(plain, image), prompt_free(loaded, image)
    assert torch.allclose(found, expected, atol=1e-4)
    assert not torch.allclose(expected, prompt_free(base, image), atol=1e-3)


def test_plain_layout_refuses_adapters_and_unknown_file_types(
    base: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="no place for"):
        export_plain_sam(adapted(base), tmp_path / "out.pth")
    with pytest.raises(CheckpointError, match="got one without"):
        export_published(base, tmp_path / "out.pth")
    with pytest.raises(OutputError, match=r".safetensors, got out\.bin"):
        export_plain_sam(base, tmp_path / "out.bin")
    export_plain_sam(base, tmp_path / "out.pth")
    with pytest.raises(OutputError, match="exists"):
        export_plain_sam(base, tmp_path / "out.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_full_disk_is_told_and_leaves_what_was_there(
    base: Checkpoint, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("before")
    with full_disk(100_000), pytest.raises(OutputError, match="out"):
        export_plain_sam(base, path, overwrite=True)
    assert path.read_text() == "before"
    assert list(tmp_path.glob("*out*")) == [path]


def test_lora_and_adapter_together_survive_their_file_and_the_published_layout(
    base: Checkpoint, tmp_path: Path
) -> None:
    adapter = adapted(base, published_order=True).adapter
    sam = add_lora(base.sam, rank=2)
    for value in lora_state(sam).values():
        value.normal_(std=0.3)
    own = tmp_path / "both.safetensors"
    save_adapter(adapter, sam, own, "small", base.sha256)
    loaded = load_adapter(own, base, "small")
    export_published(loaded, tmp_path / "out.pth")
    image = torch.randn(1, 3, 64, 64)
    expected = prompt_free(replace(base, sam=sam, adapter=adapter), image)
    for found in (loaded, load_checkpoint(tmp_path / "out.pth")):
        assert torch.allclose(prompt_free(found, image), expected, atol=1e-4)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_tensors_that_are_one_are_exported_both(
    base: Checkpoint, tmp_path: Path, suffix: str
) -> None:
    layers = base.sam.mask_decoder.transformer.layers
    layers[1].norm1.weight = layers[0].norm1.weight
    layers[1].norm1.bias = torch.nn.Parameter(layers[0].norm1.bias[:])  # a view
    export_plain_sam(base, tmp_path / f"out{suffix}")
    again = load_checkpoint(tmp_path / f"out{suffix}").sam.state_dict()
    expected = base.sam.state_dict()
    assert all(torch.equal(again[key], expected[key]) for key in expected)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_export_leaves_a_part_file_of_the_user_alone(
    base: Checkpoint, tmp_path: Path, suffix: str
) -> None:
    own = tmp_path / f"out{suffix}.part"
    own.write_text("mine")
    export_plain_sam(base, tmp_path / f"out{suffix}")
    assert own.read_text() == "mine"
    assert {path.name for path in tmp_path.glob("*out*")} == {f"out{suffix}", own.name}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_plain_file_comes_back_bit_by_bit(
    base: Checkpoint, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    export_plain_sam(base, path)
    again, expected = load_checkpoint(path).sam.state_dict(), base.sam.state_dict()
    assert again.keys() == expected.keys()
    assert all(torch.equal(again[key], expected[key]) for key in expected)


@pytest.mark.parametrize("folded", ["weight", "lora"])
def test_folding_changes_the_last_bits_only(
    base: Checkpoint, tmp_path: Path, folded: str
) -> None:
    path = tmp_path / "out.pth"
    if folded == "weight":
        changed = adapted(base, weights={"fft_highpass": 0.3}, published_order=True)
        export_published(changed, path)
    else:
        changed = replace(base, sam=add_lora(base.sam, rank=2))
        for value in lora_state(changed.sam).values():
            value.normal_(std=0.05)
        export_plain_sam(changed, path)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found = load_checkpoint(path).image_encoder(image).embedding
        difference = (found - changed.image_encoder(image).embedding).abs().max()
    assert difference <= 5e-6
