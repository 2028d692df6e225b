"""What is wrong with a weight file is told in plain words, with its name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.model import broken_files as broken
from tests.model import family_files as files

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.adapter_files import load_adapter, save_adapter
from napari_sam_adapter.model.files.checkpoints import Checkpoint, load_checkpoint
from napari_sam_adapter.model.files.weight_files import (
    read_header,
    read_weights,
    write_weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable
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
    assert "float32, float16, bfloat16 or float64" in message


KINDS = {
    "float8_e4m3fn": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "uint16": lambda tensor: tensor.to(torch.uint16),
    "ComplexFloat": lambda tensor: tensor.to(torch.complex64),
    "sparse_tensor": lambda tensor: tensor.to_sparse(),
    "meta_tensor_no_storage": lambda tensor: tensor.to("meta"),
}


@pytest.mark.parametrize("wrapper", [None, "model"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_another_format_are_named_in_pytorch_files(
    tmp_path: Path, kind: str, wrapper: str | None
) -> None:
    state = files.sam()
    state[TOKEN] = KINDS[kind](state[TOKEN])
    content = {wrapper: state} if wrapper else state
    message = told(tmp_path / "sam.pth", content)
    assert f"{TOKEN} is stored as '{kind}'" in message
    assert "float32, float16, bfloat16 or float64" in message


def test_weights_that_are_all_of_another_format_are_no_missing_ones(
    tmp_path: Path,
) -> None:
    state = {k: v.to(torch.float8_e4m3fn) for k, v in files.sam().items()}
    message = told(tmp_path / "sam.pth", {"model": state})
    assert "is stored as 'float8_e4m3fn'" in message


def test_a_whole_module_is_told_by_its_class(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 3)
    for number, content in enumerate([module, {"model": module}]):
        message = told(tmp_path / f"{number}.pth", content)
        assert "an object of the class 'Linear'" in message
        assert "state dict" in message
    message = told(tmp_path / "args.pth", {"args": module, "state": [1.0]})
    assert "holds no tensors" in message
    assert "Linear" not in message


@pytest.mark.parametrize(("name", "is_old"), [(0, False), (0, True), (b"a", True)])
def test_a_tensor_without_a_name_is_told(
    tmp_path: Path, name: object, is_old: bool
) -> None:
    content = files.sam() | {name: torch.ones(3)}
    path = tmp_path / "sam.pth"
    message = told(path, content, _use_new_zipfile_serialization=not is_old)
    assert "Expected a name for each tensor" in message


BROKEN_PICKLES = {
    "no storage": b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00)))tR",
    "no arguments": b"ctorch._utils\n_rebuild_tensor_v2\n)R",
    "parameter of a dictionary": b"ctorch._utils\n_rebuild_parameter\n}R",
    "reference to a number": b"K\x01Q",
    "nothing to take": b"h\x07",
    "unknown format": b"ctorch._utils\n_rebuild_tensor_v3\n)R",
}


@pytest.mark.parametrize("what", BROKEN_PICKLES)
def test_a_broken_pickle_is_told_as_such(tmp_path: Path, what: str) -> None:
    path = tmp_path / "sam.pth"
    path.write_bytes(
        broken.archive(broken.pickled_dict(broken.entry(BROKEN_PICKLES[what])))
    )
    assert "its pickle is broken" in told(path)


def test_a_tensor_whose_numbers_are_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sam.pth"
    tensor = broken.tensor(1000, 1, 1000)
    path.write_bytes(broken.archive(broken.pickled_dict(broken.entry(tensor))))
    assert "the numbers of a tensor are missing" in told(path)


@pytest.mark.parametrize("is_old", [False, True], ids=["archive", "old file"])
def test_a_dictionary_in_itself_is_told(tmp_path: Path, is_old: bool) -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    path = tmp_path / "sam.pth"
    if is_old:
        message = told(path, content, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(
            broken.archive(
                broken.pickled_dict(b"q\x00", broken.entry(b"h\x00", "model"))
            )
        )
        message = told(path)
    assert "deep in each other" in message


def test_a_block_without_its_tables_is_told(tmp_path: Path) -> None:
    state = files.sam()
    lacking = {k: v for k, v in state.items() if "blocks.1.attn.rel_pos" not in k}
    assert "block 1 has no relative positions" in told(tmp_path / "sam.pth", lacking)


def test_a_missing_tensor_that_tells_a_size_is_told_without_quotes(
    tmp_path: Path,
) -> None:
    message = told(tmp_path / "resnet.pth", {"conv1.weight": torch.ones(3)})
    assert "(image_encoder.pos_embed is missing)" in message


@pytest.mark.parametrize("content", [b"\x80", b"PK\3\4", b"\x80\x02\x8a\nl\xfc\x9cF"])
def test_a_cut_file_is_told_in_plain_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cut.pth"
    path.write_bytes(content)
    message = told(path)
    assert "truncated or of another format" in message
    assert "index out of range" not in message


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
@pytest.mark.parametrize("read", [read_weights, read_header])
def test_a_named_pipe_is_refused_before_it_is_waited_for(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="is a pipe or a device"):
        read(tmp_path / "pipe")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything"
)
def test_a_file_without_permission_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "sam.pth"
    torch.save(files.sam(), path)
    path.chmod(0)
    assert "no permission" in told(path)
    with pytest.raises(CheckpointError, match="no permission"):
        read_header(path)


@pytest.mark.skipif(sys.platform != "linux", reason="has no such limit")
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_too_little_memory_is_no_damage(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sam.{suffix}"
    state = {"one": torch.zeros(1 << 26)}
    write_weights(path, state, {})
    if suffix == "pth":
        torch.save(state, path)
    code = f"""
import resource, torch
from pathlib import Path
from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.files.weight_files import read_weights
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 27), -1))
try:
    read_weights(Path({str(path)!r}))
except CheckpointError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "there is too little" in done.stdout


def test_an_adapter_given_as_the_model_is_told(adapter_file: Path) -> None:
    message = told(adapter_file)
    assert "got an adapter for 'sam'" in message
    assert "--adapter" in message
