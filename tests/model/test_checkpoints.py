from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_sam_adapter import __version__
from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.adapter_files import load_adapter, save_adapter
from napari_sam_adapter.model.files.adapter_header import (
    AdapterNotes,
    read_adapter_header,
)
from napari_sam_adapter.model.files.checkpoints import load_checkpoint, save_base
from napari_sam_adapter.model.files.layouts import WRAPPERS
from napari_sam_adapter.model.files.weight_files import (
    read_header,
    read_weights,
    whole_file,
    write_weights,
)
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import (
    TINY,
    VIT_B,
    VIT_H,
    VIT_L,
    SamShape,
    infer_shape,
)

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SamShape(64, 32, 2, (2, 0), 64)


@pytest.fixture
def sam() -> Sam:
    torch.manual_seed(0)
    return build_sam(SMALL).eval()


@pytest.fixture
def base_file(sam: Sam, tmp_path: Path) -> Path:
    path = tmp_path / "small.pth"
    torch.save(sam.state_dict(), path)
    return path


def sizes_of(shape: SamShape) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = build_sam(shape).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize(
    ("shape", "entries"), [(VIT_B, 314), (VIT_L, 482), (VIT_H, 594)], ids="blh"
)
def test_official_files_are_recognised_from_their_shapes(
    shape: SamShape, entries: int
) -> None:
    sizes = sizes_of(shape)
    assert len(sizes) == entries
    assert infer_shape(sizes) == shape


def test_small_model_is_recognised_from_its_shapes() -> None:
    assert infer_shape(sizes_of(TINY)) == TINY


@pytest.mark.parametrize("wrapper", [*WRAPPERS, None])
@pytest.mark.parametrize("prefix", ["", "sam.", "module."])
def test_wrapped_and_prefixed_files_load_equally(
    sam: Sam, tmp_path: Path, wrapper: str | None, prefix: str
) -> None:
    state = {prefix + key: value for key, value in sam.state_dict().items()}
    path = tmp_path / "wrapped.pth"
    torch.save({wrapper: state} if wrapper else state, path)
    loaded = load_checkpoint(path).sam.state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in sam.state_dict().items())


def test_base_survives_saving_in_half_precision(sam: Sam, tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    save_base(sam.state_dict(), path, {"name": "small"})
    loaded = load_checkpoint(path).sam.state_dict()
    expected = sam.state_dict()
    assert all(torch.equal(loaded[k], v.half().float()) for k, v in expected.items())


class Exploit:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


def test_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": Exploit(sign)}, path)
    with pytest.raises(CheckpointError, match="can run code"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Exploit(sign)))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not sign.exists()


@pytest.mark.parametrize("kept", [0, 1, 10, 1000, 0.5, 0.99])
@pytest.mark.parametrize("format_", ["pth", "safetensors"])
def test_truncated_file_gives_one_clear_error(
    sam: Sam, tmp_path: Path, kept: float, format_: str
) -> None:
    path = tmp_path / f"cut.{format_}"
    if format_ == "pth":
        torch.save(sam.state_dict(), path)
    else:
        save_file(sam.state_dict(), path)
    content = path.read_bytes()
    size = int(kept * len(content)) if isinstance(kept, float) else kept
    path.write_bytes(content[:size])
    with pytest.raises(CheckpointError, match=r"cut\."):
        load_checkpoint(path)


@pytest.mark.parametrize("beginning", [b"\x80", b"PK"])
def test_a_header_as_long_as_another_file_begins_is_read(
    tmp_path: Path, beginning: bytes
) -> None:
    path = tmp_path / "weights.safetensors"
    tensors = {"bias": torch.ones(64)}
    wanted = int.from_bytes(beginning, "little")
    for length in range(max(0, wanted - 256), wanted):
        write_weights(path, tensors, {"note": "x" * length})
        if path.read_bytes().startswith(beginning):
            break
    found, header = read_weights(path)
    assert header == {"note": "x" * length}
    assert torch.equal(found["bias"], tensors["bias"])


def test_numbers_of_pytorch_files_lie_where_pytorch_puts_them(tmp_path: Path) -> None:
    sizes = 7, 100, 3000, 70_000, 10**6
    content = {str(n): torch.rand(n) for n in sizes}
    torch.save(content, tmp_path / "a.pth")
    found, _ = read_weights(tmp_path / "a.pth")
    assert all(torch.equal(found[key], content[key]) for key in content)
    # elsewhere the maths library's last bits are others on AVX2
    assert {tensor.data_ptr() % 64 for tensor in found.values()} == {0}


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere.pth")


def test_missing_tensor_is_named(sam: Sam, base_file: Path) -> None:
    state = sam.state_dict()
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, base_file)
    with pytest.raises(CheckpointError, match=r"lacks mask_decoder.iou_token.weight"):
        load_checkpoint(base_file)


