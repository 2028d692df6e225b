"""What happens when memory runs out, and which number format is used."""

from __future__ import annotations

import time
from functools import partial

import pytest
import torch

from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.inference.encoding import encode_in_parts
from napari_sam_adapter.inference.number_format import _is_faster, choose_format
from napari_sam_adapter.model.checkpoints import Checkpoint
from napari_sam_adapter.model.image_encoder import EncodedImage
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape


class SmallDevice:
    """Has room for a number of images; the CPU has its own."""

    def __init__(self, room: int, room_on_cpu: int = 1) -> None:
        self.room, self._room_on_cpu = room, room_on_cpu
        self.moves = 0

    def encode(self, batch: torch.Tensor) -> EncodedImage:
        if len(batch) > self.room:
            raise torch.OutOfMemoryError
        return EncodedImage(batch * 2)

    def move(self) -> torch.device:
        self.moves += 1
        self.room = self._room_on_cpu
        return torch.device("cpu")


@pytest.mark.parametrize(("room", "moves"), [(9, 0), (2, 0), (1, 0), (0, 1)])
def test_batches_shrink_and_the_cpu_comes_last(room: int, moves: int) -> None:
    device = SmallDevice(room)
    batch = torch.arange(5.0)[:, None]
    parts = encode_in_parts(device.encode, batch, device.move)
    assert torch.equal(torch.cat([part.embedding for part in parts]), batch * 2)
    assert device.moves == moves


def test_too_little_memory_everywhere_is_an_error() -> None:
    device = SmallDevice(0, room_on_cpu=0)
    with pytest.raises(DeviceError, match="Expected enough memory"):
        encode_in_parts(device.encode, torch.ones(2, 1), device.move)


def test_number_format_is_chosen_or_obeyed() -> None:
    sam = build_sam(SamShape(64, 32, 2, (0,), 64))
    checkpoint = Checkpoint(sam, None, "")
    assert choose_format("bfloat16", "cpu", checkpoint) == torch.bfloat16
    assert choose_format("float32", "cpu", checkpoint) == torch.float32
    assert choose_format("auto", "cpu", checkpoint) in {torch.float32, torch.bfloat16}
    with pytest.raises(DeviceError, match="float16"):
        choose_format("float16", "cpu", checkpoint)


def test_a_format_is_faster_only_if_it_is_measured_to_be() -> None:
    def compute(slow: bool) -> torch.Tensor:
        end = time.process_time() + 0.01 * (torch.is_autocast_enabled("cpu") == slow)
        while time.process_time() < end:
            pass
        return torch.zeros(1)

    assert not _is_faster(partial(compute, True), "cpu", 1.5)
    assert _is_faster(partial(compute, False), "cpu", 1.5)
