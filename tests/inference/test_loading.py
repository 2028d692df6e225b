from __future__ import annotations

import hashlib
import logging
import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.inference.network.fastest import present_devices
from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.inference.predictor.predictor import SamPredictor
from napari_sam_adapter.inference.predictor.weights import (
    export_weights,
    import_weights,
)
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.lora import add_lora
from napari_sam_adapter.model.files import checkpoints
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.files.weight_files import read_weights, write_weights
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.model.variants import MODELS
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeEntry
    from tests.web_server import WebServer

SMALL = SamShape(64, 32, 2, (2, 0), 64)


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A small network with random weights."""
    path = tmp_path / "own.pth"
    torch.save(build_sam(SMALL).state_dict(), path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_imported_model_and_its_adapter_are_loaded_by_name(
    cache: Path, own_file: Path
) -> None:
    base = load_checkpoint(own_file)
    adapter_file = own_file.with_name("own_adapter.safetensors")
    save_adapter(SamAdapter(32, 2, 1), base.sam, adapter_file, "mine", base.sha256)
    model = import_weights(own_file, "mine")
    adapter = import_weights(adapter_file, "mine")
    assert (model.kind, adapter.kind) == (Kind.MODEL, Kind.ADAPTER)
    own_file.unlink()
    predictor = load_predictor("mine", adapter="mine", device="cpu", dtype="float32")
    assert predictor.description["model"] == "mine"
    assert predictor.description["model_sha256"] == base.sha256
    assert predictor.description["adapter_sha256"] == sha256(adapter_file)


def test_a_file_that_cannot_be_read_is_not_imported(
    cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "notes.pth"
    path.write_text("no weights at all")
    with pytest.raises(CheckpointError, match="another format"):
        import_weights(path, "mine")
    assert not cache.exists()


@pytest.fixture
def adapter_file(own_file: Path) -> Path:
    """An adapter of a base that has no name yet."""
    base = load_checkpoint(own_file)
    path = own_file.with_name("own_adapter.safetensors")
    save_adapter(SamAdapter(32, 2, 1), base.sam, path, "mine", base.sha256)
    return path


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"format": "99"}, "Expected format 1"),
        ({"sources": "{{"}, "'sources' in the header"),
        ({"intensity": '{"rule": "fixed"}'}, "'intensity' in the header"),
    ],
    ids=["format", "sources", "intensity"],
)
def test_an_adapter_with_a_broken_header_is_not_imported(
    cache: Path, adapter_file: Path, told: dict[str, str], message: str
) -> None:
    tensors, header = read_weights(adapter_file)
    write_weights(adapter_file, tensors, {**header, **told})
    with pytest.raises(CheckpointError, match=message):
        import_weights(adapter_file, "broken")
    assert not cache.exists()


@pytest.mark.parametrize("part", ["adapter", "mask_decoder"])
def test_an_adapter_without_its_tensors_is_not_imported(
    cache: Path, adapter_file: Path, part: str
) -> None:
    tensors, header = read_weights(adapter_file)
    left = {key: t for key, t in tensors.items() if not key.startswith(part)}
    write_weights(adapter_file, left, dict(header))
    with pytest.raises(CheckpointError, match=f"has no tensor of '{part}'"):
        import_weights(adapter_file, "broken")
    assert not cache.exists()


def test_an_adapter_is_tried_on_a_base_that_is_here(
    cache: Path, own_file: Path, adapter_file: Path
) -> None:
    tensors, header = read_weights(adapter_file)
    tensors = {k: t for k, t in tensors.items() if "lightweight_mlp_1" not in k}
    write_weights(adapter_file, tensors, dict(header))
    assert import_weights(adapter_file, "early").is_here  # its base is unknown yet
    import_weights(own_file, "mine")
    with pytest.raises(CheckpointError, match="lightweight_mlp_1"):
        import_weights(adapter_file, "late")
    write_weights(adapter_file, tensors, {**header, "base_sha256": "0" * 64})
    assert import_weights(adapter_file, "other-version").is_here


def test_adapters_of_lora_and_with_own_functions_are_imported(
    cache: Path, own_file: Path
) -> None:
    base = load_checkpoint(own_file)
    import_weights(own_file, "mine")
    lora, own = (own_file.with_name(f"{n}.safetensors") for n in ("lora", "own"))
    save_adapter(None, add_lora(base.sam, 2), lora, "mine", base.sha256)
    adapter = SamAdapter(32, 2, sources=["edges"], functions={"edges": torch.abs})
    save_adapter(adapter, base.sam, own, "mine", base.sha256)
    assert import_weights(lora, "lora").kind is Kind.ADAPTER
    assert import_weights(own, "edges").kind is Kind.ADAPTER


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="has no such device")
@pytest.mark.parametrize("base", [None, "tiny"])
def test_what_is_no_file_is_refused_unread(cache: Path, base: str | None) -> None:
    with pytest.raises(CheckpointError, match="is a pipe or a device"):
        import_weights("/dev/null", "mine", base)
    assert not cache.exists()


def test_a_named_model_is_fetched_at_first_use_and_its_licence_told_before(
    own_file: Path,
    entry: MakeEntry,
    server: WebServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.files["/weights.pth"] = own_file.read_bytes()
    wanted = entry(sha256=None)
    monkeypatch.setitem(MODELS, "web", wanted.variant)
    with caplog.at_level(logging.WARNING):
        predictor = load_predictor("web", device="cpu", dtype="float32")
    assert "licence CC0" in caplog.text
    assert predictor.description["model_sha256"] == sha256(own_file)
    load_predictor("web", device="cpu", dtype="float32")
    assert len(server.asked) == 1
    wanted.path.write_bytes(own_file.read_bytes() + b"!")
    with pytest.raises(CheckpointError, match="damaged or was replaced"):
        load_predictor("web", device="cpu", dtype="float32")


def test_an_unknown_name_is_told_with_all_names(cache: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tiny, vit_b, .* got 'best'"):
        load_predictor("best")
    with pytest.raises(CheckpointError, match=r"known adapter \(microscopy, medical\)"):
        load_predictor("tiny", adapter="nowhere")
    with pytest.raises(CheckpointError, match=r"file, got .* mean 'microscopy'\?$"):
        load_predictor("tiny", adapter="micrscopy")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", ""], ids=["long", "null", "none"])
def test_what_cannot_be_the_name_of_a_file_is_no_known_name(
    cache: Path, name: str
) -> None:
    with pytest.raises(CheckpointError, match="Expected a known model"):
        load_predictor(name, device="cpu")
    with pytest.raises(CheckpointError, match="Expected a known adapter"):
        load_predictor("tiny", adapter=name, device="cpu")


@pytest.mark.skipif(os.name != "posix" or not os.geteuid(), reason="sees all files")
def test_a_file_in_a_closed_folder_is_told(cache: Path, own_file: Path) -> None:
    closed = own_file.parent / "closed"
    closed.mkdir()
    path = own_file.rename(closed / own_file.name)
    closed.chmod(0)
    try:
        with pytest.raises(CheckpointError, match=r"may be read, got .* denied"):
            load_predictor(path, device="cpu")
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize(
    ("model", "adapter", "named"),
    [("microscopy", None, "the adapter"), ("tiny", "tiny", "the model")],
)
def test_a_name_of_the_other_kind_is_told(
    model: str, adapter: str | None, named: str
) -> None:
    with pytest.raises(CheckpointError, match=f"got {named} '[a-z]+'. Give it as"):
        load_predictor(model, adapter=adapter, device="cpu")


@pytest.fixture
def vit_b_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose tensors SAM, MedSAM and micro-sam share, at the size of a test."""
    monkeypatch.setattr(checkpoints, "VIT_B", SMALL)
    path = tmp_path / "mine.pth"
    torch.save(build_sam(SMALL).state_dict(), path)
    return path


