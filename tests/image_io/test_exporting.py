"""Labels as COCO annotations: every pixel comes back."""

from __future__ import annotations

import csv
import errno
import json
import os
from typing import IO, TYPE_CHECKING

import numpy as np
import pytest
import zarr

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.image_io import OpenedImage, export_labels, open_image
from napari_sam_adapter.image_io.labels.exporting import check_export_path
from napari_sam_adapter.image_io.output.tables import save_csv

if TYPE_CHECKING:
    from pathlib import Path


def decode(segmentation: dict) -> np.ndarray:
    """Return the mask of a run-length encoding, as the format describes it."""
    rows, columns = segmentation["size"]
    values = np.arange(len(segmentation["counts"])) % 2
    flat = np.repeat(values, segmentation["counts"])
    assert segmentation["counts"]
    assert (np.array(segmentation["counts"][1:]) > 0).all()
    flat = np.concatenate([flat, np.zeros(rows * columns - len(flat), int)])
    return flat.reshape(columns, rows).T.astype(bool)


def read_back(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    content = json.loads(path.read_text(encoding="utf-8"))
    planes = {image["id"]: np.zeros(shape[-2:], int) for image in content["images"]}
    for found in content["annotations"]:
        mask = decode(found["segmentation"])
        column, row, width, height = found["bbox"]
        assert mask.sum() == found["area"]
        assert mask[row : row + height, column : column + width].sum() == mask.sum()
        planes[found["image_id"]][mask] = found["object_id"]
    return np.reshape(list(planes.values()), shape)


@pytest.mark.parametrize("shape", [(7, 9), (3, 8, 5), (2, 2, 6, 6)], ids=str)
def test_masks_come_back_exactly(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    labels = (
        rng.integers(0, 4, shape)
        * rng.integers(0, 30_000, 4)[rng.integers(0, 4, shape)]
    )
    export_labels(tmp_path / "all.json", labels)
    np.testing.assert_array_equal(read_back(tmp_path / "all.json", shape), labels)


@pytest.mark.parametrize("fill", [0, 1])
def test_empty_and_full_planes(tmp_path: Path, fill: int) -> None:
    labels = np.full((4, 6), fill)
    export_labels(tmp_path / "all.json", labels)
    np.testing.assert_array_equal(read_back(tmp_path / "all.json", (4, 6)), labels)


def test_classes_are_categories_and_planes_are_images(tmp_path: Path) -> None:
    labels = np.zeros((2, 4, 6), np.uint8)
    labels[0, 0, 0], labels[1, 1:3, 1:3], labels[1, 3, 5] = 1, 2, 3
    image = OpenedImage(labels, "zyx", (1, 1, 1), ("um",) * 3, "cells.ome.tif")
    classes = {1: "nucleus", 3: "nucleus", 2: ""}
    export_labels(tmp_path / "all.json", labels, image, classes)
    content = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert [c["name"] for c in content["categories"]] == ["nucleus", "object"]
    assert [a["category_id"] for a in content["annotations"]] == [1, 2, 1]
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3]
    names = [entry["file_name"] for entry in content["images"]]
    assert names == ["cells_z0000.ome.tif", "cells_z0001.ome.tif"]
    assert content["annotations"][1]["bbox"] == [1, 1, 2, 2]


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr", "labels.npy"])
def test_other_names_mean_other_formats(tmp_path: Path, name: str) -> None:
    labels = np.arange(24).reshape(4, 6)
    export_labels(tmp_path / name, labels)
    np.testing.assert_array_equal(open_image(tmp_path / name).data[...], labels)


def test_a_file_is_only_replaced_if_it_may(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        export_labels(path, np.ones((4, 6), int))
    assert path.read_text() == "mine"
    export_labels(path, np.ones((4, 6), int), overwrite=True)
    assert read_back(path, (4, 6)).all()


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "all.json"
    path.write_text("mine")

    def fill_up(content: object, file: IO[str]) -> None:
        file.write(str(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json, "dump", fill_up)
    with pytest.raises(OutputError, match="No space left"):
        export_labels(path, np.ones((4, 6), int), overwrite=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_leaves_old_hidden_files_beside_alone(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    beside = tmp_path / ".01234567-all.json", tmp_path / ".01234567-old-all.json"
    for old in beside:
        old.touch()
        os.utime(old, (0, 0))
    export_labels(path, np.ones((4, 6), int))
    assert set(tmp_path.iterdir()) == {path, *beside}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("missing/all.json", np.ones((4, 6), int)),
        ("all.json", np.ones((4, 6))),
        ("all.json", -np.ones((4, 6), int)),
        ("all.docx", np.ones((4, 6), int)),
    ],
    ids=["folder", "floats", "negative", "format"],
)
def test_bad_input_leaves_nothing(tmp_path: Path, name: str, labels) -> None:
    with pytest.raises(OutputError, match="Expected"):
        export_labels(tmp_path / name, labels)
    assert list(tmp_path.iterdir()) == []


def test_tables_appear_whole(tmp_path: Path) -> None:
    save_csv(tmp_path / "t.csv", ("a", "b"), [(1, "x, y"), (2.5, "")])
    assert (tmp_path / "t.csv").read_text().splitlines() == ["a,b", '1,"x, y"', "2.5,"]
    with pytest.raises(OutputError, match="exists"):
        save_csv(tmp_path / "t.csv", ("a",), [])


@pytest.mark.parametrize(
    ("axes", "scale", "units", "zooms", "names"),
    [
        ("zyx", (40, 4, 8), ("nm",) * 3, (0.008, 0.004, 0.04), ("micron", "unknown")),
        ("zyx", (2, 0.5, 0.25), ("cm",) * 3, (2.5, 5, 20), ("mm", "unknown")),
        ("tyx", (5, 2, 3), ("min", "um", "um"), (3, 2, 1, 300), ("micron", "sec")),
        ("tyx", (2, 2, 3), ("h", "mm", "mm"), (3, 2, 1, 7200), ("mm", "sec")),
    ],
    ids=["nm", "cm", "minutes", "hours"],
)
def test_nifti_keeps_sizes_whose_unit_it_does_not_know(
    tmp_path: Path, axes: str, scale, units, zooms, names
) -> None:
    nibabel = pytest.importorskip("nibabel")
    labels = np.arange(3 * 4 * 5).reshape(3, 4, 5) * 1200
    image = OpenedImage(labels, axes, scale, units)
    export_labels(tmp_path / "out.nii", labels, image)
    written = nibabel.load(tmp_path / "out.nii")
    assert written.header.get_zooms() == pytest.approx(zooms)
    assert written.header.get_xyzt_units() == names
    np.testing.assert_array_equal(np.asarray(written.dataobj).T.squeeze(), labels)


def test_only_what_is_space_is_called_so_in_zarr(tmp_path: Path) -> None:
    labels = np.arange(2 * 3 * 2 * 4 * 5).reshape(2, 3, 2, 4, 5) * 600
    units = "pixel", "s", "um", "um", "um"
    image = OpenedImage(labels, "utzyx", (1, 3, 2, 0.5, 0.25), units)
    export_labels(tmp_path / "out.zarr", labels, image)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    axes = group.attrs["multiscales"][0]["axes"]
    assert [a.get("type") for a in axes] == [None, "time", "space", "space", "space"]
    np.testing.assert_array_equal(group["0"][...], labels)


def test_a_spreadsheet_gets_no_formulas(tmp_path: Path) -> None:
    names = ["=cmd|'/C calc'!A0", "+1", "-1", "@x", "\tx", 'a, "b"\nc', "😀", "n-1", ""]
    rows = [(name, -1, -0.5) for name in names]
    save_csv(tmp_path / "out.csv", ("name", "x", "y"), rows)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        _, *written = csv.reader(file)
    safe = [f"'{name}" for name in names[:5]] + names[5:]
    assert written == [[name, "-1", "-0.5"] for name in safe]


@pytest.mark.parametrize(
    ("axes", "name", "other"),
    [
        ("xyz", "out.tif", ".zarr or .npy"),
        ("yxc", "out.ome.tif", ".zarr or .npy"),
        ("xyz", "out.nii", ".zarr or .npy"),
        ("zy", "out.nii.gz", ".zarr or .npy"),
        ("czyx", "out.nii.gz", ".tif or .zarr"),
    ],
)
def test_axes_that_a_format_cannot_hold_are_refused(
    tmp_path: Path, axes: str, name: str, other: str
) -> None:
    pytest.importorskip("nibabel")
    labels = np.arange(7 ** len(axes)).reshape((7,) * len(axes))
    image = OpenedImage(labels, axes, (1.0,) * len(axes), ("um",) * len(axes))
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=f"{axes!r}. Save as {other}"):
        check_export_path(tmp_path / name, overwrite=True, axes=axes)
    with pytest.raises(OutputError, match=f"{axes!r}. Save as {other}"):
        export_labels(tmp_path / name, labels, image, overwrite=True)
    assert (tmp_path / name).read_text() == "mine"
    for suffix in other.split(" or "):
        export_labels(tmp_path / f"advised{suffix}", labels, image)
        written = open_image(tmp_path / f"advised{suffix}")
        np.testing.assert_array_equal(written.data, labels)