def test_tensor_of_wrong_shape_is_named(sam: Sam, base_file: Path) -> None:
    state = sam.state_dict()
    state["mask_decoder.iou_token.weight"] = torch.zeros(1, 7)
    torch.save(state, base_file)
    with pytest.raises(CheckpointError, match=r"iou_token.weight \(1, 7\) instead of"):
        load_checkpoint(base_file)


@pytest.mark.parametrize(
    ("key", "family"),
    [
        ("image_encoder.blocks.0.MLP_Adapter.D_fc1.weight", "Medical-SAM-Adapter"),
        ("image_encoder.blocks.0.attn.qkv.qkv_proj.weight", "micro-sam with LoRA"),
        ("image_encoder.trunk.patch_embed.proj.weight", "SAM 2"),
        ("vision_encoder.backbone.patch_embed.projection.weight", "SAM 2 of transf"),
        ("decode_head.linear_pred.weight", "EVP"),
        ("module.decode_head.linear_pred.weight", "EVP"),
    ],
)
def test_other_architectures_are_named(tmp_path: Path, key: str, family: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({key: torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=family):
        load_checkpoint(path)


def test_unrelated_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="sizes cannot be read"):
        load_checkpoint(path)


def test_fresh_adapter_changes_nothing(sam: Sam, base_file: Path) -> None:
    base = load_checkpoint(base_file)
    image = torch.randn(1, 3, 64, 64)
    adapted = load_adapter(saved_adapter(base_file), base, "small")
    with torch.inference_mode():
        plain = sam.image_encoder(image).embedding
        assert torch.equal(adapted.image_encoder(image).embedding, plain)


def saved_adapter(base_file: Path, **weights: float) -> Path:
    base = load_checkpoint(base_file)
    path = base_file.with_name("my.safetensors")
    adapter = SamAdapter(32, 2, bottleneck=8, weights=weights)
    save_adapter(adapter, base.sam, path, "small", base.sha256)
    return path


def test_adapter_brings_its_weights_and_shares_the_encoder(base_file: Path) -> None:
    base = load_checkpoint(base_file)
    loaded = load_adapter(saved_adapter(base_file, fft_highpass=0.5), base, "small")
    assert loaded.adapter is not None
    assert loaded.adapter.weights == {"patch_embedding": 1.0, "fft_highpass": 0.5}
    assert loaded.sam.image_encoder is base.sam.image_encoder
    own = [*loaded.adapter.parameters(), *loaded.sam.mask_decoder.parameters()]
    assert {weight.data_ptr() % 64 for weight in own} == {0}  # as above


def test_adapter_for_another_base_is_refused(base_file: Path, tmp_path: Path) -> None:
    adapter = saved_adapter(base_file)
    other = tmp_path / "other.pth"
    torch.save(build_sam(SMALL).state_dict(), other)
    with pytest.raises(CheckpointError, match="trained for the model 'small'"):
        load_adapter(adapter, load_checkpoint(other), "other")


def test_base_file_is_not_taken_for_an_adapter(base_file: Path) -> None:
    base = load_checkpoint(base_file)
    with pytest.raises(CheckpointError, match="Expected an adapter file"):
        load_adapter(base_file, base, "small")


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    with pytest.raises(OutputError):
        write_weights(folder / "x.safetensors", {"a": torch.zeros(1)}, {})
    assert list(tmp_path.iterdir()) == [folder]


def test_interrupted_write_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_network_given_as_an_adapter_is_told(tmp_path: Path, base_file: Path) -> None:
    path = tmp_path / "sam.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="give it as the model"):
        load_adapter(path, load_checkpoint(base_file), "small")


def test_a_folder_and_a_file_without_tensors_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder"):
        load_checkpoint(tmp_path)
    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="no tensors"):
        load_checkpoint(tmp_path / "empty.pth")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!DOCTYPE html><html><title>Virus scan warning</title>", "got a web page"),
        (b"\n<html>", "got a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ],
)
def test_what_a_download_by_hand_left_is_told(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "sam.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint(path)


def test_only_adapter_parameters_receive_gradients(base_file: Path) -> None:
    base = load_checkpoint(base_file)
    loaded = load_adapter(saved_adapter(base_file), base, "small")
    assert loaded.adapter is not None
    loaded.adapter.requires_grad_(True)
    loaded.image_encoder(torch.randn(1, 3, 64, 64)).embedding.sum().backward()
    with_gradient = [p for p in loaded.sam.parameters() if p.grad is not None]
    assert not with_gradient
    assert loaded.adapter.shared_mlp.weight.grad is not None


def test_unreadable_bytes_give_a_checkpoint_error(tmp_path: Path) -> None:
    path = tmp_path / "noise.pth"
    buffer = io.BytesIO(b"\x80\x02}q\x00." + b"x" * 50)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_loading_does_not_import_the_compiler_of_torch(base_file: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from napari_sam_adapter.model.files.checkpoints import load_checkpoint\n"
        f"load_checkpoint(Path({str(base_file)!r}))\n"
        "assert 'torch._dynamo' not in sys.modules, 'costs seconds'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.update({"image_encoder.prompt_generator.x": torch.ones(1)}),
        lambda state: state.update({7: torch.ones(1)}),
        lambda state: state.update(model=state),
        lambda state: state.update({k: v.int() for k, v in state.items()}),
        lambda state: state["mask_decoder.iou_token.weight"].fill_(torch.nan),
        lambda state: state.update(
            {"image_encoder.pos_embed": torch.ones(1, 0, 0, 32)}
        ),
        lambda state: state.update({"a": torch.ones(1, dtype=torch.complex64)}),
    ],
    ids=["adapter", "number key", "itself", "integers", "nan", "no grid", "complex"],
)
def test_strange_tensors_give_one_error(sam: Sam, base_file: Path, spoil) -> None:
    state = dict(sam.state_dict())
    spoil(state)
    torch.save(state, base_file)
    with pytest.raises(CheckpointError, match=r"small|SAM network"):
        load_checkpoint(base_file)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("weights", "5"),
        ("weights", "[1]"),
        ("weights", '{"fft_highpass": "x"}'),
        ("weights", '{"fft_highpass": [1, 1]}'),
        ("weights", "null"),
        ("weights", "{"),
        ("weights", "[" * 100_000),
        ("sources", "[]"),
        ("sources", "[1]"),
        ("sources", '["srm"]'),
        ("learned_weights", "shared"),
        ("learned_weights", "perhaps"),
        ("intensity", '{"colour": 1}'),
        ("metrics", "[]"),
        ("published_order", "0"),
    ],
)
def test_strange_adapter_headers_give_one_error(
    base_file: Path, key: str, text: str
) -> None:
    base = load_checkpoint(base_file)
    path = saved_adapter(base_file)
    header = {"format": "1", "kind": "adapter", "base_sha256": base.sha256}
    write_weights(path, load_file(path), header | {key: text})
    with pytest.raises(CheckpointError):
        load_adapter(path, base, "small")


