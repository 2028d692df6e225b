"""Pictures as images, and as labels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.image_io.volume_files import LABELS, VOLUME

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image, open_labels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


@pytest.mark.parametrize(
    ("mode", "axes"), [("L", "yx"), ("1", "yx"), ("P", "yxc"), ("RGBA", "yxc")]
)
def test_pictures_open_as_grey_or_colour(tmp_path: Path, mode: str, axes: str) -> None:
    Image.new(mode, (30, 20)).save(tmp_path / "picture.png")
    image = open_image(tmp_path / "picture.png")
    assert (image.axes, image.label_shape) == (axes, (20, 30))


COLOURS = (0, 0, 0, 255, 0, 0, 0, 255, 0)
GREYS = (0, 0, 0, 40, 40, 40, 90, 90, 90)
WHITE_FIRST = (255, 255, 255, *COLOURS[3:])


def write_with_palette(path: Path, palette: Sequence[int]) -> npt.NDArray[np.uint8]:
    indices = np.arange(6, dtype=np.uint8).reshape(2, 3) % 3
    picture = Image.fromarray(indices, "P")
    picture.putpalette(palette)
    picture.save(path)
    return indices


def test_labels_with_a_palette_of_colours_are_its_indices(tmp_path: Path) -> None:
    indices = write_with_palette(tmp_path / "labels.png", COLOURS)
    labels = open_labels(tmp_path / "labels.png")
    assert labels.axes == "yx"
    np.testing.assert_array_equal(labels.data, indices)


def test_labels_with_a_palette_of_greys_are_these(tmp_path: Path) -> None:
    indices = write_with_palette(tmp_path / "labels.png", GREYS)
    labels = open_labels(tmp_path / "labels.png")
    np.testing.assert_array_equal(labels.data, np.array([0, 40, 90])[indices])


def test_a_palette_without_a_black_background_is_no_labels(tmp_path: Path) -> None:
    write_with_palette(tmp_path / "labels.png", WHITE_FIRST)
    with pytest.raises(ImageError, match="first colour is black"):
        open_labels(tmp_path / "labels.png")


def test_labels_of_one_bit_are_0_and_1(tmp_path: Path) -> None:
    mask = LABELS[0] > 0
    Image.fromarray(mask).save(tmp_path / "labels.png")
    labels = np.asarray(open_labels(tmp_path / "labels.png").data)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, mask)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray((VOLUME[0] >> 8).astype(np.uint8)).save(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ImageError, match="picture"):
        open_image(path)
