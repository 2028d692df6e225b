"""Zip files, folders and volumes with an index."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_adapter import open_dataset
from napari_sam_adapter.datasets.planes import (
    planes_of,
)
from napari_sam_adapter.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_zip_file_is_read_by_split(tmp_path: Path, image, labels) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.csv", "id,split\na,train\nb,val\nc,val\n")
        for name in "ab":
            for folder, pixels in (("images", image), ("masks", labels)):
                with archive.open(f"{folder}/{name}.png", "w") as file:
                    Image.fromarray(pixels).save(file, "PNG")
    dataset = open_dataset(path, split="val")
    assert [pair.name for pair in dataset.pairs] == ["b"]
    assert [broken.name for broken in dataset.broken] == ["c"]
    assert len(open_dataset(path)) == 2
    with pytest.raises(DatasetError, match="'test'"):
        open_dataset(path, split="test")


def test_an_index_is_read_as_spreadsheets_save_it(tmp_path: Path, save) -> None:
    save(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    path = tmp_path / "index.csv"
    path.write_text("id;split\n;\na;TRAIN\n", encoding="utf-8-sig")
    (pair,) = open_dataset(tmp_path).pairs
    assert (pair.name, pair.split) == ("a", "train")
    path.write_text("id,split\na\n")
    with pytest.raises(DatasetError, match=r"every line of index\.csv .* got 'a'"):
        open_dataset(tmp_path)
    path.write_text('id,split\na,"train\nb,train\n')
    with pytest.raises(DatasetError, match="line 2; is a quotation mark open"):
        open_dataset(tmp_path)
    path.write_text("name,split\na,train\n")
    with pytest.raises(DatasetError, match=r"columns id and split .* got name, split"):
        open_dataset(tmp_path)


@pytest.fixture(params=["folder", "zip"])
def indexed(request, tmp_path: Path):
    """Open a set with an index: pictures and masks, by the names of their files."""

    def make(**files: Image.Image):
        names = sorted({file.split("/")[1].split(".")[0] for file in files})
        index = "id,split\n" + "".join(f"{name},train\n" for name in names)
        folder, path = tmp_path / "set", tmp_path / "set.zip"
        for file, picture in files.items():
            (folder / file).parent.mkdir(exist_ok=True, parents=True)
            picture.save(folder / file, save_all=file.endswith("tif"))
        (folder / "index.csv").write_text(index)
        with zipfile.ZipFile(path, "w") as archive:
            for file in (*files, "index.csv"):
                archive.write(folder / file, file)
        found = open_dataset(path if request.param == "zip" else folder)
        return dict(zip(names, found.read(), strict=True))

    return make


def test_pictures_with_an_index_are_read_as_those_in_folders(
    indexed, image, labels
) -> None:
    colour = Image.fromarray(np.stack([image, image // 2, 0 * image], axis=-1))
    painted = Image.fromarray(labels, "P")
    painted.putpalette([0, 0, 0, *([200, 30, 60] * 9)])
    grey = Image.fromarray(np.stack([labels] * 3, axis=-1))
    files = {
        "images/palette.png": colour.quantize(64),
        "masks/palette.png": painted,
        "images/cmyk.jpg": colour.convert("CMYK"),
        "masks/cmyk.png": grey,
        "images/two.png": Image.fromarray(image).convert("LA"),
        "masks/two.png": Image.fromarray(labels > 0),
    }
    found = indexed(**files)
    for name in ("palette", "cmyk"):
        assert np.array_equal(found[name].labels, labels)
        seen = found[name].image.astype(float) - np.asarray(colour)
        assert np.abs(seen).mean() < 25
    assert np.array_equal(found["two"].image, image)
    assert np.array_equal(found["two"].labels, labels > 0)


def test_pages_and_colours_that_are_no_labels_are_named(indexed, image, labels) -> None:
    pages, coloured = BytesIO(), np.stack([labels, 0 * labels, labels], axis=-1)
    Image.fromarray(image).save(
        pages, "TIFF", save_all=True, append_images=[Image.fromarray(image)]
    )
    found = indexed(
        **{
            "images/pages.tif": Image.open(pages),
            "masks/pages.png": Image.fromarray(labels),
            "images/painted.png": Image.fromarray(image),
            "masks/painted.png": Image.fromarray(coloured),
        }
    )
    assert "one picture in images/pages.tif, got 2 pages" in found["pages"].reason
    assert "a colour picture in masks/painted.png" in found["painted"].reason


@pytest.mark.parametrize("channels", [3, 4])
def test_arrays_with_labels_in_colour_are_named(
    tmp_path: Path, image, labels, channels: int
) -> None:
    both = {"image": image, "labels": labels}
    stacked = {key: np.stack([a] * channels, axis=-1) for key, a in both.items()}
    np.savez(tmp_path / "a.npz", **stacked)
    (broken,) = open_dataset(tmp_path / "a.npz").read()
    assert "labels of the shape (20, 30) for the colour picture a" in broken.reason


@pytest.mark.parametrize(
    "spacing", [2.0, (1, 2), (0, 1, 1), (np.nan, 1, 1), (1, np.inf, 1), (1, -1, 1)]
)
def test_spacings_that_make_no_sense_are_named(tmp_path: Path, spacing) -> None:
    labels = np.zeros((4, 20, 22), np.uint8)
    labels[1:3, 5:15, 5:15] = 3
    np.savez(tmp_path / "v.npz", image=labels, labels=labels, spacing_zyx=spacing)
    (broken,) = open_dataset(tmp_path / "v.npz").read()
    assert "a spacing above 0 for each of the 3 axes of v" in broken.reason


def test_a_spacing_holds_for_pictures_and_for_volumes_in_time(tmp_path: Path) -> None:
    labels = np.zeros((2, 4, 20, 22), np.uint8)
    labels[:, 1:3, 5:15, 5:15] = 3
    for name, part in (("series", labels), ("picture", labels[0, 1])):
        path = tmp_path / f"{name}.npz"
        np.savez(path, image=part, labels=part, spacing_zyx=(4, 3, 2))
    (series,) = open_dataset(tmp_path / "series.npz").read()
    (picture,) = open_dataset(tmp_path / "picture.npz").read()
    assert (series.spacing, picture.spacing) == ((1, 4, 3, 2), (3, 2))


def test_volumes_in_a_zip_file(tmp_path: Path) -> None:
    path = tmp_path / "volumes.zip"
    labels = np.zeros((4, 20, 22), np.uint8)
    labels[1:3, 5:15, 5:15] = 3
    colour = np.stack([66 * labels, 0 * labels, 0 * labels], axis=-1)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.csv", "id,split\ngrey,val\ncolour,val\nold,val\n")
        for name, image in (("grey", 9.5 * labels), ("colour", colour)):
            with archive.open(f"volumes/{name}.npz", "w") as file:
                np.savez(file, image=image, labels=labels, spacing_zyx=(2, 1, 0.5))
        archive.writestr("volumes/old.npz", b"cut off")
    grey, rgb, broken = open_dataset(path).read()
    assert grey.spacing == (2, 1, 0.5)
    assert broken.name == "old"
    (first, second) = planes_of(rgb)
    assert first.image.shape == (20, 22, 3)
    assert np.array_equal(second.seen, colour[2])
    assert np.array_equal(next(planes_of(grey)).seen > 127, labels[1] > 0)


def test_channels_and_coloured_labels_are_refused(tmp_path: Path, labels) -> None:
    metadata = {"axes": "CYX"}
    for name, pixels in (("a", np.stack([labels] * 2)), ("b", labels)):
        path = tmp_path / f"{name}_image.ome.tif"
        axes = metadata if pixels.ndim == 3 else {"axes": "YX"}
        tifffile.imwrite(path, pixels, metadata=axes)
    tifffile.imwrite(tmp_path / "a_mask.tif", labels)
    painted = np.stack([labels, 0 * labels, labels], axis=-1)
    Image.fromarray(painted).save(tmp_path / "b_mask.png")
    channels, coloured = open_dataset(tmp_path).read()
    assert "2 channels" in channels.reason
    assert "colour picture" in coloured.reason
