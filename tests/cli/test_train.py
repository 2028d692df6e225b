from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.model.files.weight_files import read_weights
from napari_sam_adapter.training.recipes.adapter_recipe import read_adapter_recipe
from napari_sam_adapter.training.recipes.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for name in "abcd":
        image = rng.integers(0, 90, (64, 64), dtype=np.uint8)
        mask = np.zeros_like(image)
        mask[20:40, 10:30] = 255
        Image.fromarray(image + mask // 2).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return folder


@pytest.fixture
def command(base: Path, data: Path, tmp_path: Path) -> list[str]:
    output = str(tmp_path / "mine.safetensors")
    options = ["--base", str(base), "--steps", "4", "--batch", "2", "-o", output]
    return ["train", str(data), *options, "--validate-every", "2", "--device", "cpu"]


def test_train_writes_an_adapter_and_a_report(
    command: list[str], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "3 images to learn from" in told
    assert "1 kept back to validate on (--validation-share 0.2 of all" in told
    assert "numbers to train" in told
    assert "validation IoU" in told
    assert re.search(r"\(point and box \S+ before, \S+ now; no prompt \S+ before", told)
    load_predictor(base, adapter=tmp_path / "mine.safetensors", device="cpu")
    page = (tmp_path / "mine.safetensors.html").read_text()
    assert "<polyline" in page
    assert page.count("data:image/png;base64,") == 3
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["folders", "index"])
def test_an_adapter_learns_through_a_window_and_keeps_it(
    command: list[str], base: Path, data: Path, tmp_path: Path, layout: str
) -> None:
    for path in (data / "images").glob("*.png"):
        values = np.asarray(Image.open(path)).astype(np.uint16) * 10
        Image.fromarray(values).save(path)
    if layout == "index":
        rows = "".join(f"{name},train\n" for name in "abcd")
        (data / "index.csv").write_text(f"id,split\n{rows}")
    assert main([*command, "--intensity", "-100,900"]) == 0
    adapted = load_predictor(base, adapter=tmp_path / "mine.safetensors", device="cpu")
    assert adapted.intensity == IntensityMapping("contrast_limits", -100, 900)


def test_a_window_for_images_of_8_bits_is_refused(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--intensity", "soft-tissue"]) == 2
    assert "more than 8 bits" in capsys.readouterr().err
    assert main([*command, "--intensity", "liver"]) == 2
    assert "LOW,HIGH" in capsys.readouterr().err
    assert not (tmp_path / "mine.safetensors").exists()


def test_without_validation_images_the_report_promises_no_masks(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--validation-share", "0"]) == 0
    assert "curves and masks" not in capsys.readouterr().out
    page = (tmp_path / "mine.safetensors.html").read_text()
    assert "no images to validate on" in page
    assert "before and after" not in page
    assert "data:image" not in page


def test_broken_pairs_are_told_and_refused_if_strict(
    command: list[str], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "images" / "b.png").write_bytes(b"nothing")
    assert main([*command, "--strict"]) == 2
    assert "b: " in capsys.readouterr().err
    assert main(command) == 0
    assert "left out: b: " in capsys.readouterr().err


def test_named_validation_images_that_are_lost_are_told(
    command: list[str], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("images", "masks"):
        for name in "abcd":
            split = "val" if name == "d" else "train"
            (data / split / part).mkdir(parents=True, exist_ok=True)
            file = f"{part}/{name}.png"
            (data / file).rename(data / split / file)
        (data / part).rmdir()
    (data / "val" / "images" / "d.png").write_bytes(b"nothing")
    assert main([*command, "--steps", "1"]) == 0
    assert "none of the images that the data name" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_adapter(
    command: list[str], base: Path, tmp_path: Path
) -> None:
    command = [*command, "--validation-share", "0"]  # so that the last state is kept
    script = (
        "import os, sys, signal\n"
        "import napari_sam_adapter.training.runs.adapter_training as room\n"
        "from napari_sam_adapter.cli.main import main\n"
        "plain = room.train_adapter\n"
        "def train(*args, **kwargs):\n"
        "    for progress in plain(*args, **kwargs):\n"
        "        if progress.step == 3:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield progress\n"
        "room.train_adapter = train\n"
        "main(sys.argv[1:])"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, *command],
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    output = tmp_path / "mine.safetensors"
    assert killed.returncode == -signal.SIGKILL
    load_predictor(base, adapter=output, device="cpu")
    assert main([*command, "--resume"]) == 0
    resumed, _ = read_weights(output)
    assert main([*command, "--overwrite"]) == 0
    whole, _ = read_weights(output)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.fixture
def ctrl_c(interruptible: None) -> Callable[..., None]:
    """Press Ctrl-C when it is called for the third time."""
    calls = itertools.count(1)

    def press(*_: object) -> None:
        if next(calls) == 3:
            signal.raise_signal(signal.SIGINT)

    return press


@pytest.mark.parametrize(
    ("options", "what"),
    [((), "learned nothing yet"), (("--validation-share", "0"), "an earlier state")],
)
def test_an_interrupted_training_goes_on_after_the_step(
    command: list[str],
    options: tuple[str, ...],
    what: str,
    ctrl_c: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [*command, "--validate-every", "4", *options]
    with register_optimizer_step_pre_hook(ctrl_c):
        assert main(command) == 130
    told = capsys.readouterr().err
    assert f"mine.safetensors has {what}" in told
    assert "--resume" in told
    assert not list(tmp_path.glob(".*"))
    assert main([*command, "--resume"]) == 0
    assert "goes on after step 3 of 4" in capsys.readouterr().out
    output = tmp_path / "mine.safetensors"
    resumed, _ = read_weights(output)
    assert main([*command, "--overwrite"]) == 0
    whole, _ = read_weights(output)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_an_adapter_that_was_stopped_too_early_says_so_where_it_is_used(
    command: list[str],
    base: Path,
    data: Path,
    ctrl_c: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with register_optimizer_step_pre_hook(ctrl_c):
        assert main([*command, "--validate-every", "4"]) == 130
    adapter = str(tmp_path / "mine.safetensors")
    told = "mine.safetensors has learned nothing in its training"
    use = ["--model", str(base), "--device", "cpu"]
    picture, labels = str(data / "images" / "a.png"), str(tmp_path / "labels.tif")
    segment = ["segment", picture, "--point", "30,20", "-o", labels]
    evaluate = ["evaluate", str(data), "--corrections", "1", "--compare", "none"]
    capsys.readouterr()
    for asked in ([*evaluate, adapter], [*segment, "--adapter", adapter]):
        assert main([*asked, *use]) == 0
        assert capsys.readouterr().err.count(told) == 1


def test_nothing_is_promised_where_training_was_stopped_before_its_first_file(
    command: list[str],
    ctrl_c: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with register_module_forward_pre_hook(ctrl_c):
        assert main(command) == 130
    told = capsys.readouterr().err
    assert "begins anew" in told
    assert "--resume" not in told


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--trains", "half"], "trains"),
        (["--recipe", "nothing"], "recipe"),
        (["--from", "nothing.safetensors"], "nothing.safetensors"),
        (["--resume"], "resume"),
        (["--output", "mine.pth"], "NAME.safetensors"),
    ],
    ids=["part", "recipe", "start", "resume", "suffix"],
)
def test_bad_requests_are_one_line(
    command: list[str],
    options: list[str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_a_download_waits_for_consent(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", str(tmp_path / "cache"))
    assert main([*command, "--base", "mobile_sam"]) == 2
    assert "consent" in capsys.readouterr().err
    assert not (tmp_path / "mine.safetensors").exists()


def test_an_adapter_of_another_base_is_refused_before_a_download_is_offered(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--base", "vit_b", "--from", "microscopy"]) == 2
    error = capsys.readouterr().err
    assert "'tiny'" in error
    assert "'vit_b'" in error
    assert "consent" not in error
    assert error.count("\n") == 1


def test_each_set_of_a_recipe_has_its_share_in_the_validation(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        for split in ("train", "val"):
            shutil.copytree(data, tmp_path / "sets" / name / split)
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'base = "{base}"\nsteps = 1\nbatch = 1\nvalidation_images = 5\n'
        "[sets]\none = 1\ntwo = 2\n"
    )
    output = str(tmp_path / "mine.safetensors")
    given = ["train", str(tmp_path / "sets"), "--recipe", str(recipe), "-o", output]
    assert main([*given, "--device", "cpu", "--licence", "CC0-1.0"]) == 0
    told = capsys.readouterr().out
    assert "8 images to learn from\n5 to validate on, which the data name" in told
    assert read_weights(Path(output))[1]["licence"] == "CC0-1.0"


@pytest.mark.parametrize(
    "text",
    [b"steps = 'many'", b"steps = 2.5", b"augment = 1", b"batch = true", b"\xff"],
)
def test_recipes_with_other_values_are_refused_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_bytes(text)
    output = str(tmp_path / "mine.safetensors")
    assert main(["train", str(data), "--recipe", str(recipe), "-o", output]) == 2
    error = capsys.readouterr().err
    assert "Expected" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["microscopy", "medical"])
def test_recipes_of_the_package_are_valid(name: str, tmp_path: Path) -> None:
    recipe = read_adapter_recipe(name)
    assert recipe.sets
    assert TrainingConfig(tmp_path / "x.safetensors", **recipe.options).steps > 100
