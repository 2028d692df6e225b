"""Predictors whose steps another program disturbs."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.model import steady
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP only")

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)


@pytest.fixture
def predictor(tmp_path: Path) -> SamPredictor:
    path = tmp_path / "small.pth"
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")


@pytest.fixture(autouse=True)
def always_disturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads, and every step takes long and has half of its time."""
    now = [0.0]

    def clocks() -> steady.Clocks:
        now[0] += 1
        return steady.Clocks(now[0], now[0] / 2, now[0])

    monkeypatch.setattr(steady, "_watch", steady.Watch(clocks))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def has_extra() -> bool:
    return any(thread.name == "extra" for thread in threading.enumerate())


def test_the_second_block_is_helped_already(predictor: SamPredictor) -> None:
    seen: list[bool] = []
    for block in predictor.network.sam.image_encoder.blocks:
        block.norm2.register_forward_hook(lambda *_: seen.append(has_extra()))
    predictor.encode(NOISE)
    assert seen == [False, True]
    assert not has_extra()


def test_so_are_clicks(predictor: SamPredictor) -> None:
    embedding, seen = predictor.encode(NOISE), []
    head = predictor.network.sam.mask_decoder.iou_prediction_head
    head.register_forward_hook(lambda *_: seen.append(has_extra()))
    predictor.predict(embedding, Prompts([(20, 30)]))
    assert seen == [True]
    assert not has_extra()
