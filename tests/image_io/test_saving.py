"""Labels into files of all kinds, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import zarr
from tests.image_io.volume_files import LABELS

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels
from napari_sam_adapter.image_io.files.opening import check_labels_path
from napari_sam_adapter.volume.measuring.measuring import Measuring

if TYPE_CHECKING:
    from pathlib import Path

nibabel = pytest.importorskip("nibabel")
LABEL_SUFFIXES = [".tif", ".tiff", ".ome.tif", ".zarr", ".nii", ".nii.gz", ".npy"]


def test_a_name_too_long_for_the_temporary_file_is_refused_first(
    tmp_path: Path,
) -> None:
    with pytest.raises(OutputError, match="name too long"):
        check_labels_path(tmp_path / ("a" * 250 + ".tif"))


@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
def test_labels_come_back_as_they_were_saved(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    save_labels(path, LABELS)
    image = open_image(path)
    assert (image.axes, image.data.dtype) == ("zyx", np.uint16)
    np.testing.assert_array_equal(image.data, LABELS)
    assert os.listdir(tmp_path) == [path.name]


def test_two_dimensional_labels_fit_a_png(tmp_path: Path) -> None:
    save_labels(tmp_path / "labels.png", LABELS[0] * 9000)
    np.testing.assert_array_equal(
        open_image(tmp_path / "labels.png").data, LABELS[0] * 9000
    )


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".nii.gz"])
def test_labels_keep_scale_and_units_of_the_image(
    ome_tiff: Path, tmp_path: Path, suffix: str
) -> None:
    like = open_image(ome_tiff)
    save_labels(tmp_path / f"labels{suffix}", LABELS, like)
    labels = open_image(tmp_path / f"labels{suffix}")
    assert (labels.axes, labels.scale, labels.units) == (
        like.axes,
        like.scale,
        like.units,
    )


@pytest.mark.parametrize("suffix", [".TIF", ".ZARR", ".NII", ".NII.GZ", ".NPY"])
def test_labels_can_be_saved_under_a_name_in_capitals(
    tmp_path: Path, suffix: str
) -> None:
    save_labels(tmp_path / f"O{suffix}", LABELS)
    assert os.listdir(tmp_path) == [f"O{suffix}"]
    np.testing.assert_array_equal(open_image(tmp_path / f"O{suffix}").data, LABELS)


def test_ome_tiff_labels_spell_the_unit_as_ome_asks(
    ome_tiff: Path, tmp_path: Path
) -> None:
    save_labels(tmp_path / "labels.tif", LABELS, open_image(ome_tiff))
    with tifffile.TiffFile(tmp_path / "labels.tif") as tiff:
        pixels = ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
    assert pixels.get("PhysicalSizeXUnit") == "\u00b5m"


def test_large_object_numbers_are_kept(tmp_path: Path) -> None:
    save_labels(tmp_path / "labels.tif", LABELS * 100_000)
    np.testing.assert_array_equal(
        open_image(tmp_path / "labels.tif").data, LABELS * 100_000
    )


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".nii.gz"])
def test_labels_of_a_time_series_come_back(tmp_path: Path, suffix: str) -> None:
    series = np.stack([LABELS, LABELS * 2])
    save_labels(tmp_path / f"labels{suffix}", series)
    image = open_image(tmp_path / f"labels{suffix}")
    assert image.axes == "tzyx"
    np.testing.assert_array_equal(image.data, series)


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".npy"])
def test_labels_of_five_axes_without_names_come_back(
    tmp_path: Path, suffix: str
) -> None:
    series = np.stack([np.stack([LABELS, LABELS * 2])] * 3)
    np.save(tmp_path / "image.npy", series)
    like = open_image(tmp_path / "image.npy")
    save_labels(tmp_path / f"labels{suffix}", series, like)
    np.testing.assert_array_equal(open_image(tmp_path / f"labels{suffix}").data, series)


def test_labels_of_five_axes_have_no_channels(tmp_path: Path) -> None:
    labels = np.arange(2 * 3 * 2 * 4 * 5).reshape(2, 3, 2, 4, 5)
    save_labels(tmp_path / "a.zarr", labels)
    opened = open_image(tmp_path / "a.zarr")
    assert (opened.axes, opened.channels) == ("utzyx", 0)
    np.save(tmp_path / "a.npy", labels)
    assert opened.axes == open_image(tmp_path / "a.npy").axes == Measuring(labels).axes


def test_more_axes_than_a_tiff_can_have_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.stack([[[LABELS] * 2] * 2] * 2))
    like = open_image(tmp_path / "image.npy")
    with pytest.raises(OutputError, match="at most 5 axes, got 6"):
        save_labels(tmp_path / "labels.tif", np.asarray(like.data[...]), like)
    assert not (tmp_path / "labels.tif").exists()


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_existing_labels_are_replaced_only_on_request(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"labels{suffix}"
    save_labels(path, LABELS)
    with pytest.raises(OutputError, match="exists"):
        save_labels(path, LABELS * 2)
    np.testing.assert_array_equal(open_image(path).data, LABELS)
    save_labels(path, LABELS * 2, overwrite=True)
    np.testing.assert_array_equal(open_image(path).data, LABELS * 2)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_store_that_holds_more_than_one_image_is_never_replaced(
    tmp_path: Path, zarr_format: Literal[2, 3]
) -> None:
    store = tmp_path / "scan.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    group.create_array("0", shape=(2, 3), dtype=int)
    group.create_group("labels")
    with pytest.raises(OutputError, match="holds more: labels"):
        save_labels(store, LABELS, overwrite=True)
    assert (store / "labels").is_dir()
    assert os.listdir(tmp_path) == ["scan.zarr"]


def test_a_folder_that_is_no_zarr_store_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "precious.zarr"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is a folder"):
        save_labels(folder, LABELS, overwrite=True)
    assert (folder / "thesis.txt").exists()


@pytest.mark.parametrize(
    "name", ["labels.jpg", "labels.xyz", "labels"], ids=["lossy", "unknown", "none"]
)
def test_labels_are_not_saved_under_an_unfit_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="Expected a f"):
        check_labels_path(tmp_path / name)


@pytest.mark.parametrize("folder", ["missing", "file.txt"])
def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file.txt").write_text("no folder")
    with pytest.raises(OutputError, match="Expected a folder to write into"):
        save_labels(tmp_path / folder / "labels.tif", LABELS)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_read_only_folder_is_refused() -> None:
    with pytest.raises(OutputError, match="Expected a folder to write into"):
        save_labels("/proc/labels.tif", LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS - 1, "from 0"),
        (LABELS * 0.5, "whole numbers"),
        (LABELS.astype(np.int64) << 40, "from 0 to 4294967295"),
        (np.zeros((2,) * 6, int), "2 to 5 axes"),
    ],
    ids=["negative", "fractions", "too large", "too many axes"],
)
def test_labels_that_no_file_can_hold_are_refused(
    tmp_path: Path, labels: np.ndarray, message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        save_labels(tmp_path / "labels.tif", labels)
    assert not os.listdir(tmp_path)


def test_a_volume_does_not_fit_a_png(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="2-D"):
        save_labels(tmp_path / "labels.png", LABELS)
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_through_a_link_the_file_behind_it_is_written(
    tmp_path: Path, suffix: str
) -> None:
    link, path = tmp_path / f"link{suffix}", tmp_path / "data" / f"labels{suffix}"
    path.parent.mkdir()
    link.symlink_to(path)
    for factor in (1, 2):  # new, and replaced
        save_labels(link, LABELS * factor, overwrite=factor > 1)
        assert link.is_symlink()
        assert np.array_equal(open_image(path).data[...], LABELS * factor)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
def test_of_links_in_a_circle_the_first_is_replaced(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tif", tmp_path / "second.tif"
    first.symlink_to(second)
    second.symlink_to(first)
    save_labels(first, LABELS)
    assert np.array_equal(open_image(second).data[...], LABELS)


def test_labels_of_another_shape_than_the_image_are_refused(
    ome_tiff: Path, tmp_path: Path
) -> None:
    like: OpenedImage = open_image(ome_tiff)
    with pytest.raises(OutputError, match="shape"):
        save_labels(tmp_path / "labels.tif", LABELS[:3], like)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a file size limit")
@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"labels{suffix}"
    save_labels(path, LABELS)
    script = f"""
        import resource
        import numpy as np
        from napari_sam_adapter.errors import OutputError
        from napari_sam_adapter.image_io import save_labels
        noise = np.random.default_rng(0).integers(0, 60000, (4, 512, 512))
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            save_labels({str(path)!r}, noise, overwrite=True)
        except OutputError as error:
            print("refused:", error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused: Expected to write")
    assert os.listdir(tmp_path) == [path.name]
    np.testing.assert_array_equal(open_image(path).data, LABELS)
