"""No weight file runs code, takes much memory, or fails with anything but one error."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from tests.model import broken_files as broken

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.files.checkpoints import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SLACK = 24 << 20
"""Bytes that the interpreter itself may take on the way."""


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return broken.good_state()


@pytest.fixture(scope="module")
def pytorch(state: dict[str, torch.Tensor]) -> bytes:
    return broken.as_pytorch(state)


@pytest.fixture(scope="module")
def safetensors(
    state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    return broken.as_safetensors(state, tmp_path_factory.mktemp("safetensors"))


def load(what: str, content: bytes, folder: Path) -> dict[str, torch.Tensor] | None:
    """Load a file; None if it gives one error that names it."""
    path = folder / "broken.pth"
    path.write_bytes(content)
    with little_memory(what, len(content)):
        try:
            return load_checkpoint(path).sam.state_dict()
        except CheckpointError as error:
            message = str(error)
    assert "broken.pth" in message, what
    assert "\n" not in message, what
    return None


@contextlib.contextmanager
def little_memory(what: str, size: int) -> Iterator[None]:
    """Assert that loading takes at most three times the size of the file and SLACK."""
    if sys.platform != "linux":  # only there the system can be asked
        yield
        return
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    before = memory("VmRSS")
    yield
    assert memory("VmHWM") - before <= 3 * size + SLACK, what


def memory(which: str) -> int:
    status = Path("/proc/self/status").read_text()
    found = re.search(which + r":\s+(\d+)", status)
    assert found
    return 1024 * int(found[1])


def refuse(cases: Iterable[broken.Broken], folder: Path) -> int:
    """Load every file, each of which must be refused, and count them."""
    outcomes = {what: load(what, content, folder) for what, content in cases}
    assert [what for what, loaded in outcomes.items() if loaded] == []
    return len(outcomes)


def test_cut_files(
    pytorch: bytes, safetensors: bytes, state: dict, tmp_path: Path
) -> None:
    old = broken.as_pytorch(state, _use_new_zipfile_serialization=False)
    assert refuse(broken.truncated(pytorch, 20), tmp_path) == 20
    assert refuse(broken.truncated(safetensors, 20), tmp_path) == 20
    assert refuse(broken.truncated(old, 10), tmp_path) == 10


def test_flipped_bits_are_noticed_or_change_nothing(
    pytorch: bytes, safetensors: bytes, state: dict, tmp_path: Path
) -> None:
    header = int.from_bytes(safetensors[:8], "little")
    directory = pytorch.rindex(b"PK\x01\x02") - 5000
    cases = [
        *broken.flipped(pytorch, 20, 0, len(pytorch)),
        *broken.flipped(pytorch, 20, directory, len(pytorch)),
        *broken.flipped(safetensors, 20, 0, 8 + header),
    ]
    loaded = [load(what, content, tmp_path) for what, content in cases]
    assert loaded.count(None) > 40
    for found in loaded:
        assert found is None or all(
            torch.equal(found[key], value.float()) for key, value in state.items()
        )


def test_wrong_shapes_and_numbers(state: dict, tmp_path: Path) -> None:
    assert refuse(broken.wrong_shapes(state, 20), tmp_path) == 20
    assert refuse(broken.bad_numbers(state), tmp_path) == 5


def test_code_is_never_run(tmp_path: Path) -> None:
    sign = tmp_path / "ran"
    assert refuse(broken.exploits(sign), tmp_path) == 100
    assert not sign.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the memory")
def test_huge_declared_sizes_and_zip_bombs_take_no_memory(tmp_path: Path) -> None:
    """In a process of its own, whose largest memory is looked at after every file."""
    paths = []
    cases = broken.dangerous()
    for number, (_, content) in enumerate(cases):
        paths.append(tmp_path / f"{number}.pth")
        paths[-1].write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    taken = json.loads(run.stdout)
    for (what, content), peak in zip(cases, taken, strict=True):
        assert peak <= 3 * len(content) + SLACK, (what, peak)


LOAD_ALL = """
import json, re, sys
from pathlib import Path
from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.files.checkpoints import load_checkpoint

def memory(which):
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(which + r":\\s+(\\d+)", status)[1])

taken = []
for name in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    before = memory("VmRSS")
    try:
        load_checkpoint(Path(name))
        raise SystemExit(f"{name} was loaded")
    except CheckpointError:
        taken.append(memory("VmHWM") - before)
print(json.dumps(taken))
"""
