"""`measure FOLDER`: all labelled images of a folder into one table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import OpenedImage, save_labels
from napari_sam_adapter.volume.measuring.joined_tables import joined_tables
from napari_sam_adapter.volume.measuring.measuring import MeasurementTable, measure

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, shape: tuple[int, ...] = (8, 9), unit: str = "um") -> None:
    """Write an image of some brightness, and beside it labels of two objects."""
    axes = "zyx"[-len(shape) :]
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    labels = np.zeros(shape, np.uint16)
    labels[..., 1:3, 2:5], labels[..., 5, 7] = 1, 3
    image = OpenedImage(data, axes, (0.5,) * len(shape), (unit,) * len(shape))
    save_labels(path, data, image)
    save_labels(path.with_name(f"{path.stem}_labels{path.suffix}"), labels, image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture, a volume, an image without labels and labels without an image."""
    found = tmp_path / "images"
    found.mkdir()
    save(found / "a2.tif")
    save(found / "a10.tif", (3, 8, 9))
    save(found / "later.tif")
    (found / "later_labels.tif").rename(found / "other_labels.tif")
    return found


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "all.csv"


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_labelled_images_go_into_one_table(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("measure", folder, "-o", output) == 0
    printed = capsys.readouterr()
    (told,) = printed.err.splitlines()
    assert told.startswith("1 image passed over, without labels such as")
    assert told.endswith("later.tif")
    assert "measured 2 images of 3" in printed.out
    rows = read(output)
    assert [(row["image"], row["object"]) for row in rows] == [
        ("a2.tif", "1"), ("a2.tif", "3"), ("a10.tif", "1"), ("a10.tif", "3"),
    ]  # fmt: skip
    assert next(iter(rows[0])) == "image"
    assert [(row["area"], row["volume"]) for row in rows[::2]] == [
        ("1.5", ""), ("", "2.25"),
    ]  # fmt: skip


def test_the_numbers_are_those_of_a_single_image(folder: Path, output: Path) -> None:
    assert run("measure", folder, "-o", output) == 0
    alone = output.with_name("alone.csv")
    assert run("measure", folder / "a10.tif", "-o", alone) == 0
    own = [row for row in read(output) if row.pop("image") == "a10.tif"]
    shared = [{k: row[k] for k in read(alone)[0]} for row in own]
    assert shared == read(alone)


def test_labels_may_lie_in_another_folder(
    folder: Path, output: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (folder / "a2_labels.tif").rename(labels / "a2_labels.tif")
    assert run("measure", folder, labels, "-o", output) == 0
    assert {row["image"] for row in read(output)} == {"a2.tif"}


@pytest.mark.parametrize("name", ["a2.tif", "a2.npy", "a2_labels.npy"])
def test_labels_in_another_folder_may_be_called_as_the_image(
    folder: Path, output: Path, tmp_path: Path, name: str
) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    export = "export", folder / "a2_labels.tif", labels / name
    assert run(*export) == 0
    save(labels / "a10.tif", (3, 8, 9))  # other labels than those with the mark
    assert run("measure", folder, labels, "-o", output) == 0
    assert [(row["image"], row["object"]) for row in read(output)] == [
        ("a2.tif", "1"), ("a2.tif", "3"), ("a10.tif", "1"), ("a10.tif", "3"),
    ]  # fmt: skip


def test_labels_of_several_formats_are_told_apart_by_the_name_of_the_image(
    folder: Path, output: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in ("a2.npy", "a2.tif", "a10.npy", "a10.ome.tif"):
        assert run("export", folder / "a2_labels.tif", labels / name) == 0
    assert run("measure", folder, labels, "-o", output) == 0
    assert {row["image"] for row in read(output)} == {"a2.tif"}


def test_the_same_problem_of_many_images_is_told_once(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a3.tif", "a4.tif"):
        save(folder / name)
    assert run("measure", folder, "-o", output, "--channel", "0") == 2
    told = capsys.readouterr().err
    assert "a2.tif: Expected" in told
    assert told.count(": as a2.tif.") == 2


def test_what_cannot_be_used_is_told_and_passed_over(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.tif").write_bytes(b"II*\0broken")
    (folder / "broken_labels.tif").write_bytes(b"II*\0broken")
    (folder / "other_labels.tif").unlink()
    save(folder / "other.tif", (6, 8))
    save(folder / "other_size.tif", (20, 20))
    (folder / "other_size_labels.tif").replace(folder / "other_labels.tif")
    assert run("measure", folder, "-o", output) == 0
    told = capsys.readouterr().err
    assert f"{folder / 'broken.tif'}: Expected" in told
    assert f"{folder / 'other.tif'}: Expected labels of shape (6, 8)" in told
    assert {row["image"] for row in read(output)} == {"a2.tif", "a10.tif"}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a2_labels.tif", "a10_labels.tif"], "with labels that can be used"),
        (["a2.tif", "a10.tif", "later.tif"], "Expected images"),
    ],
    ids=["no labels", "no image"],
)
def test_a_folder_without_a_pair_is_refused(
    folder: Path,
    output: Path,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
    told: str,
) -> None:
    for name in names:
        (folder / name).unlink()
    assert run("measure", folder, "-o", output) == 2
    assert told in capsys.readouterr().err
    assert not output.exists()


def test_a_table_is_not_replaced_unasked(folder: Path, output: Path) -> None:
    output.write_text("mine")
    assert run("measure", folder, "-o", output) == 2
    assert output.read_text() == "mine"
    assert run("measure", folder, "-o", output, "--overwrite") == 0


def test_a_file_is_no_folder_of_labels(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("measure", folder, folder / "a2_labels.tif", "-o", output) == 2
    assert "Expected a folder of labels" in capsys.readouterr().err


def test_columns_stand_in_one_order_whichever_image_is_first() -> None:
    flat = measure(np.ones((3, 4), int))
    deep = measure(np.ones((2, 3, 4), int))
    one = joined_tables([("a", flat), ("b", deep)])
    other = joined_tables([("b", deep), ("a", flat)])
    assert one.columns == other.columns
    assert one.columns[:9] == (
        "image", "object", "name", "class", "voxels", "area", "volume", "centroid_z",
        "centroid_y",
    )  # fmt: skip
    assert one.columns[-1] == "unit"
    assert one.column("volume") == ["", 24.0]


def test_an_image_without_objects_has_no_line() -> None:
    columns = ("object", "voxels")
    tables = [("a", MeasurementTable(columns, ()))]
    assert joined_tables(tables) == MeasurementTable(("image", *columns), ())


def test_labels_without_an_object_are_told_of_a_folder_too(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_labels(folder / "a2_labels.tif", np.zeros((8, 9), np.uint8), overwrite=True)
    assert run("measure", folder, "-o", output) == 0
    assert "a2_labels.tif has no object: all" in capsys.readouterr().err
    assert {row["image"] for row in read(output)} == {"a10.tif"}
