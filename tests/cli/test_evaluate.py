from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.fakes import DiskPredictor

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.weight_store.entries import Kind, import_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cells"
    labels = np.zeros((40, 50), np.uint8)
    labels[4:14, 5:20], labels[20:34, 22:40] = 1, 2
    for name in ("images", "masks"):
        (path / name).mkdir(parents=True)
    for name in ("a", "b"):
        Image.fromarray(labels).save(path / "masks" / f"{name}.png")
        Image.fromarray(200 * (labels > 0).astype(np.uint8)).save(
            path / "images" / f"{name}.png"
        )
    return path


@pytest.fixture
def broken_folder(folder: Path) -> Path:
    (folder / "images" / "b.png").write_bytes(b"no picture")
    return folder


def test_the_table_goes_to_the_shell_and_rows_to_files(
    run, folder: Path, tmp_path: Path, capsys
) -> None:
    report, table, sheet = (tmp_path / f"out.{end}" for end in ("json", "csv", "png"))
    outputs = ("--json", report, "--csv", table, "--sheet", sheet)
    assert run("evaluate", folder, "--corrections", 1, *outputs) == 0
    told = capsys.readouterr().out
    assert "cells: interactive from a point, 4 objects in 2 images" in told
    assert "| 2 " in told
    (evaluation,) = json.loads(report.read_text())["evaluations"]
    assert evaluation["protocol"]["corrections"] == 1
    assert len(table.read_text().splitlines()) == 1 + 4 + 2
    assert sheet.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("asked", "told", "high"),
    [("-160,240", "window -160 to 240", 240), ("lung", "window lung", 150)],
)
def test_a_window_for_all_images_is_used_and_told(
    run, folder: Path, tmp_path: Path, capsys, asked: str, told: str, high: float
) -> None:
    report = tmp_path / "out.json"
    options = ("--corrections", 0, "--json", report)
    assert run("evaluate", folder, "--intensity", asked, *options) == 0
    assert f"4 objects in 2 images, {told}\n" in capsys.readouterr().out
    (evaluation,) = json.loads(report.read_text())["evaluations"]
    assert evaluation["protocol"]["intensity"]["high"] == high


def test_a_folder_takes_all_that_is_not_on_the_page(
    run, refused, folder: Path, tmp_path: Path, capsys
) -> None:
    output, command = tmp_path / "found", ("evaluate", folder, "--corrections", 0)
    assert run(*command) == 0
    assert "--output FOLDER" in capsys.readouterr().err
    assert run(*command, "--output", output) == 0
    assert "rows.csv" in capsys.readouterr().out
    names = ["evaluation.json", "rows.csv", "worst.png"]
    assert sorted(path.name for path in output.iterdir()) == names
    assert "exists" in refused(*command, "--output", output)
    assert "is a file" in refused(*command, "--output", output / "rows.csv")
    assert run(*command, "--output", output, "--overwrite") == 0


def test_broken_pairs_are_named_and_refused_when_strict(
    run, refused, broken_folder: Path, capsys
) -> None:
    assert run("evaluate", broken_folder) == 0
    assert "left out b: " in capsys.readouterr().err
    assert "b: " in refused("evaluate", broken_folder, "--strict")


def test_a_volume_is_followed(run, tmp_path: Path, pixels, balls, capsys) -> None:
    labels = (balls[0] + 2 * balls[1]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    tifffile.imwrite(tmp_path / "b.tif", labels)
    asked = ("--labels", tmp_path / "b.tif", "--protocol", "propagation")
    assert run("evaluate", tmp_path / "a.tif", *asked) == 0
    assert "| surface_dice " in capsys.readouterr().out


def test_what_is_looked_at_in_a_volume_is_told(
    run, refused, tmp_path: Path, pixels, balls, capsys
) -> None:
    labels = (balls[0] + 2 * balls[1]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    tifffile.imwrite(tmp_path / "all.tif", labels)
    labels[:5], labels[6:] = 0, 0
    tifffile.imwrite(tmp_path / "one.tif", labels)
    asked = "evaluate", tmp_path / "a.tif", "--corrections", 0, "--plane-step", 3
    assert run(*asked, "--labels", tmp_path / "all.tif") == 0
    told = capsys.readouterr().err
    assert "one in 3 along each axis (--plane-step)" in told
    assert "--objects N" in told
    assert run(*asked, "--labels", tmp_path / "one.tif") == 0
    told = capsys.readouterr()
    assert "looking at 1 plane, all that is labelled" in told.err
    assert "2 objects in 1 image" in told.out
    follow = "--labels", tmp_path / "one.tif", "--protocol", "propagation"
    assert "got labels on single slices" in refused(*asked, *follow)


def test_two_adapters_are_compared(folder: Path, capsys) -> None:
    loaded = []

    def load(
        model: str, adapter: str | None, device: str, preprocessing: str | None = None
    ) -> DiskPredictor:
        loaded.append((model, adapter, preprocessing))
        return DiskPredictor(model=adapter or model)

    command = ["evaluate", str(folder), "--corrections", "0", "--compare"]
    assert main([*command, "none", "mine.safetensors"], load) == 0
    assert loaded == [("tiny", None, None), ("tiny", "mine.safetensors", None)]
    assert "| second better |" in capsys.readouterr().out
    assert main([*command, "tiny", "vit_b"], load) == 0
    assert loaded[2:] == [("tiny", None, None), ("vit_b", None, None)]


def test_adapters_of_another_base_are_refused_before_a_download_is_offered(
    refused, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", str(tmp_path / "cache"))
    command = ("evaluate", folder, "--model", "vit_b", "--compare", "none")
    told = refused(*command, "microscopy")
    assert "the model 'vit_b', but microscopy was trained for 'tiny'" in told


def test_an_imported_model_is_compared_as_a_model(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", str(tmp_path / "cache"))
    (import_folder(Kind.MODEL) / "mine").mkdir(parents=True)
    (import_folder(Kind.MODEL) / "mine" / "mine.pth").write_bytes(b"")
    asked = []
    command = ["evaluate", str(folder), "--corrections", "0", "--compare"]
    command += ["none", "mine", "--preprocessing", "medsam"]
    assert main(command, lambda *a, **b: asked.append((*a, b)) or DiskPredictor()) == 0
    assert asked == [
        ("tiny", None, "auto", {"preprocessing": "medsam"}),
        ("mine", None, "auto", {"preprocessing": None}),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "guess"], "prompt-free"),
        (["--start", "line"], "--start"),
        (["--corrections", "-1"], "corrections"),
        (["--compare", "a", "b", "--adapter", "c"], "both"),
        (["--json", "same.x", "--csv", "same.x"], "different files"),
        (["--sheet", "worst.pdf"], "NAME.png for --sheet"),
        (["--output", "no/where"], "no/where"),
        (["--objects", "0"], "--objects"),
        (["--json", "nowhere/out.json"], "nowhere"),
        (["--smallest", "100000"], "smaller objects"),
        (["--intensity", "file"], "LOW,HIGH"),
    ],
)
def test_bad_requests_are_one_line(
    refused, folder: Path, arguments: list[str], message: str, monkeypatch, tmp_path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused("evaluate", folder, *arguments)


def test_an_empty_folder_is_refused(refused, tmp_path: Path) -> None:
    assert "at least one image" in refused("evaluate", tmp_path)
