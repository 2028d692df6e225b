"""Labels that are given as the image are told, images are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_adapter.cli.inputs.label_images import told_of_labels
from napari_sam_adapter.image_io import OpenedImage, save_labels
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.sample_images import nuclei_picture

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]


@pytest.fixture
def labels(balls: list[np.ndarray]) -> np.ndarray:
    return (balls[0] + 2 * balls[1]).astype(np.uint16)


def told(data: np.ndarray, axes: str = "yx") -> str:
    ones = (1.0,) * len(axes.removesuffix("c"))
    return told_of_labels(OpenedImage(data, axes, ones, ("pixel",) * len(ones), "a"))


@pytest.mark.parametrize("command", ["segment", "find"])
def test_labels_in_place_of_an_image_are_told_and_segmented(
    run: Run,
    labels: np.ndarray,
    tmp_path: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_labels(tmp_path / "l.tif", labels)
    point = ["--point", "6,26,34"] if command == "segment" else []
    output = tmp_path / "o.tif"
    assert run(command, tmp_path / "l.tif", *point, "-o", output) == 0
    assert capsys.readouterr().err.count("l.tif looks like labels") == 1
    assert output.exists()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32])
def test_whole_numbers_of_any_kind_may_be_labels(labels, kind) -> None:
    assert told(labels.astype(kind), "zyx")


def test_an_image_is_not_told(pixels: np.ndarray, labels: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=labels[6].shape)
    dark = np.where(labels[6] > 0, 40 + 3 * noise, 0).astype(np.uint8)
    saturated = np.clip(128 * labels[6] + 40 * noise, 0, 255).astype(np.uint8)
    steps = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    mask = (labels[6] > 0).astype(np.uint8) * 255
    picture, _ = nuclei_picture(0)
    for image in (
        pixels[6],
        picture,
        dark,
        saturated,
        steps,
        mask,
        mask * 0,
        mask * 0 + 7,
    ):
        assert not told(image)
    assert not told(labels[6].astype(float))
    assert not told(np.stack([labels[6]] * 3, axis=-1), "yxc")


class Broken:
    """An array of which no plane can be read."""

    shape, ndim, dtype = (12, 40, 50), 3, np.dtype(np.uint8)

    def __getitem__(self, key: object) -> np.ndarray:
        raise OSError("no such block")


def test_a_plane_that_cannot_be_read_is_none_of_its_business() -> None:
    assert not told(LazyArray(Broken(), "a"), "zyx")
