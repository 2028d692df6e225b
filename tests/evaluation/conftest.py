"""Pictures and volumes of bright disks, and a small random network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import SamPredictor, load_predictor
from napari_sam_adapter.datasets.reference import Dataset, Pair, Reference
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path


def disk(centre: tuple[float, ...], radius: float, shape: tuple[int, ...]):
    grid = np.indices(shape).astype(float)
    offsets = [axis - middle for axis, middle in zip(grid, centre, strict=True)]
    return np.sqrt(sum(offset**2 for offset in offsets)) < radius


def labels_of(*masks: np.ndarray) -> np.ndarray:
    return sum(mask * number for number, mask in enumerate(masks, 1))


def bright(labels: np.ndarray) -> np.ndarray:
    ground = np.indices(labels.shape).sum(axis=0) % 3
    return np.where(labels > 0, 200, ground).astype(np.uint8)


def dataset_of(name: str, references: list[Reference]) -> Dataset:
    """Make a data set of arrays in memory."""
    return Dataset(name, tuple(Pair(r.name, lambda r=r: r) for r in references))


@pytest.fixture
def pictures() -> Dataset:
    """Four disks that are found at once, and one picture with a fifth."""
    shape = (48, 64)
    places = ((10, 10), (10, 40), (34, 12), (34, 44))
    four = labels_of(*(disk(place, 6, shape) for place in places))
    one = labels_of(disk((20, 30), 8, shape))
    return dataset_of(
        "disks",
        [Reference("four", bright(four), four), Reference("one", bright(one), one)],
    )


@pytest.fixture
def volumes() -> Dataset:
    shape = (12, 32, 40)
    balls = labels_of(disk((5, 10, 10), 5, shape), disk((6, 20, 28), 5, shape))
    return dataset_of("balls", [Reference("two", bright(balls), balls)])


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> SamPredictor:
    path: Path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")
