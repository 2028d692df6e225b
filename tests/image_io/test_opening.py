"""Opening any file: what is refused, and what is said of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from tests.image_io.volume_files import LABELS, VOLUME

from napari_sam_adapter.errors import ImageError, OutputError, PlaneError
from napari_sam_adapter.image_io import open_image, save_labels
from napari_sam_adapter.image_io.image.lazy_array import LazyArray

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

nibabel = pytest.importorskip("nibabel")


def test_a_channel_is_taken_without_its_axis(tmp_path: Path) -> None:
    stack = np.arange(5 * 2 * 8 * 9, dtype=np.uint16).reshape(5, 2, 8, 9)
    path = tmp_path / "channels.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    image = open_image(path)
    assert (image.axes, image.channels) == ("zcyx", 2)
    channel = image.channel(1)
    assert (channel.axes, channel.scale) == ("zyx", (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(channel.data[3], stack[3, 1])


def test_a_channel_that_is_not_there_is_refused(ome_tiff: Path) -> None:
    with pytest.raises(ImageError, match="channel"):
        open_image(ome_tiff).channel(0)


def npy_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def write_png_of_a_broken_chunk(path: Path) -> None:
    Image.new("L", (30, 20)).save(path)
    start, _, pixels = path.read_bytes().partition(b"IDAT")
    cut, end = (4).to_bytes(4, "big") + b"IDAT" + pixels[:4], bytes(4)
    path.write_bytes(start[:-4] + cut + end + end + b"\x00\x01\x02\x03" + end)


def write_nifti_of_unknown_type(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[70:72] = (9999).to_bytes(2, "little")
    path.write_bytes(content)


def write_tiff_of_no_rows_per_strip(path: Path) -> None:
    tifffile.imwrite(path, VOLUME[0], compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["RowsPerStrip"].overwrite(0)


ZARR_OF_A_LIST = '{"zarr_format": 3, "node_type": "group", "attributes": {"ome": [1]}}'


def write_zarr_metadata(path: Path, metadata: str) -> None:
    path.mkdir()
    (path / "zarr.json").write_text(metadata)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.png", write_png_of_a_broken_chunk),
        ("a.nii", write_nifti_of_unknown_type),
        ("a.tif", write_tiff_of_no_rows_per_strip),
        ("a.npy", lambda path: path.write_bytes(npy_header("{'shape': (6,\n"))),
        ("a.zarr", lambda path: write_zarr_metadata(path, "[]")),
        ("b.zarr", lambda path: write_zarr_metadata(path, "5")),
        ("c.zarr", lambda path: write_zarr_metadata(path, ZARR_OF_A_LIST)),
    ],
)
def test_a_damaged_file_is_refused(
    tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    write(tmp_path / name)
    with pytest.raises(ImageError, match=name):
        open_image(tmp_path / name)


def test_any_error_of_a_file_library_names_the_file() -> None:
    class Broken:
        shape, dtype = (4, 4), np.dtype(np.uint8)

        def __getitem__(self, key: object) -> np.ndarray:
            raise ZeroDivisionError

    with pytest.raises(ImageError, match=r"ZeroDivisionError.*a\.tif"):
        LazyArray(Broken(), "a.tif")[0]


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    name = "a" * 300 + ".tif"
    with pytest.raises(ImageError, match="name too long"):
        open_image(tmp_path / name)
    with pytest.raises(OutputError, match="name too long"):
        save_labels(tmp_path / name, LABELS)


def test_an_ordinary_folder_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        open_image(tmp_path)


def test_numpy_files_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "volume.npy", VOLUME)
    image = open_image(tmp_path / "volume.npy")
    assert image.axes == "zyx"
    np.testing.assert_array_equal(image.data[1], VOLUME[1])


@pytest.mark.parametrize("shape", [(), (5,)], ids=["point", "line"])
def test_what_has_no_rows_and_columns_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "image.npy", np.zeros(shape))
    group = zarr.open_group(tmp_path / "group.zarr", mode="w", zarr_format=2)
    group.create_array("a", shape=shape, dtype="u1")
    for path in tmp_path / "image.npy", tmp_path / "group.zarr" / "a":
        with pytest.raises(ImageError, match=f"2 to 5 dimensions, got {len(shape)}"):
            open_image(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[{}, {}]], object), allow_pickle=True)
    with pytest.raises(ImageError):
        open_image(tmp_path / "objects.npy")


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.nii", "a.png", "a.npy"])
def test_a_missing_image_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        open_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.nii", "a.png", "a.npy", "a.jpg"])
def test_a_text_file_with_the_name_of_an_image_is_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("this is not an image, whatever its name says")
    with pytest.raises(ImageError):
        open_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.nii.gz", "a.png", "a.npy"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ImageError):
        open_image(tmp_path / name)


def test_unknown_kinds_are_named_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "image.xyz").touch()
    with pytest.raises(ImageError, match=r"\.nii.*image\.xyz"):
        open_image(tmp_path / "image.xyz")


@pytest.mark.parametrize("key", [99, (0, 0, 0, 0), [1, 2], 1.5])
def test_an_index_that_cannot_be_read_is_refused(ome_tiff: Path, key: object) -> None:
    with pytest.raises(PlaneError):
        open_image(ome_tiff).data[key]


@pytest.mark.parametrize("given", [5, None, np.zeros((4, 4))], ids=type)
def test_what_is_no_path_is_refused(given: object) -> None:
    with pytest.raises(ImageError, match="Expected the path of an image, got "):
        open_image(given)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.tif")
    with pytest.raises(ImageError, match="a pipe or a device"):
        open_image(tmp_path / "image.tif")
