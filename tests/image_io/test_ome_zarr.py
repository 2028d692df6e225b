"""OME-Zarr folders: levels, and those that are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from tests.image_io.volume_files import VOLUME

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels

if TYPE_CHECKING:
    from pathlib import Path


def write_ome_zarr(path: Path, version: str) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    data = VOLUME[np.newaxis, np.newaxis]
    group.create_array("full", shape=data.shape, dtype=data.dtype)[...] = data
    axes = [{"name": letter, "unit": "micrometer"} for letter in "tczyx"]
    scale = {"type": "scale", "scale": [1, 1, 2, 0.5, 0.25]}
    level = {"path": "full", "coordinateTransformations": [scale]}
    images = [{"version": version, "axes": axes, "datasets": [level]}]
    metadata = {"multiscales": images}
    group.attrs.update({"ome": metadata} if version == "0.5" else metadata)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_gives_its_full_resolution(tmp_path: Path, version: str) -> None:
    write_ome_zarr(tmp_path / "image.zarr", version)
    image = open_image(tmp_path / "image.zarr")
    assert (image.axes, image.scale) == ("zyx", (2.0, 0.5, 0.25))
    assert image.units == ("um", "um", "um")
    np.testing.assert_array_equal(image.data, VOLUME)


def write_pyramid(path: Path, shapes: list[tuple[int, ...]], axes: str) -> zarr.Group:
    """Write levels that are full of their number."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    datasets = [{"path": str(number)} for number in range(len(shapes))]
    names = [{"name": letter} for letter in axes]
    group.attrs["multiscales"] = [{"axes": names, "datasets": datasets}]
    for number, shape in enumerate(shapes):
        group.create_array(str(number), shape=shape, dtype="u1", fill_value=number)
    return group


def test_all_levels_of_an_ome_zarr_are_opened(tmp_path: Path) -> None:
    shapes = [(1, 2, 5, 40, 60), (1, 2, 5, 20, 30), (1, 2, 2, 10, 15)]
    write_pyramid(tmp_path / "a.zarr", shapes, "tczyx")
    image = open_image(tmp_path / "a.zarr").channel(1)
    assert image.axes == "zyx"
    assert [level.shape for level in image.levels] == [(5, 20, 30), (2, 10, 15)]
    coarse = image.level(2)
    assert np.asarray(coarse.data).max() == 2
    assert coarse.scale == (2, 4, 4)
    assert image.level(1).levels[0].shape == (2, 10, 15)
    with pytest.raises(ImageError, match="0 to 2, got 3"):
        image.level(3)


@pytest.mark.parametrize("damage", ["gone", "shape", "axes", "group"])
def test_a_level_that_does_not_fit_leaves_those_before(
    tmp_path: Path, damage: str
) -> None:
    shapes = [(5, 40, 60), (5, 20, 30), (5, 10, 15)]
    group = write_pyramid(tmp_path / "a.zarr", shapes, "zyx")
    del group["2"]
    if damage == "shape":
        group.create_array("2", shape=(5, 10, 30), dtype="u1")
    elif damage == "axes":
        group.create_array("2", shape=(10, 15), dtype="u1")
    elif damage == "group":
        group.create_group("2")
    image = open_image(tmp_path / "a.zarr")
    assert len(image.levels) == 1
    assert image.problem.startswith("Level 2 of a.zarr, and what comes after")
    with pytest.raises(ImageError, match=r"got 2\. Level 2 of a\.zarr"):
        image.level(2)


def test_an_image_without_levels_has_only_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5), np.uint8))
    image = open_image(tmp_path / "a.npy")
    assert image.level(0) is image
    with pytest.raises(ImageError, match="only 0, got 1"):
        image.level(1)


def test_large_labels_are_written_with_levels(tmp_path: Path) -> None:
    labels = np.zeros((2, 1100, 40), np.uint8)
    labels[1, 1000:, 20:] = 7
    like = OpenedImage(labels, "zyx", (5.0, 0.5, 0.5), ("um",) * 3)
    save_labels(tmp_path / "labels.zarr", labels, like)
    opened = open_image(tmp_path / "labels.zarr")
    assert [level.shape for level in opened.levels] == [(2, 550, 20), (2, 275, 10)]
    assert opened.level(2).scale == (5, 2, 2)
    assert np.array_equal(np.asarray(opened.data), labels)
    np.testing.assert_array_equal(opened.levels[1], labels[:, ::4, ::4])
    group = zarr.open_group(tmp_path / "labels.zarr", mode="r")
    second = group.attrs["multiscales"][0]["datasets"][1]
    assert second["coordinateTransformations"][0]["scale"] == [5, 1, 1]


def test_opening_a_zarr_reads_no_chunk(tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    array = zarr.create_array(path, shape=(4, 8, 9), chunks=(1, 8, 9), dtype="u2")
    array[...] = 1
    for chunk in (path / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"broken")
    image = open_image(path)
    assert (image.data.shape, image.axes) == ((4, 8, 9), "zyx")
    with pytest.raises(ImageError, match=r"image\.zarr"):
        image.data[0]


@pytest.mark.parametrize(
    "metadata",
    [{}, {"multiscales": [{}]}, {"multiscales": [{"datasets": [{"path": "9"}]}]}],
    ids=["no image", "no levels", "a level that is missing"],
)
def test_a_broken_ome_zarr_is_refused(tmp_path: Path, metadata: dict) -> None:
    zarr.open_group(tmp_path / "image.zarr", mode="w").attrs.update(metadata)
    with pytest.raises(ImageError, match=r"image\.zarr"):
        open_image(tmp_path / "image.zarr")
