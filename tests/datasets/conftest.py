from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def labels() -> np.ndarray:
    mask = np.zeros((20, 30), np.uint8)
    mask[4:12, 5:15] = 7
    return mask


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)


@pytest.fixture
def save(labels: np.ndarray, image: np.ndarray):
    def save_pair(image_path: Path, labels_path: Path) -> None:
        for path, pixels in ((image_path, image), (labels_path, labels)):
            path.parent.mkdir(exist_ok=True, parents=True)
            Image.fromarray(pixels).save(path)

    return save_pair
