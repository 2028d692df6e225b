from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.test_segment import write_pyramid
from tests.fakes import PackingDiskPredictor

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., int]


@pytest.fixture
def predictor() -> PackingDiskPredictor:
    return PackingDiskPredictor()


@pytest.fixture
def run_kept(predictor: PackingDiskPredictor) -> Run:
    def run_command(*arguments: object) -> int:
        words = [str(argument) for argument in arguments]
        return main(words, lambda *_, **__: predictor)

    return run_command


def test_a_stack_is_embedded_once_and_segmented_from_there(
    run_kept: Run,
    predictor: PackingDiskPredictor,
    volume: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, output = tmp_path / "embeddings", tmp_path / "labels.tif"
    assert run_kept("embed", volume, "--embeddings", folder) == 0
    assert capsys.readouterr().out.endswith(": 12 slices embedded, 0 were there\n")
    assert run_kept("embed", volume, "--embeddings", folder, "--batch", 1) == 0
    assert capsys.readouterr().out.endswith(": 0 slices embedded, 12 were there\n")
    asked = "--point", "5,12,12", "--propagate", "--embeddings", folder
    assert run_kept("segment", volume, *asked, "-o", output) == 0
    assert len(predictor.encoded) == 12
    assert np.asarray(open_image(output).data).any()


def test_embeddings_are_those_of_a_window(
    run_kept: Run, predictor: PackingDiskPredictor, volume: Path, tmp_path: Path
) -> None:
    folder, output = tmp_path / "embeddings", tmp_path / "labels.tif"
    kept = "--embeddings", folder, "--intensity", "0,1500"
    assert run_kept("embed", volume, *kept) == 0
    asked = "segment", volume, "--point", "5,12,12", "--overwrite", "-o", output
    assert run_kept(*asked, *kept) == 0
    assert len(predictor.encoded) == 12
    assert run_kept(*asked, *kept[:2]) == 0
    assert len(predictor.encoded) == 13


def test_slices_along_another_axis_are_embedded(
    run_kept: Run, predictor: PackingDiskPredictor, volume: Path, tmp_path: Path
) -> None:
    assert run_kept("embed", volume, "--embeddings", tmp_path / "e", "--axis", "x") == 0
    assert {image.shape for image in predictor.encoded} == {(12, 40)}


def test_a_level_of_a_pyramid_is_embedded(
    run_kept: Run, predictor: PackingDiskPredictor, tmp_path: Path, pixels: np.ndarray
) -> None:
    write_pyramid(tmp_path / "a.zarr", pixels)
    asked = "--embeddings", tmp_path / "e", "--level", 1
    assert run_kept("embed", tmp_path / "a.zarr", *asked) == 0
    assert {image.shape for image in predictor.encoded} == {(20, 25)}
    assert run_kept("embed", tmp_path / "a.zarr", *asked[:2], "--level", 5) == 2


def test_slices_without_structure_are_named(
    run_kept: Run, tmp_path: Path, pixels: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    pixels[3] = 5
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels)
    assert run_kept("embed", path, "--embeddings", tmp_path / "e") == 0
    told = capsys.readouterr().out
    assert "slice (3,): Expected" in told
    assert "11 slices embedded" in told


def test_preprocessing_reaches_the_loader(
    predictor: PackingDiskPredictor, volume: Path, tmp_path: Path
) -> None:
    asked = []
    command = ["embed", volume, "--embeddings", tmp_path / "e", "--model", "mine.pth"]
    command = [str(part) for part in (*command, "--preprocessing", "micro-sam")]
    assert main(command, lambda *a, **b: asked.append((*a, b)) or predictor) == 0
    assert asked == [("mine.pth", None, "auto", {"preprocessing": "micro-sam"})]


def test_what_cannot_be_kept_is_refused(
    run_kept: Run,
    refused: Callable[..., str],
    volume: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert "can be kept" in refused("embed", volume, "--embeddings", tmp_path / "e")
    assert run_kept("embed", volume, "--embeddings", blocked) == 2
    assert "is a file" in capsys.readouterr().err
    assert blocked.read_text() == "no folder"


def test_a_stack_without_room_is_refused_after_the_first_slices(
    run_kept: Run,
    predictor: PackingDiskPredictor,
    volume: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = "embed", volume, "--embeddings", tmp_path / "e", "--batch", 1
    assert run_kept(*asked, "--budget", 1e-6) == 2
    told = capsys.readouterr().err
    assert "Expected room for 12 slices, about" in told
    assert "got 1 kB" in told
    assert "--budget" in told
    assert len(predictor.encoded) == 1
    assert run_kept(*asked) == 0
    assert "embedding 12 slices, about" in capsys.readouterr().err


def test_no_room_at_all_is_refused_before_anything_is_encoded(
    run_kept: Run,
    predictor: PackingDiskPredictor,
    volume: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_kept("embed", volume, "--embeddings", tmp_path / "e", "--budget", 0) == 2
    assert "got none. Give it more with --budget." in capsys.readouterr().err
    assert not predictor.encoded
