"""Volumes with bright balls on disk, and a command line with the fake network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch
from tests.fakes import DiskPredictor

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.predictions import Predictor

SHAPE = (12, 40, 50)
CENTRES = (5, 12, 12), (6, 26, 34)
RADII = 4, 7
Run = Callable[..., int]
Refused = Callable[..., str]


def _ball(centre: tuple[int, int, int], radii: tuple[int, int]) -> np.ndarray:
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE)]
    depth, width = radii
    offsets = (z - centre[0]) / depth, (y - centre[1]) / width, (x - centre[2]) / width
    return sum(offset**2 for offset in offsets) < 1


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A network that trains in a second."""
    torch.manual_seed(0)
    path = tmp_path / "base.safetensors"
    save_base(build_sam(small_shape(64, 2, 64, 64)).state_dict(), path, {})
    return path


@pytest.fixture
def balls() -> list[np.ndarray]:
    return [_ball(centre, RADII) for centre in CENTRES]


@pytest.fixture
def pixels(balls: list[np.ndarray]) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 20, SHAPE)
    return (np.logical_or(*balls) * 1000 + noise).astype(np.uint16)


@pytest.fixture
def volume(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "volume.ome.tif"
    metadata = {"axes": "ZYX", "PhysicalSizeZ": 2.0, "PhysicalSizeX": 0.5}
    tifffile.imwrite(path, pixels, metadata=metadata)
    return path


@pytest.fixture
def run() -> Run:
    """Call the command line as a shell does, but with the fake network."""

    def load(
        model: str,
        adapter: str | None,
        device: str,
        dtype: str = "auto",
        preprocessing: str | None = None,
    ) -> Predictor:
        return DiskPredictor()

    def run_command(*arguments: object) -> int:
        return main([str(argument) for argument in arguments], load)

    return run_command


@pytest.fixture
def refused(run: Run, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must fail with one line, and return the line."""

    def run_command(*arguments: object) -> str:
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("napari-sam-adapter: ")
        assert error.endswith("\n")
        assert error.count("\n") == 1
        return error

    return run_command
