"""How a base wants its images is said, or told by its file, before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.errors import CheckpointError, TrainingError
from napari_sam_adapter.model.families import preparation as families
from napari_sam_adapter.model.files import checkpoints
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.training.network.trainee_loading import load_trainee
from napari_sam_adapter.training.recipes.config import TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SamShape(64, 32, 2, (2, 0), 64)


@pytest.fixture
def vit_b(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose tensors SAM, MedSAM and micro-sam share, at the size of a test."""
    monkeypatch.setattr(checkpoints, "VIT_B", SMALL)
    path = tmp_path / "mine.pth"
    torch.save(build_sam(SMALL).state_dict(), path)
    return path


def config(vit_b: Path, preprocessing: str | None) -> TrainingConfig:
    output = vit_b.with_name("adapter.safetensors")
    return TrainingConfig(output, base=str(vit_b), preprocessing=preprocessing)


def test_preprocessing_of_the_base_is_asked_for_and_obeyed(vit_b: Path) -> None:
    with pytest.raises(CheckpointError, match="Say which it is"):
        load_trainee(config(vit_b, None))
    trainee, _ = load_trainee(config(vit_b, "micro-sam"))
    assert trainee.family is families.MICRO_SAM
    with pytest.raises(TrainingError, match="medsam"):
        load_trainee(config(vit_b, "medsam"))


def test_the_shell_takes_it_too(
    vit_b: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "image.npy"
    labels = tmp_path / "labels.npy"
    np.save(image, np.arange(4096, dtype=np.uint16).reshape(64, 64))
    np.save(labels, np.eye(64, dtype=np.uint8))
    output = tmp_path / "adapter.safetensors"
    command = ["train", str(image), "--labels", str(labels), "-o", str(output)]
    command += ["--base", str(vit_b), "--steps", "1"]
    assert main(command) == 2
    assert "Say which it is" in capsys.readouterr().err
    assert main([*command, "--preprocessing", "nonsense"]) == 2
    assert "'nonsense'" in capsys.readouterr().err
    assert not output.exists()
