"""A base that trains in a second, and samples of bright disks."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.files.weight_files import read_weights
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape
from napari_sam_adapter.training.network.initial_weights import initialise
from napari_sam_adapter.training.recipes.config import TrainingConfig
from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIDE = 64


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return read_weights(path)[0]


def interrupt(*_: object) -> None:
    """What Ctrl-C does, as late as Python notices it."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    sam = build_sam(small_shape(64, 2, SIDE, 64))
    initialise(sam)
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_base(sam.state_dict(), path, {})
    return path


def disk_sample(number: int) -> Sample:
    """Two bright disks, and a dark one that is not labelled."""
    rng = np.random.default_rng(number)
    image = rng.integers(90, 110, (SIDE, SIDE)).astype(np.uint8)
    labels = np.zeros((SIDE, SIDE), np.int32)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    places = rng.permutation([(16, 16), (16, 48), (48, 16), (48, 48)])
    for place, (row, column) in enumerate(places[:3]):
        radius = rng.integers(7, 12)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        image[inside] = 20 if place == 2 else 220
        if place < 2:
            labels[inside] = place + 1
    return Sample(image, (labels,), name=f"disks {number}")


@pytest.fixture
def disks() -> list[Sample]:
    return [disk_sample(number) for number in range(8)]


@pytest.fixture
def config(base: Path, tmp_path: Path) -> Callable[..., TrainingConfig]:
    """Make configurations for the small base."""

    def make(**changes: object) -> TrainingConfig:
        options: dict[str, object] = {
            "output": tmp_path / "mine.safetensors",
            "base": str(base),
            "steps": 4,
            "batch": 2,
            "objects": 2,
            "validate_every": 2,
            "dtype": "float32",
            "device": "cpu",
        }
        return TrainingConfig(**options | changes)  # type: ignore[arg-type]

    return make
