from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_adapter import open_dataset
from napari_sam_adapter.datasets import Reference
from napari_sam_adapter.datasets.files import stem_of
from napari_sam_adapter.datasets.planes import (
    count_planes,
    has_single_slices,
    planes_of,
)
from napari_sam_adapter.errors import DatasetError, ImageError
from napari_sam_adapter.image_io.plausible import looks_like_an_image
from napari_sam_adapter.intensity import PLANE, IntensityMapping

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def labels() -> np.ndarray:
    mask = np.zeros((20, 30), np.uint8)
    mask[4:12, 5:15] = 7
    return mask


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)


@pytest.fixture
def save(labels: np.ndarray, image: np.ndarray):
    def save_pair(image_path: Path, labels_path: Path) -> None:
        for path, pixels in ((image_path, image), (labels_path, labels)):
            path.parent.mkdir(exist_ok=True, parents=True)
            Image.fromarray(pixels).save(path)

    return save_pair


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


def test_volumes_keep_their_spacing(tmp_path: Path) -> None:
    pixels = np.zeros((6, 20, 20), np.uint16)
    pixels[2:4, 5:15, 5:15] = 900
    metadata = {"axes": "ZYX", "PhysicalSizeZ": 2.0, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "v_image.ome.tif", pixels, metadata=metadata)
    tifffile.imwrite(tmp_path / "v_labels.ome.tif", pixels // 900)
    reference = next(open_dataset(tmp_path).read())
    assert reference.is_volume
    assert reference.spacing == (2.0, 1.0, 0.5)
    planes = list(planes_of(reference))
    assert [p.place for p in planes if p.place.startswith("z")] == ["z=2", "z=3"]
    assert planes[0].seen.dtype == np.uint8
    assert planes[0].name == "v z=2"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_of_single_labelled_slices_these_are_taken_and_no_cuts_through_them(
    axis: int,
) -> None:
    labels = np.zeros((40, 50, 60), np.int32)
    along = np.moveaxis(labels, axis, 0)
    for index in (3, 17, 18):
        along[index, 5:35, 5:38] = 1
    reference = Reference("v", np.arange(labels.size).reshape(labels.shape), labels)
    expected = [f"{'zyx'[axis]}={index}" for index in (3, 17, 18)]
    assert [plane.place for plane in planes_of(reference, 8)] == expected
    assert count_planes(labels, 8) == 3
    assert has_single_slices(labels)


def test_a_plane_without_a_value_does_not_end_the_others() -> None:
    image = np.arange(20 * 24 * 24.0).reshape(20, 24, 24)
    labels = np.zeros(image.shape, np.int32)
    labels[4:16, 6:18, 6:18], image[8] = 1, np.nan
    reference = Reference("v", image, labels)
    planes = {p.place: p for p in planes_of(reference, 4, IntensityMapping(PLANE))}
    with pytest.raises(ImageError, match="only NaN"):
        _ = planes["z=8"].seen
    assert planes["z=12"].seen.max() == 255


def test_objects_labelled_in_depth_are_cut_along_each_axis() -> None:
    labels = np.zeros((20, 24, 24), np.int32)
    labels[4:16, 6:18, 6:18] = 1
    reference = Reference("v", np.arange(labels.size).reshape(labels.shape), labels)
    places = [plane.place for plane in planes_of(reference, 8)]
    assert places == ["z=8", "y=8", "y=16", "x=8", "x=16"]
    assert count_planes(labels, 8) == 5
    assert not has_single_slices(labels)
    assert not has_single_slices(labels[8])
    assert not has_single_slices(0 * labels)
    assert count_planes(np.stack([labels, 0 * labels]), 8) == 5


@pytest.mark.parametrize(("first", "last"), [(0, 12), (4, 9)])
def test_a_wide_object_on_a_few_slices_is_labelled_in_depth(
    first: int, last: int
) -> None:
    labels = np.zeros((12, 120, 120), np.uint8)
    labels[first:last, 5:105, 5:115] = 1
    assert not has_single_slices(labels)
    reference = Reference("v", labels, labels)
    assert [plane.place for plane in planes_of(reference, 8)] == [
        f"z={index}" for index in (0, 8) if first <= index < last
    ]


def test_all_slices_of_a_short_stack_are_no_single_ones() -> None:
    assert not has_single_slices(np.ones((2, 60, 60), np.uint8))


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


def test_labels_with_a_palette_are_read_as_numbers(
    tmp_path: Path, save, labels
) -> None:
    save(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    painted = Image.fromarray(labels, "P")
    painted.putpalette([0, 0, 0, *([200, 30, 60] * 9)])
    painted.save(tmp_path / "masks" / "a.png")
    reference = next(open_dataset(tmp_path).read())
    assert np.array_equal(reference.labels, labels)


def test_grey_labels_saved_in_colour_are_read(tmp_path: Path, save, labels) -> None:
    save(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    grey = np.stack([labels] * 3, axis=-1)
    Image.fromarray(grey).save(tmp_path / "masks" / "a.png")
    assert np.array_equal(next(open_dataset(tmp_path).read()).labels, labels)


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


def test_labels_must_be_whole_numbers(image, labels) -> None:
    with pytest.raises(DatasetError, match="float64 with fractions"):
        Reference("a", image, labels / 2)
    with pytest.raises(DatasetError, match="from 0"):
        Reference("a", image, labels.astype(int) - 1)
    assert Reference("a", image, labels.astype(float)).labels.max() == 7


def test_numbers_too_large_are_replaced_by_their_rank(image, labels) -> None:
    huge = labels.astype(np.uint64) * 2**40
    huge[0, 0] = 3
    assert np.unique(Reference("a", image, huge).labels).tolist() == [0, 1, 2]
    segments = labels * np.uint32(10**7)
    assert np.array_equal(Reference("a", image, segments).labels, labels > 0)


def test_borders_blurred_by_jpeg_do_not_count(tmp_path: Path, save, labels) -> None:
    save(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    (tmp_path / "masks" / "a.png").unlink()
    Image.fromarray(255 * (labels > 0).astype(np.uint8)).save(
        tmp_path / "masks" / "a.jpg"
    )
    found = next(open_dataset(tmp_path).read()).labels
    assert np.unique(found).tolist() == [0, 1]
    assert (found != (labels > 0)).sum() < 20


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


def test_an_image_in_place_of_labels_is_told(tmp_path: Path, save) -> None:
    save(tmp_path / "masks" / "a.png", tmp_path / "images" / "a.png")
    (reference,) = open_dataset(tmp_path).read()
    assert "swapped" in reference.reason


def test_an_image_behind_the_middle_is_told() -> None:
    noise = np.random.default_rng(0).integers(1, 200, (64, 64))
    cells = np.ones((9, 64, 64), np.uint8)
    cells[8] = noise
    with pytest.raises(DatasetError, match="swapped"):
        Reference("stack", cells, cells)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_smooth_images_are_no_labels(bits: int) -> None:
    rows, columns = np.indices((128, 128)) / 20
    image = ((2 + np.sin(rows) + np.cos(columns)) / 4.1 * 2**bits).astype(np.uint16)
    image += np.random.default_rng(0).integers(1, 3, image.shape, np.uint16)
    with pytest.raises(DatasetError, match="swapped"):
        Reference("image", image, image)


@pytest.mark.parametrize("side", [2, 3, 4])
def test_touching_cells_are_labels(side: int) -> None:
    rows, columns = np.indices((40, 50)) // side
    cells = 1 + rows * 50 + columns
    assert Reference("cells", cells, cells).labels.max() == cells.max()


def test_labels_without_planes_are_no_image():
    assert not looks_like_an_image(np.zeros((0, 8, 8), np.uint8))
