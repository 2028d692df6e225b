from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from napari_sam_adapter import __version__
from napari_sam_adapter.cli.main import main

FULL = Path("/dev/full")


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


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "napari_sam_adapter", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"napari-sam-adapter {__version__}\n"


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is full")
def test_a_full_standard_output_is_one_line() -> None:
    command = [sys.executable, "-m", "napari_sam_adapter", "--help"]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Expected a standard output" in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is full")
def test_work_is_saved_though_a_full_standard_output_cannot_tell(
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "cells.npy", np.eye(9, dtype=np.uint8))
    cells, table = tmp_path / "cells.npy", tmp_path / "cells.csv"
    words = ["measure", cells, cells, "--output", table]
    command = [sys.executable, "-m", "napari_sam_adapter", *words]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "Files that were written are whole" in done.stderr
    assert len(table.read_text().splitlines()) == 2


def test_what_the_system_refuses_elsewhere_leaves_the_standard_output_alone(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object, **options: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    words = ["segment", volume, "--point", "4,14,14", "-o", tmp_path / "labels.tif"]
    with pytest.raises(OSError, match="Input/output"):
        main([str(word) for word in words], load)
    assert capsys.readouterr().out == ""


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


def test_a_usage_error_names_the_help_of_its_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["segment", "a.png", "--point", "20,", "10", "-o", "b.png"]) == 2
    error = capsys.readouterr().err
    assert "no spaces" in error
    assert error.endswith("Try: napari-sam-adapter segment --help\n")


def test_only_commands_with_points_speak_of_coordinates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["measure", "a.png", "b.png", "c.png", "-o", "d.csv"]) == 2
    error = capsys.readouterr().err
    assert "unexpected extra argument" in error
    assert "--point" not in error


@pytest.mark.parametrize("command", ["segment", "train", "evaluate", "annotate"])
def test_the_help_of_a_command_ends_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    _, examples = capsys.readouterr().out.split("Examples:\n")
    assert examples.startswith(f"  napari-sam-adapter {command} ")


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


def test_a_job_queue_stops_it_as_ctrl_c_does(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object, **options: object) -> NoReturn:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("it went on")

    before = signal.getsignal(signal.SIGTERM)
    output = tmp_path / "mask.ome.tif"
    command = ["segment", volume, "--point", "4,14,14", "--output", output]
    assert main([str(part) for part in command], load) == 130
    assert capsys.readouterr().err == "napari-sam-adapter: stopped\n"
    assert signal.getsignal(signal.SIGTERM) is before
    assert list(tmp_path.iterdir()) == [volume]


INTERRUPTED_TWICE = """
import atexit, signal, sys
from napari_sam_adapter.cli.main import main
def interrupted(*_, **options):
    raise KeyboardInterrupt
def interrupted_at_the_end():
    signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
atexit.register(interrupted_at_the_end)
sys.exit(main(load=interrupted))
"""


@pytest.mark.skipif(os.name == "nt", reason="no process ends by a signal there")
def test_a_second_ctrl_c_ends_at_once_without_a_traceback(
    volume: Path, tmp_path: Path
) -> None:
    command = ["segment", volume, "-p", "4,14,14", "-o", tmp_path / "mask.tif"]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_TWICE, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "napari-sam-adapter: stopped\n"
    assert done.returncode == -signal.SIGINT  # which a shell calls 130
