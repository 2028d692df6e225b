"""What happens when memory runs out, and where and in which format to compute."""

from __future__ import annotations

import math

import pytest
import torch

from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.inference.network.fastest import (
    EXACT,
    Way,
    choose_way,
    fastest,
    present_devices,
)
from napari_sam_adapter.inference.network.in_parts import in_parts


class SmallDevice:
    """Has room for a number of images; the CPU has its own."""

    def __init__(self, room: int, room_on_cpu: int = 1, message: str = "") -> None:
        self.room, self._room_on_cpu = room, room_on_cpu
        self._error = RuntimeError(message) if message else torch.OutOfMemoryError()
        self.moves = 0

    def work(self, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > self.room:
            raise self._error
        return batch * 2

    def move(self) -> None:
        self.moves += 1
        self.room = self._room_on_cpu


@pytest.mark.parametrize(
    "message",
    [
        "",
        "MPS backend out of memory (MPS allocated: 9 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
@pytest.mark.parametrize(("room", "moves"), [(9, 0), (2, 0), (1, 0), (0, 1)])
def test_batches_shrink_and_the_cpu_comes_last(
    room: int, moves: int, message: str
) -> None:
    device = SmallDevice(room, message=message)
    batch = torch.arange(5.0)[:, None]
    parts = in_parts(device.work, batch, device.move, "images")
    assert torch.equal(torch.cat(parts), batch * 2)
    assert device.moves == moves


def test_too_little_memory_everywhere_is_an_error() -> None:
    device = SmallDevice(0, room_on_cpu=0)
    with pytest.raises(DeviceError, match="Expected enough memory for one of the ima"):
        in_parts(device.work, torch.ones(2, 1), device.move, "images")


def test_other_errors_pass() -> None:
    device = SmallDevice(0, message="sizes do not match")
    with pytest.raises(RuntimeError, match="sizes"):
        in_parts(device.work, torch.ones(2, 1), device.move, "images")
    assert not device.moves


CPU, CPU_HALF = Way("cpu", "float32"), Way("cpu", "bfloat16")
CUDA, CUDA_HALF = Way("cuda", "float32"), Way("cuda", "bfloat16")
MPS = Way("mps", "float32")


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({CUDA: 0.001, CUDA_HALF: 0.0004, CPU: 0.05, CPU_HALF: 0.06}, CUDA_HALF),
        ({CUDA: 0.001, CUDA_HALF: 0.0009, CPU: 0.05}, CUDA),
        ({CUDA: 0.2, CUDA_HALF: 0.14, CPU: 0.05, CPU_HALF: 0.045}, CPU),
        ({CUDA: 0.2, CPU: 0.05, CPU_HALF: 0.02}, CPU_HALF),
        ({CUDA: 0.1, CUDA_HALF: 0.02, CPU: 0.05}, CUDA_HALF),
        ({MPS: math.inf, CPU: 0.05}, CPU),
        ({MPS: 0.01, CPU: 0.05, CPU_HALF: 0.03}, MPS),
        ({CUDA: math.inf, CUDA_HALF: 0.01, CPU: 0.05}, CUDA_HALF),
        ({CUDA: 0.05, CPU: 0.05}, CUDA),
        ({CPU_HALF: 0.4}, CPU_HALF),
    ],
    ids=lambda value: str(value) if isinstance(value, Way) else "",
)
def test_the_fastest_is_taken_and_half_precision_where_it_pays(
    seconds: dict[Way, float], chosen: Way
) -> None:
    assert fastest(seconds) == chosen


def test_what_is_asked_for_is_obeyed(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_way("cpu", "bfloat16") == CPU_HALF
    assert choose_way("cpu", "float32") == CPU
    assert choose_way("cpu", "auto", EXACT) == CPU
    assert not caplog.records


def test_what_was_measured_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        chosen = choose_way("auto", "auto")
    assert chosen.device in present_devices()
    assert f"Computing on {chosen}" in caplog.text
    assert "ms on cpu in float32" in caplog.text
    assert choose_way("auto", "auto") == chosen


def test_half_precision_is_refused_where_the_device_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise RuntimeError("no bfloat16 here")

    monkeypatch.setattr(torch, "autocast", cannot)
    with pytest.raises(DeviceError, match="has bfloat16, but 'cpu' has not"):
        choose_way("cpu", "bfloat16")
    assert choose_way("cpu", "auto") == CPU


@pytest.mark.parametrize(
    ("device", "dtype", "told"),
    [
        ("cpu", "float16", "got 'float16'. Choose bfloat16 for half precision"),
        ("hpu", "auto", "got 'hpu'"),
        ("privateuseone", "auto", "got 'privateuseone'"),
        ("meta", "auto", "got 'meta'"),
        ("cuda:99", "auto", "got 'cuda:99'"),
        ("toaster", "auto", "got 'toaster'"),
    ],
)
def test_what_this_machine_has_not_is_refused(
    device: str, dtype: str, told: str
) -> None:
    with pytest.raises(DeviceError, match=told):
        choose_way(device, dtype)