def test_adapter_file_tells_everything_that_was_noted(base_file: Path) -> None:
    base = load_checkpoint(base_file)
    path = base_file.with_name("my.safetensors")
    adapter = SamAdapter(32, 2, sources=["srm"], learned_weights="per_block")
    notes = AdapterNotes(
        IntensityMapping("percentile", -3.5, 700.0),
        training={"steps": 200, "losses": ["focal", "dice"]},
        data={"images": 12},
        metrics={"iou": 0.91},
        licence="CC-BY-4.0",
        score_is_trusted=False,
    )
    save_adapter(adapter, base.sam, path, "small", base.sha256, notes)
    header = read_adapter_header(path)
    assert header.notes == notes
    assert (header.base, header.base_sha256) == ("small", base.sha256)
    assert header.sources == ("srm",)
    assert header.weights == {"srm": [1.0, 1.0]}
    assert header.version == __version__
    loaded = load_adapter(path, base, "small")
    assert loaded.adapter is not None
    assert loaded.adapter.weights == header.weights
    assert not loaded.family.capabilities.score_is_trusted


def test_huge_adapter_sizes_take_no_memory(base_file: Path) -> None:
    path = saved_adapter(base_file)
    state = load_file(path) | {"adapter.shared_mlp.weight": torch.zeros(1, 1_000_000)}
    write_weights(path, state, read_header(path))
    with pytest.raises(CheckpointError, match="instead of"):
        load_adapter(path, load_checkpoint(base_file), "small")


def test_adapter_of_a_later_format_is_refused(base_file: Path) -> None:
    base = load_checkpoint(base_file)
    path = saved_adapter(base_file)
    write_weights(path, load_file(path), {"format": "99", "kind": "adapter"})
    with pytest.raises(CheckpointError, match="Expected format 1"):
        load_adapter(path, base, "small")


def test_spoilt_adapter_files_give_one_error_or_load(base_file: Path) -> None:
    base = load_checkpoint(base_file)
    path = saved_adapter(base_file)
    content = path.read_bytes()
    header_end = 8 + int.from_bytes(content[:8], "little")
    numbers = np.random.default_rng(0)
    refused = 0
    for trial in range(120):
        spoilt = bytearray(content)
        if trial % 3 == 0:
            spoilt = spoilt[: numbers.integers(0, len(content))]
        else:
            spoilt[numbers.integers(0, header_end)] ^= 1 << numbers.integers(0, 8)
        path.write_bytes(spoilt)
        try:
            load_adapter(path, base, "small")
        except CheckpointError:
            refused += 1
    assert refused > 60


def test_header_of_other_files_is_refused(base_file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"small\.pth"):
        read_adapter_header(base_file)
