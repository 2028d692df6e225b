from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_sam_adapter import open_dataset
from napari_sam_adapter.datasets import Reference
from napari_sam_adapter.datasets.files import stem_of
from napari_sam_adapter.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path


def test_folders_are_paired_by_stem(tmp_path: Path, save, labels) -> None:
    for name in "ba":
        save(tmp_path / "images" / f"{name}.png", tmp_path / "masks" / f"{name}.png")
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["a", "b"]
    reference = next(dataset.read())
    assert np.array_equal(reference.labels, labels)
    assert reference.spacing == (1, 1)


def test_what_annotate_writes_beside_images_can_be_learned_from_and_is_not_in_the_way(
    tmp_path: Path, save
) -> None:
    save(tmp_path / "alone" / "a.jpg", tmp_path / "alone" / "a.jpg_labels.png")
    dataset = open_dataset(tmp_path / "alone")
    assert [pair.name for pair in dataset.pairs] == ["a"]
    assert not dataset.find_broken()
    folder = tmp_path / "set"
    save(folder / "images" / "a.png", folder / "labels" / "a.png")
    save(folder / "images" / "a.png", folder / "images" / "a_labels.png")
    assert [pair.name for pair in open_dataset(folder).pairs] == ["a"]


def test_files_side_by_side_are_told_apart_by_their_ends(tmp_path: Path, save) -> None:
    save(tmp_path / "cell_1_image.png", tmp_path / "cell_1_mask.tif")
    save(tmp_path / "cell_2.png", tmp_path / "cell_2_labels.png")
    names = [pair.name for pair in open_dataset(tmp_path).pairs]
    assert names == ["cell_1", "cell_2"]


def test_a_set_without_parts_has_no_part_of_another_name(tmp_path: Path, save) -> None:
    save(tmp_path / "images" / "a.png", tmp_path / "labels" / "a.png")
    assert len(open_dataset(tmp_path, split="train")) == 1
    assert len(open_dataset(tmp_path, split="val")) == 1
    with pytest.raises(DatasetError, match="no parts, got 'test'"):
        open_dataset(tmp_path, split="test")


def test_parts_are_asked_for_as_anybody_spells_them(tmp_path: Path, save) -> None:
    for part in ("Training", "Valid"):
        folder = tmp_path / part
        save(folder / "images" / f"{part}.png", folder / "masks" / f"{part}.png")
    for split in ("valid", "validation", "VAL"):
        (pair,) = open_dataset(tmp_path, split=split).pairs
        assert (pair.name, pair.split) == ("Valid", "val")
    (pair,) = open_dataset(tmp_path, split="training").pairs
    assert (pair.name, pair.split) == ("Training", "train")


@pytest.mark.parametrize("head", ["", "id,split\n"])
def test_of_a_part_that_is_not_there_the_others_are_told(
    tmp_path: Path, save, head: str
) -> None:
    for name in "abc":
        save(tmp_path / "images" / f"{name}.png", tmp_path / "masks" / f"{name}.png")
    path = tmp_path / ("index.csv" if head else "list.csv")
    row = "{0},{1}\n" if head else "images/{0}.png,masks/{0}.png,{1}\n"
    parts = (("a", "test"), ("b", "test"), ("c", "Training"))
    path.write_text(head + "".join(row.format(*part) for part in parts))
    with pytest.raises(DatasetError, match="has 2 pairs of test, 1 pair of train"):
        open_dataset(tmp_path if head else path, split="val")


def test_labels_may_lie_beside_images_in_a_folder_spelled_otherwise(
    tmp_path: Path, save
) -> None:
    save(tmp_path / "set" / "a.png", tmp_path / "set" / "a_mask.png")
    labels = tmp_path / "set" / ".." / "set"
    assert [p.name for p in open_dataset(tmp_path / "set", labels).pairs] == ["a"]


def test_two_folders_may_be_anywhere(tmp_path: Path, save) -> None:
    save(tmp_path / "raw" / "a.png", tmp_path / "truth" / "a_gt.png")
    assert len(open_dataset(tmp_path / "raw", tmp_path / "truth")) == 1
    for split in (None, "val"):  # the shell evaluates on "val"
        with pytest.raises(DatasetError, match=r"a\.png: Expected labels.*--labels"):
            open_dataset(tmp_path / "raw", split=split)


def test_one_image_with_its_labels_is_a_set(tmp_path: Path, save) -> None:
    save(tmp_path / "a.png", tmp_path / "b.png")
    assert len(open_dataset(tmp_path / "a.png", tmp_path / "b.png")) == 1


def test_a_list_names_pairs_relative_to_itself(tmp_path: Path, save) -> None:
    save(tmp_path / "x" / "a.png", tmp_path / "y" / "b.png")
    path = tmp_path / "pairs.csv"
    path.write_text("image,labels\nx/a.png, y/b.png\n")
    assert isinstance(next(open_dataset(path).read()), Reference)
    path.write_text("x/a.png\n")
    with pytest.raises(DatasetError, match="every line"):
        open_dataset(path)


@pytest.mark.parametrize("delimiter", ",;\t")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("head", ["", "image,labels,part\n"])
def test_lists_are_read_as_spreadsheets_save_them(
    tmp_path: Path, save, delimiter: str, encoding: str, head: str
) -> None:
    save(tmp_path / "x" / "a.png", tmp_path / "y" / "a.png")
    save(tmp_path / "x" / "b.png", tmp_path / "y" / "b.png")
    rows = f"{head}x/a.png,y/a.png,Train\n  \n,,\nx/b.png,y/b.png,Val\n\n"
    path = tmp_path / "pairs.csv"
    path.write_text(rows.replace(",", delimiter), encoding=encoding)
    dataset = open_dataset(path)
    assert [(p.name, p.split) for p in dataset.pairs] == [("a", "train"), ("b", "val")]
    assert not dataset.find_broken()