def test_a_broken_file_is_told_before_anything_is_asked(vit_b_file: Path) -> None:
    state = torch.load(vit_b_file, weights_only=True)
    del state["image_encoder.blocks.0.attn.qkv.weight"]
    torch.save(state, vit_b_file)
    with pytest.raises(CheckpointError, match=r"lacks image_encoder.blocks.0.attn.qkv"):
        load_predictor(str(vit_b_file), device="cpu", dtype="float32")


def test_an_imported_model_remembers_how_it_wants_its_images(
    cache: Path, vit_b_file: Path
) -> None:
    with pytest.raises(CheckpointError, match="Say which it is"):
        import_weights(vit_b_file, "mine")
    assert not cache.exists()
    entry = import_weights(vit_b_file, "mine", preprocessing="medsam")
    assert entry.variant.preprocessing == "medsam"
    predictor = load_predictor("mine", device="cpu", dtype="float32")
    assert predictor.description["preprocessing"] == "medsam"
    other = load_predictor("mine", device="cpu", dtype="float32", preprocessing="sam")
    assert other.description["preprocessing"] == "sam"


def test_an_export_asks_and_a_safetensors_file_tells(
    cache: Path, vit_b_file: Path
) -> None:
    path = vit_b_file.with_name("exported.safetensors")
    with pytest.raises(CheckpointError, match="Say which it is"):
        export_weights(str(vit_b_file), None, path, "sam")
    assert not path.exists()
    export_weights(str(vit_b_file), None, path, "sam", preprocessing="micro-sam")
    assert load_checkpoint(path).family.name == "micro-sam"


