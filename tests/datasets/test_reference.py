"""Reference labels: what they may be, and the planes that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_adapter import open_dataset
from napari_sam_adapter.datasets import Reference
from napari_sam_adapter.datasets.planes import (
    count_planes,
    has_single_slices,
    planes_of,
)
from napari_sam_adapter.errors import DatasetError, ImageError
from napari_sam_adapter.image_io.labels.plausible import looks_like_an_image
from napari_sam_adapter.intensity import PLANE, IntensityMapping

if TYPE_CHECKING:
    from pathlib import Path


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
