from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter import __version__
from napari_sam_adapter.cli.main import main
from napari_sam_adapter.model.variants import ADAPTERS, MODELS

if TYPE_CHECKING:
    from pathlib import Path


def test_help_loads_neither_torch_nor_napari_nor_numpy() -> None:
    script = (
        "import sys; from napari_sam_adapter.cli.main import main; "
        "main(['segment', '--help']); "
        "heavy = {'torch', 'napari', 'qtpy', 'numpy', 'scipy', 'zarr'}; "
        "print('loaded:', heavy & set(sys.modules))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--point" in done.stdout
    assert done.stdout.endswith("loaded: set()\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("segment", "demo", "models", "pretrain"))


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"napari-sam-adapter {__version__}\n"


@pytest.mark.parametrize("arguments", [["bogus"], ["--bogus"], ["segment"]])
def test_a_usage_error_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("napari-sam-adapter: ")
    assert error.count("\n") == 1


def test_models_and_adapters_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(MODELS) + len(ADAPTERS)
    assert any(" tiny " in line and " shipped " in line for line in lines)


def test_pretraining_without_data_is_refused(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("empty")
    output = folder / "weights.safetensors"
    assert main(["pretrain", "tiny", "--data", str(folder), "-o", str(output)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not output.exists()


def test_the_state_of_a_stopped_training_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "weights.safetensors.state"
    state.write_text("hours of work")
    output = str(tmp_path / "weights.safetensors")
    command = ["pretrain", "tiny", "--data", str(tmp_path), "-o", output]
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 2  # there are no data either
    assert "earlier" not in capsys.readouterr().err


def test_a_failed_download_is_one_line(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    chosen = {"NAPARI_SAM_ADAPTER_CACHE": str(tmp_path), "HTTPS_PROXY": nowhere}
    script = (
        "from napari_sam_adapter.cli.loading import load_from_disk\n"
        "try:\n    load_from_disk('vit_b', None, 'cpu')\n"
        "except ValueError as error:\n    print(error)"
    )
    command = [sys.executable, "-c", script]
    environment = {**os.environ, **chosen}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    )
    assert "Cannot download vit_b" in done.stdout
    assert not done.stderr