def test_a_predictor_is_loaded_again_where_it_is_unpickled(
    own_file: Path, tmp_path: Path
) -> None:
    base = load_checkpoint(own_file)
    adapter = SamAdapter(32, 2, sources=["edges"], functions={"edges": torch.abs})
    path = tmp_path / "edges.safetensors"
    save_adapter(adapter, base.sam, path, str(own_file), base.sha256)
    own = {"edges": torch.abs}
    plain = load_predictor(own_file, device="cpu", dtype="float32")
    image = np.random.default_rng(0).integers(0, 256, (45, 61), dtype=np.uint8)
    for predictor in (plain, plain.with_adapter(path, own)):
        again = pickle.loads(pickle.dumps(predictor))
        assert again.description == predictor.description
        first, second = (one.encode(image).features for one in (predictor, again))
        assert torch.equal(first, second)
        assert pickle.loads(pickle.dumps(again)).description == again.description


def test_a_pickle_finds_its_files_from_another_folder(
    adapter_file: Path, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_file.parent)
    own = load_predictor(own_file.name, adapter_file.name, device="cpu")
    tiny = load_predictor("tiny", device="cpu")
    (own_file.parent / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    for predictor in (own, tiny, tiny.with_adapter("microscopy")):
        again = pickle.loads(pickle.dumps(predictor))
        assert again.description == predictor.description
        assert pickle.loads(pickle.dumps(again)).description == predictor.description


def test_a_pickle_of_other_weights_is_refused(own_file: Path, tmp_path: Path) -> None:
    path = tmp_path / own_file.name
    path.write_bytes(own_file.read_bytes())
    content = pickle.dumps(load_predictor(path, device="cpu"))
    tensors = load_checkpoint(path).sam.state_dict()
    tensors["mask_decoder.mask_tokens.weight"] += 1
    torch.save(tensors, path)
    with pytest.raises(CheckpointError, match="as it was loaded before"):
        pickle.loads(content)
    path.unlink()
    with pytest.raises(CheckpointError, match=path.name):
        pickle.loads(content)


def test_a_predictor_that_was_put_together_is_not_unpickled(own_file: Path) -> None:
    predictor = SamPredictor(load_checkpoint(own_file), {"model": "mine"})
    with pytest.raises(CheckpointError, match="put together from mine"):
        pickle.dumps(predictor)


def test_what_is_picked_is_said(own_file: Path) -> None:
    description = load_predictor(own_file).description
    assert description["device"] in present_devices()
    assert description["dtype"] in ("float32", "bfloat16")


def test_a_device_object_is_described_in_words() -> None:
    predictor = load_predictor(device=torch.device("cpu"))
    assert predictor.description["device"] == "cpu"