def test_images_of_one_stem_are_told_apart_by_their_folders(
    tmp_path: Path, save
) -> None:
    for part in ("p1", "p2"):
        save(tmp_path / part / "image.png", tmp_path / part / "labels.png")
    save(tmp_path / "p2" / "cell.png", tmp_path / "p2" / "other.png")
    rows = [f"{part}/image.png,{part}/labels.png" for part in ("p1", "p2", "p2")]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([*rows, "p2/cell.png,p2/other.png"]))
    expected = ["p1/image", "p2/image", "p2/image (2)", "cell"]
    dataset = open_dataset(path)
    assert [pair.name for pair in dataset.pairs] == expected
    assert [reference.name for reference in dataset.read()] == expected


def test_images_of_one_name_are_told_apart_by_their_parts(tmp_path: Path, save) -> None:
    for folder in (tmp_path, tmp_path / "val", tmp_path / "validation"):
        save(folder / "images" / "a.png", folder / "masks" / "a.png")
    save(tmp_path / "val" / "images" / "b.png", tmp_path / "val" / "masks" / "b.png")
    dataset = open_dataset(tmp_path)
    expected = ["a", "val/a", "b", "validation/a"]
    assert [pair.name for pair in dataset.pairs] == expected
    assert [reference.name for reference in dataset.read()] == expected


def test_broken_pairs_are_listed_by_name(tmp_path: Path, save, labels) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for name in ("good", "unreadable", "empty", "small", "lonely"):
        save(images / f"{name}.png", masks / f"{name}.png")
    (images / "unreadable.png").write_bytes(b"no picture")
    Image.fromarray(0 * labels).save(masks / "empty.png")
    Image.fromarray(labels[:5]).save(masks / "small.png")
    (masks / "lonely.png").unlink()
    dataset = open_dataset(tmp_path)
    broken = {entry.name: entry.reason for entry in dataset.find_broken()}
    assert set(broken) == {"unreadable", "empty", "small", "lonely.png"}
    assert "only background" in broken["empty"]
    assert "(20, 30) and (5, 30)" in broken["small"]


def test_labels_elsewhere_in_the_patient_are_no_reference(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    affine, moved = np.diag([-1.0, -1.0, 2.0, 1.0]), np.diag([-1.0, -1.0, 2.0, 1.0])
    moved[:3, 3] = 5
    image = np.arange(12 * 10 * 4, dtype=np.int16).reshape(12, 10, 4)
    labels = np.zeros((12, 10, 4), np.uint8)
    labels[3:9, 3:8] = 1
    nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "v_image.nii.gz")
    nibabel.save(nibabel.Nifti1Image(labels, moved), tmp_path / "v_labels.nii.gz")
    assert "lie where" in next(open_dataset(tmp_path).read()).reason
    nibabel.save(nibabel.Nifti1Image(labels, affine), tmp_path / "v_labels.nii.gz")
    assert next(open_dataset(tmp_path).read()).labels.any()


@pytest.mark.parametrize("name", ["nothing", "text.txt", "half.zip", "alone"])
def test_what_is_no_data_set_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "half.zip").write_bytes(b"PK")
    (tmp_path / "alone" / "images").mkdir(parents=True)
    with pytest.raises(DatasetError, match=name):
        open_dataset(tmp_path / name)


def test_folders_of_other_names_are_told_the_right_ones(tmp_path: Path, save) -> None:
    save(tmp_path / "image" / "a.png", tmp_path / "mask" / "a.png")
    with pytest.raises(DatasetError, match=r"folder images, .* in masks or labels"):
        open_dataset(tmp_path)


def test_two_images_of_one_stem_are_refused(tmp_path: Path, save) -> None:
    save(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    save(tmp_path / "images" / "a.tif", tmp_path / "masks" / "b.png")
    with pytest.raises(DatasetError, match="one file for 'a'"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.ome.tif", "a"),
        ("a_image.nii.gz", "a"),
        ("mask.png", "mask"),
        ("a.b-labels.TIF", "a.b"),
    ],
)
def test_stems(tmp_path: Path, name: str, stem: str) -> None:
    assert stem_of(tmp_path / name) == stem


def test_parts_are_told_by_folders_and_lists(tmp_path: Path, save) -> None:
    for part in ("train", "validation"):
        folder = tmp_path / part
        save(folder / "images" / f"{part}.png", folder / "masks" / f"{part}.png")
    assert [p.split for p in open_dataset(tmp_path).pairs] == ["train", "val"]
    assert [p.name for p in open_dataset(tmp_path, split="val").pairs] == ["validation"]
    lines = [f"{n}/images/{n}.png,{n}/masks/{n}.png" for n in ("train", "validation")]
    (tmp_path / "pairs.csv").write_text(f"{lines[0]}\n{lines[1]},val\n")
    assert [p.split for p in open_dataset(tmp_path / "pairs.csv").pairs] == [
        "train",
        "val",
    ]


def test_one_folder_for_images_and_labels_is_said_to_be_one(
    tmp_path: Path, save
) -> None:
    for name in ("1", "2"):
        save(tmp_path / f"img {name}.png", tmp_path / f"img {name}.png")
    with pytest.raises(DatasetError) as error:
        open_dataset(tmp_path, tmp_path / "." / ".." / tmp_path.name)
    told = str(error.value)
    assert "img 1.png, img 2.png: Expected labels, found none. " in told
    assert "the folder of the images and of the labels" in told
