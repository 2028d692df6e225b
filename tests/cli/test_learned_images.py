"""Images that an adapter learned from are told when it is measured on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_adapter.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

TRAINING = ("--steps", 1, "--batch", 1, "--device", "cpu")


def run(*command: object) -> int:
    return main([str(word) for word in command])


def picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((64, 64), np.uint8)
    labels[8 : 24 + number, 10:30], labels[40:56, 36 : 50 + number] = 1, 2
    ground = np.random.default_rng(number).integers(0, 90, labels.shape)
    return (ground + 120 * (labels > 0)).astype(np.uint8), labels


def save_pictures(folder: Path, numbers: range) -> Path:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in numbers:
        for part, array in zip(("images", "masks"), picture(number), strict=True):
            Image.fromarray(array).save(folder / part / f"{number}.png")
    return folder


def test_pictures_that_an_adapter_learned_from_are_told(
    base: Path, tmp_path: Path, capsys
) -> None:
    mine, report = tmp_path / "mine.safetensors", tmp_path / "found.json"
    seen = save_pictures(tmp_path / "seen", range(2))
    held_out = ("--validation-share", 0)
    assert run("train", seen, "--base", base, *TRAINING, *held_out, "-o", mine) == 0
    capsys.readouterr()
    mixed = save_pictures(tmp_path / "mixed", range(1, 4))
    masks = mixed / "masks" / "1.png"  # numbers of objects make no difference
    Image.fromarray(np.array(Image.open(masks)) * 3).save(masks)
    asked = ("--model", base, "--corrections", 0, "--json", report)
    assert run("evaluate", mixed, *asked, "--compare", "none", mine) == 0
    told = capsys.readouterr().err
    assert "mine.safetensors learned from 1 image of this set (1)" in told
    found = json.loads(report.read_text())["evaluations"]
    assert [evaluation["learned"] for evaluation in found] == [[], ["1"]]


def test_what_the_start_learned_from_is_known_to_what_follows(
    base: Path, tmp_path: Path, capsys
) -> None:
    first, then = tmp_path / "first.safetensors", tmp_path / "then.safetensors"
    seen = save_pictures(tmp_path / "seen", range(2))
    later = save_pictures(tmp_path / "later", range(4, 6))
    options = ("--base", base, *TRAINING, "--validation-share", 0)
    assert run("train", seen, *options, "-o", first) == 0
    assert run("train", later, *options, "--from", first, "-o", then) == 0
    capsys.readouterr()
    asked = ("--model", base, "--adapter", then, "--corrections", 0)
    assert run("evaluate", seen, *asked) == 0
    assert "learned from 2 images of this set (0, 1)" in capsys.readouterr().err


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_is_known_by_a_slice(
    base: Path, tmp_path: Path, capsys, axis: int
) -> None:
    image, labels = (
        np.stack(arrays) for arrays in zip(*map(picture, range(6)), strict=True)
    )
    tifffile.imwrite(tmp_path / "image.tif", image)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    volume = (tmp_path / "image.tif", "--labels", tmp_path / "labels.tif")
    mine = tmp_path / "mine.safetensors"
    assert run("train", *volume, "--base", base, *TRAINING, "-o", mine) == 0
    capsys.readouterr()
    turned = np.moveaxis(labels, 0, axis)
    tifffile.imwrite(tmp_path / "turned.tif", np.moveaxis(image, 0, axis))
    tifffile.imwrite(tmp_path / "turned_labels.tif", turned)
    other = (tmp_path / "turned.tif", "--labels", tmp_path / "turned_labels.tif")
    asked = ("--model", base, "--adapter", mine, "--corrections", 0, "--objects", 1)
    assert run("evaluate", *other, *asked) == 0
    assert "learned from 1 image of this set (turned)" in capsys.readouterr().err
