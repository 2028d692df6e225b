from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.training.conftest import interrupt
from torch.optim.optimizer import register_optimizer_step_post_hook

from napari_sam_adapter.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
synthetic_share = 0.5
sets = {mine = 1}
[[phases]]
image_size = 64
steps = 3
batch = 1
objects = 1
corrections = 0
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Of a recipe with a set of two pictures, one of them without labels."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    labels = np.zeros((64, 64), np.uint8)
    labels[10:40, 10:40] = 1
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("index.csv", "id,split\ngood,train\nempty,train\n")
        for name, mask in (("good", labels), ("empty", 0 * labels)):
            for folder, pixels in (("images", labels * 200), ("masks", mask)):
                with archive.open(f"{folder}/{name}.png", "w") as file:
                    Image.fromarray(pixels).save(file, "PNG")
    recipe, output = tmp_path / "recipe.toml", tmp_path / "base.safetensors"
    options = ["--data", str(tmp_path), "--output", str(output)]
    return ["pretrain", str(recipe), *options]


def test_what_a_set_cannot_give_is_told(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    told = capsys.readouterr().err
    assert told.count("left out: mine empty: Expected") == 1
    assert (tmp_path / "base.safetensors").exists()


@pytest.mark.usefixtures("interruptible")
def test_a_stopped_run_says_how_to_go_on(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with register_optimizer_step_post_hook(interrupt):
        assert main(command) == 130
    assert "goes on with --resume" in capsys.readouterr().err
    assert not (tmp_path / "base.safetensors").exists()
    assert main([*command, "--resume"]) == 0
    assert (tmp_path / "base.safetensors").exists()
    assert not list(tmp_path.glob("*.state"))
