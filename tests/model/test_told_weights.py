"""What is wrong with a weight file is told in plain words, with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.model import family_files as files

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapter import SamAdapter
from napari_sam_adapter.model.adapter_files import load_adapter, save_adapter
from napari_sam_adapter.model.checkpoints import Checkpoint, load_checkpoint
from napari_sam_adapter.model.weight_files import read_header, write_weights

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "mask_decoder.iou_token.weight"
INTERNALS = ("Error", "object has no", "not implemented", "argument", "unpack", "'_")
"""What only a programmer understands."""


def told(path: Path, content: Any = None, **options: bool) -> str:
    """The error that loading gives, after a look at its words."""
    if content is not None:
        torch.save(content, path, **options)
    with pytest.raises(CheckpointError, match=path.name) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert not [words for words in INTERNALS if words in message]
    return message


@pytest.fixture
def base(tmp_path: Path) -> Checkpoint:
    torch.save(files.sam(), tmp_path / "sam.pth")
    return load_checkpoint(tmp_path / "sam.pth")


@pytest.fixture
def adapter_file(base: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / "adapter.safetensors"
    save_adapter(SamAdapter(32, 2), base.sam, path, "sam", base.sha256)
    return path


def test_numbers_too_large_for_float32_are_named(
    tmp_path: Path, base: Checkpoint, adapter_file: Path
) -> None:
    large = torch.full((1, 256), 1e300, dtype=torch.float64)
    message = told(tmp_path / "large.pth", files.sam() | {TOKEN: large})
    assert TOKEN in message
    assert "too large for float32" in message
    save_file(files.sam() | {TOKEN: large}, tmp_path / "large.safetensors")
    assert TOKEN in told(tmp_path / "large.safetensors")
    key = "adapter.shared_mlp.bias"
    bias = torch.full((32,), 1e300, dtype=torch.float64)
    changed = load_file(adapter_file) | {key: bias}
    write_weights(adapter_file, changed, read_header(adapter_file))
    with pytest.raises(CheckpointError, match=f"{key} has some that are too large"):
        load_adapter(adapter_file, base, "sam")


def test_doubles_within_float32_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "doubles.pth"
    torch.save({key: value.double() for key, value in files.sam().items()}, path)
    state = load_checkpoint(path).sam.state_dict()
    assert all(torch.equal(state[key], value) for key, value in files.sam().items())


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.complex64]
)
def test_numbers_of_another_format_are_named_in_safetensors(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    path = tmp_path / "sam.safetensors"
    save_file({key: value.to(dtype) for key, value in files.sam().items()}, path)
    message = told(path)
    assert f"is in {dtype}".replace("torch.", "") in message
    assert "float32, float16 or bfloat16" in message
