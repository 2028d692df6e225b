"""A network has its numbers for itself, in one order, whatever their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.model import family_files as files

from napari_sam_adapter import Prompts, load_predictor
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.adapter_files import load_adapter, save_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor


def logits(path: Path) -> np.ndarray:
    predictor = load_predictor(path, device="cpu", dtype="float32")
    image = np.random.default_rng(0).integers(20, 200, (40, 60), dtype=np.uint8)
    return predictor.predict(
        predictor.encode(image), Prompts(box=(5, 8, 30, 50))
    ).logits


def overwrite(path: Path) -> None:
    """Put other numbers into the same file, as a copy in its place does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\1" * (size - size // 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_a_file_overwritten_in_its_place_does_not_change_the_network(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    path = tmp_path / "sam.safetensors"
    save_file({key: value.to(dtype) for key, value in files.sam().items()}, path)
    state = load_checkpoint(path).sam.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    overwrite(path)
    assert all(torch.equal(value, before[key]) for key, value in state.items())


def test_an_adapter_overwritten_in_its_place_stays_as_it_was(tmp_path: Path) -> None:
    torch.save(files.sam(), tmp_path / "sam.pth")
    base = load_checkpoint(tmp_path / "sam.pth")
    path = tmp_path / "adapter.safetensors"
    save_adapter(SamAdapter(32, 2), base.sam, path, "sam", base.sha256)
    loaded = load_adapter(path, base, "sam")
    assert loaded.adapter is not None
    state = loaded.adapter.state_dict() | loaded.sam.mask_decoder.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    overwrite(path)
    assert all(torch.equal(value, before[key]) for key, value in state.items())


def transposed(tensor: Tensor) -> Tensor:
    return tensor.t().contiguous().t() if tensor.ndim == 2 else tensor


def channels_last(tensor: Tensor) -> Tensor:
    is_image = tensor.ndim == 4
    return tensor.to(memory_format=torch.channels_last) if is_image else tensor


def in_the_middle(tensor: Tensor) -> Tensor:
    return torch.cat([torch.zeros(3), tensor.flatten()])[3:].view(tensor.shape)


@pytest.mark.parametrize("order", [transposed, channels_last, in_the_middle])
@pytest.mark.parametrize("is_old", [False, True], ids=["archive", "old file"])
def test_order_and_place_in_a_file_change_no_bit(
    tmp_path: Path, order: Callable[[Tensor], Tensor], is_old: bool
) -> None:
    state = files.sam()
    torch.save(state, tmp_path / "sam.pth")
    ordered = {key: order(value) for key, value in state.items()}
    path = tmp_path / "ordered.pth"
    torch.save(ordered, path, _use_new_zipfile_serialization=not is_old)
    for value in load_checkpoint(path).sam.state_dict().values():
        assert value.is_contiguous()
        assert value.storage_offset() == 0
    assert np.array_equal(logits(path), logits(tmp_path / "sam.pth"))


def test_both_formats_give_the_same_bits(tmp_path: Path) -> None:
    state = files.sam()
    torch.save(state, tmp_path / "sam.pth")
    expected = logits(tmp_path / "sam.pth")
    for length in range(8):  # of the header, which moves the numbers in the file
        path = tmp_path / f"{length}.safetensors"
        save_file(state, path, metadata={"note": 8 * length * "x"})
        places = {t.data_ptr() % 64 for t in load_checkpoint(path).sam.parameters()}
        assert places == {0}
        assert np.array_equal(logits(path), expected)
