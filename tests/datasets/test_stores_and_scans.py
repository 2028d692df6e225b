"""Data sets whose images are folders: zarr stores and DICOM series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from PIL import Image
from tests.dicom_files import header, hounsfield, save, save_ct, with_pixels

from napari_sam_adapter import open_dataset
from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.image_io import open_image, save_labels
from napari_sam_adapter.image_io.series.series import Series

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("nibabel")
VALUES = hounsfield()
LABELS = np.zeros(VALUES.shape, np.uint8)
LABELS[1:3, 2:7, 3:9] = 1
PICTURE = np.arange(120, dtype=np.uint16).reshape(10, 12)


def save_store(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    zarr.create_array(path, shape=pixels.shape, dtype=pixels.dtype)[:] = pixels
    return path


def save_pictures(folder: Path, count: int, **values: object) -> None:
    """Write X-rays, which are images by themselves."""
    folder.mkdir(exist_ok=True)
    for i in range(count):
        found = with_pixels(header(Modality="DX", InstanceNumber=i + 1), PICTURE + i)
        save(found, folder / f"x{i}.dcm")


def annotate(folder: Path) -> None:
    """Save labels beside each image, as a series does."""
    for entry in Series.of_folder(folder).entries:
        entry.save(LABELS, entry.read().image)


def names(folder: Path, labels: Path | None = None) -> list[str]:
    dataset = open_dataset(folder, labels)
    assert not dataset.find_broken()
    return [pair.name for pair in dataset.pairs]


@pytest.mark.parametrize("name", ["store", "B.ZARR", "a.zarr"])
def test_a_zarr_store_with_labels_in_another_is_a_pair(
    tmp_path: Path, name: str
) -> None:
    image = save_store(tmp_path / name, VALUES)
    labels = save_store(tmp_path / "labelstore", LABELS)
    (reference,) = open_dataset(image, labels).read()
    np.testing.assert_array_equal(reference.labels, LABELS)


def test_zarr_stores_of_two_folders_are_paired_by_name(tmp_path: Path) -> None:
    for name in ("store", "other.zarr"):
        save_store(tmp_path / "images" / name, VALUES)
        save_store(tmp_path / "labels" / name, LABELS)
    assert names(tmp_path) == ["other", "store"]


def test_one_store_finds_its_labels_in_a_folder(tmp_path: Path) -> None:
    image = save_store(tmp_path / "store", VALUES)
    save_store(tmp_path / "labels" / "store.zarr", LABELS)
    assert names(image, tmp_path / "labels") == ["store"]


def test_a_store_without_labels_is_named_and_its_arrays_are_not(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "store", mode="w")
    save_store(tmp_path / "store" / "0", VALUES)
    with pytest.raises(
        DatasetError, match=r"found none\. store: Expected labels.* Put"
    ):
        open_dataset(tmp_path / "store")


def test_labels_that_annotate_wrote_belong_to_scan_and_store(tmp_path: Path) -> None:
    save_ct(tmp_path / "CT1", VALUES)
    save_store(tmp_path / "store", VALUES)
    save_labels(tmp_path / "a_raw.tif", VALUES - VALUES.min())
    annotate(tmp_path)
    assert names(tmp_path) == ["CT1", "a", "store"]


def test_labels_beside_scans_are_not_in_the_way_of_others(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    scan = save_ct(tmp_path / "images" / "CT1", VALUES)
    annotate(tmp_path / "images")
    save_labels(tmp_path / "labels" / "CT1.nii.gz", LABELS, open_image(scan))
    assert names(tmp_path) == ["CT1"]


def test_a_scan_and_a_file_made_of_it_have_labels_of_their_own(tmp_path: Path) -> None:
    scan = save_ct(tmp_path / "CT1", VALUES)
    save_labels(tmp_path / "CT1.nii.gz", LABELS, open_image(scan))
    save_labels(tmp_path / "CT1_labels.nii.gz", LABELS, open_image(scan))
    assert [pair.name for pair in open_dataset(tmp_path).pairs] == ["CT1"]
    save_labels(tmp_path / "CT1_dicom_labels.nii.gz", LABELS, open_image(scan))
    assert [p.name for p in open_dataset(tmp_path).pairs] == ["CT1", "CT1_dicom"]


def test_a_folder_of_slices_is_one_image(tmp_path: Path) -> None:
    scan, labels = save_ct(tmp_path / "CT1", VALUES), tmp_path / "labels"
    labels.mkdir()
    with pytest.raises(DatasetError, match=r"found none\. CT1: Expected labels.* Put"):
        open_dataset(scan)
    for name in ("CT1.nii.gz", "IM0002.nii.gz"):  # any slice stands for its series
        save_labels(labels / name, LABELS, open_image(scan))
        assert names(scan, labels) == [name.split(".")[0]]
        (labels / name).unlink()


def test_pictures_in_dicom_files_are_images_by_themselves(tmp_path: Path) -> None:
    save_pictures(tmp_path, 3)
    for i in range(2):
        Image.fromarray((PICTURE > 60).astype(np.uint8)).save(tmp_path / f"x{i}_gt.png")
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["x0", "x1"]
    assert [broken.name for broken in dataset.broken] == ["x2.dcm"]


def test_masks_may_be_dicom_files(tmp_path: Path) -> None:
    save_pictures(tmp_path / "images", 2)
    (tmp_path / "masks").mkdir()
    for i in range(2):
        mask = with_pixels(header(Modality="OT"), (PICTURE > 60).astype(np.uint8))
        save(mask, tmp_path / "masks" / f"x{i}.dcm")
    assert names(tmp_path) == ["x0", "x1"]


def test_dicom_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    save_ct(tmp_path / "images", VALUES)
    (tmp_path / "images" / "bad.dcm").write_bytes(b"no DICOM")
    (tmp_path / "masks").mkdir()
    Image.fromarray(LABELS[1]).save(tmp_path / "masks" / "bad.png")
    broken = {
        entry.name: entry.reason for entry in open_dataset(tmp_path).find_broken()
    }
    assert sorted(broken) == ["IM0000.dcm", "bad"]
    assert "DICM" in broken["bad"]


def test_pairs_of_one_stem_have_names_of_their_own(tmp_path: Path) -> None:
    for role in ("img", "raw"):
        for mark in ("", "_labels"):
            save_labels(tmp_path / f"a_{role}{mark}.tif", LABELS[1])
    pairs = open_dataset(tmp_path).pairs
    assert [pair.name for pair in pairs] == ["a_img", "a_raw"]
