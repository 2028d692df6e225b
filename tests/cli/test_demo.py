from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_sam_adapter.cli.jobs.headless_demo import Segmented, draw

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

Run = Callable[..., int]


def test_the_headless_demo_writes_a_picture_and_one_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "demo.png"
    assert run("demo", "--headless", "--output", output) == 0
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "IoU" in told
    with Image.open(output) as picture:
        assert picture.width > 2 * picture.height


def test_a_machine_without_display_gets_the_picture(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    output = tmp_path / "demo.png"
    assert run("demo", "--output", output) == 0
    assert "No display found" in capsys.readouterr().out
    assert output.exists()


def test_an_existing_picture_is_kept_without_overwrite(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    output = tmp_path / "demo.png"
    output.write_text("mine")
    assert "exists" in refused("demo", "--headless", "--output", output)
    assert output.read_text() == "mine"


def test_the_demo_can_be_run_again_and_keeps_what_is_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["napari-sam-adapter-demo-2.png", "napari-sam-adapter-demo.png"]
    (tmp_path / names[1]).write_text("mine")
    assert run("demo", "--headless") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / names[1]).read_text() == "mine"


def test_the_demo_writes_only_png(refused: Callable[..., str], tmp_path: Path) -> None:
    assert ".png" in refused("demo", "--headless", "--output", tmp_path / "demo.gif")


def test_mask_and_click_are_drawn_in_their_colours() -> None:
    image = np.random.default_rng(0).normal(100, 10, (5, 20, 20))
    mask = np.zeros(image.shape, bool)
    mask[1:4, 5:15, 5:15] = True
    picture = np.array(draw(Segmented(image, (2, 9, 9), mask, mask, 0.1, 0.2)))
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert {(255, 205, 0), (60, 255, 120)} <= colours


def test_an_object_that_was_not_found_can_still_be_drawn() -> None:
    image = np.random.default_rng(0).normal(100, 10, (5, 20, 20))
    nothing, truth = np.zeros(image.shape, bool), np.ones(image.shape, bool)
    found = Segmented(image, (2, 9, 9), nothing, truth, 0.1, 0.2)
    assert draw(found).width > 0
    assert found.iou == 0
