from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam_adapter.errors import ImageError, OutputError, PlaneError
from napari_sam_adapter.image_io import (
    OpenedImage,
    open_image,
    open_labels,
    save_labels,
)
from napari_sam_adapter.image_io.files.opening import check_labels_path
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.units import METRES
from napari_sam_adapter.volume.measuring.measuring import Measuring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

nibabel = pytest.importorskip("nibabel")

VOLUME = np.random.default_rng(0).integers(0, 60000, (6, 20, 30)).astype(np.uint16)
LABELS = (VOLUME > 30000).astype(np.int32) * 7
OME = {
    "axes": "ZYX",
    "PhysicalSizeZ": 2.0,
    "PhysicalSizeZUnit": "\u00b5m",
    "PhysicalSizeY": 0.5,
    "PhysicalSizeYUnit": "\u00b5m",
    "PhysicalSizeX": 0.25,
    "PhysicalSizeXUnit": "\u00b5m",
}
LABEL_SUFFIXES = [".tif", ".tiff", ".ome.tif", ".zarr", ".nii", ".nii.gz", ".npy"]


@pytest.fixture
def ome_tiff(tmp_path: Path) -> Path:
    path = tmp_path / "volume.ome.tif"
    tifffile.imwrite(path, VOLUME, metadata=OME, compression="zlib")
    return path


def write_units(
    path: Path, units: Sequence[str | None], scale: tuple[float, ...]
) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", shape=VOLUME.shape, dtype=VOLUME.dtype)[...] = VOLUME
    pairs = zip("zyx", units, strict=True)
    axes = [{"name": a, "type": "space", "unit": unit} for a, unit in pairs]
    steps = [{"type": "scale", "scale": scale}]
    level = {"path": "0", "coordinateTransformations": steps}
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [level]}]


def volume(image: OpenedImage) -> float:
    """Of a voxel, in cubic metres, as it is measured."""
    return float(np.prod(image.spacing)) * METRES[image.unit] ** 3


def write_pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for page in VOLUME:
            tiff.write(page, contiguous=False, compression="zlib")


def write_imagej(path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(
        path, VOLUME, imagej=True, metadata=metadata, resolution=(4.0, 2.0)
    )


TIFF_WRITERS = {
    "in one piece": lambda path: tifffile.imwrite(path, VOLUME),
    "compressed": lambda path: tifffile.imwrite(path, VOLUME, compression="zlib"),
    "ome": lambda path: tifffile.imwrite(path, VOLUME, metadata=OME, ome=True),
    "tiled": lambda path: tifffile.imwrite(
        path, VOLUME, tile=(16, 16), compression="zlib"
    ),
    "big": lambda path: tifffile.imwrite(path, VOLUME, bigtiff=True),
    "big endian": lambda path: tifffile.imwrite(path, VOLUME, byteorder=">"),
    "imagej": write_imagej,
}


@pytest.mark.parametrize("kind", TIFF_WRITERS)
def test_a_tiff_gives_its_pixels(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "volume.tif"
    TIFF_WRITERS[kind](path)
    image = open_image(path)
    assert image.axes == "zyx"
    np.testing.assert_array_equal(image.data, VOLUME)
    np.testing.assert_array_equal(image.data[2, :, 5:9], VOLUME[2, :, 5:9])


@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", TIFF_WRITERS)
def test_a_tiff_that_is_cut_off_is_refused(
    tmp_path: Path, kind: str, kept: float
) -> None:
    path = tmp_path / "volume.tif"
    TIFF_WRITERS[kind](path)
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(ImageError):
        np.asarray(open_image(path).data)


def test_a_file_of_separate_pages_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    write_pages(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ImageError, match="cut off"):
        open_image(path)


def test_ome_tiff_tells_scale_and_units(ome_tiff: Path) -> None:
    image = open_image(ome_tiff)
    assert image.scale == (2.0, 0.5, 0.25)
    assert image.units == ("um", "um", "um")


def test_several_units_of_length_become_one(tmp_path: Path) -> None:
    path = tmp_path / "nanometres.ome.tif"
    metadata = OME | {"PhysicalSizeZ": 300.0, "PhysicalSizeZUnit": "nm"}
    tifffile.imwrite(path, VOLUME, metadata=metadata)
    image = open_image(path)
    assert image.scale == pytest.approx((0.3, 0.5, 0.25))
    assert image.units == ("um", "um", "um")


@pytest.mark.parametrize(
    ("word", "unit", "metres"),
    [
        ("angstrom", "angstrom", 1e-10),
        ("\u00c5", "angstrom", 1e-10),
        ("\u212b", "angstrom", 1e-10),
        ("A\u030a", "angstrom", 1e-10),
        ("A", "angstrom", 1e-10),
        ("\\u00C5", "angstrom", 1e-10),
        ("picometer", "pm", 1e-12),
        ("\u03bcm", "um", 1e-6),
        ("\u00b5m", "um", 1e-6),
        ("micrometres", "um", 1e-6),
        ("decimeter", "dm", 0.1),
        ("inch", "inch", 0.0254),
        ("ft", "foot", 0.3048),
    ],
    ids=ascii,
)
def test_units_of_length_are_known_and_kept(
    tmp_path: Path, word: str, unit: str, metres: float
) -> None:
    scale = 3.0, 2.0, 5.0
    write_units(tmp_path / "alike.zarr", [word] * 3, scale)
    image = open_image(tmp_path / "alike.zarr")
    assert (image.units, image.scale, image.problem) == ((unit,) * 3, scale, "")
    for suffix in ".tif", ".zarr", ".nii":
        save_labels(tmp_path / f"labels{suffix}", LABELS, image)
        labels = open_image(tmp_path / f"labels{suffix}")
        assert volume(labels) == pytest.approx(30 * metres**3)
        assert suffix == ".nii" or labels.units == image.units
    write_units(tmp_path / "mixed.zarr", [word, word, "micrometer"], scale)
    image = open_image(tmp_path / "mixed.zarr")
    assert image.units == ("um",) * 3
    assert volume(image) == pytest.approx(30 * metres**2 * 1e-6)


@pytest.mark.parametrize("word", ["furlong", "Mm", "Pm"])
def test_a_unit_that_is_not_known_is_told(tmp_path: Path, word: str) -> None:
    write_units(tmp_path / "image.zarr", [word, "um", "um"], (3.0, 2.0, 5.0))
    image = open_image(tmp_path / "image.zarr")
    assert (image.units, image.scale) == (("pixel", "um", "um"), (3.0, 2.0, 5.0))
    assert f"image.zarr gives distances in {word!r}" in image.problem


@pytest.mark.parametrize("word", ["", "pixel", "Pixels", None])
def test_no_unit_is_nothing_to_tell(tmp_path: Path, word: str | None) -> None:
    write_units(tmp_path / "image.zarr", [word] * 3, (3.0, 2.0, 5.0))
    assert open_image(tmp_path / "image.zarr").problem == ""


def test_imagej_tiff_tells_scale_and_units(tmp_path: Path) -> None:
    write_imagej(tmp_path / "volume.tif")
    image = open_image(tmp_path / "volume.tif")
    assert image.scale == pytest.approx((2.0, 0.5, 0.25))
    assert image.units == ("um", "um", "um")


def write_subifds(tiff: tifffile.TiffWriter) -> None:
    tiff.write(VOLUME, subifds=1, metadata=OME)
    tiff.write(VOLUME[:, ::2, ::2], subfiletype=1)


def write_levels(tiff: tifffile.TiffWriter) -> None:
    tiff.write(VOLUME[0])
    tiff.write(VOLUME[0, ::2, ::2], subfiletype=1)


def write_slide(tiff: tifffile.TiffWriter) -> None:
    tiff.write(VOLUME[0], metadata={"axes": "YX", "Name": "cells"})
    tiff.write(VOLUME[1, :9, :9], metadata={"axes": "YX", "Name": "Label image"})


def write_sizes(tiff: tifffile.TiffWriter) -> None:
    tiff.write(VOLUME[0])
    tiff.write(VOLUME[1, :9, :8])
    tiff.write(VOLUME[2, :7, :7])


def write_images(tiff: tifffile.TiffWriter) -> None:
    tiff.write(VOLUME, metadata=OME)
    tiff.write(VOLUME[:5], metadata={"axes": "ZYX"})
    tiff.write(VOLUME[:, :5], metadata={"axes": "ZYX"})


@pytest.mark.parametrize("name", ["image.tif", "image.ome.tif"])
@pytest.mark.parametrize("write", [write_sizes, write_images])
def test_further_images_of_a_tiff_are_told(
    tmp_path: Path, write: Callable[[tifffile.TiffWriter], None], name: str
) -> None:
    with tifffile.TiffWriter(tmp_path / name) as tiff:
        write(tiff)
    image = open_image(tmp_path / name)
    assert image.problem == f"{name} holds 3 images; the first is used."
    first = VOLUME if image.data.ndim == 3 else VOLUME[0]
    np.testing.assert_array_equal(image.data, first)


@pytest.mark.parametrize("name", ["image.tif", "image.ome.tif"])
@pytest.mark.parametrize("write", [write_subifds, write_levels])
def test_levels_of_a_tiff_are_no_further_images(
    tmp_path: Path, write: Callable[[tifffile.TiffWriter], None], name: str
) -> None:
    with tifffile.TiffWriter(tmp_path / name) as tiff:
        write(tiff)
    assert open_image(tmp_path / name).problem == ""


def test_the_label_of_a_slide_is_no_further_image(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "slide.ome.tif") as tiff:
        write_slide(tiff)
    assert open_image(tmp_path / "slide.ome.tif").problem == ""


@pytest.mark.parametrize("kind", TIFF_WRITERS)
def test_one_image_is_nothing_to_tell(tmp_path: Path, kind: str) -> None:
    TIFF_WRITERS[kind](tmp_path / "volume.tif")
    assert open_image(tmp_path / "volume.tif").problem == ""


def test_pages_of_one_size_are_one_image(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tiff:
        for page in VOLUME:
            tiff.write(page, contiguous=False, metadata=None)
    image = open_image(tmp_path / "pages.tif")
    assert (image.axes, image.problem) == ("zyx", "")


def test_opening_a_large_tiff_reads_only_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, shape=(4000, 1024, 1024), dtype=np.uint16, bigtiff=True)
    image = open_image(path)  # 8 GB, mostly a hole in the file
    assert image.data.shape == (4000, 1024, 1024)
    assert image.data[3999].shape == (1024, 1024)


def test_pages_are_decoded_only_when_they_are_read(ome_tiff: Path) -> None:
    pages = tifffile.TiffFile(ome_tiff)
    offset = pages.pages[3].dataoffsets[0]
    pages.close()
    with ome_tiff.open("r+b") as file:
        file.seek(offset)
        file.write(b"broken here")
    image = open_image(ome_tiff)
    np.testing.assert_array_equal(image.data[2], VOLUME[2])
    with pytest.raises(ImageError, match=r"volume\.ome\.tif"):
        image.data[3]


def test_colour_tiff_has_its_colours_last(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 255, (3, 20, 30)).astype(np.uint8)
    path = tmp_path / "planar.tif"
    tifffile.imwrite(path, colours, photometric="rgb", planarconfig="separate")
    image = open_image(path)
    assert (image.axes, image.label_axes) == ("yxc", "yx")
    np.testing.assert_array_equal(image.data, np.moveaxis(colours, 0, -1))


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


def test_a_tiff_opens_without_its_broken_ome_metadata(ome_tiff: Path) -> None:
    ome_tiff.write_bytes(ome_tiff.read_bytes().replace(b"<Pixels ", b"<Pixel< "))
    assert open_image(ome_tiff).data.shape[-2:] == VOLUME.shape[-2:]


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


def test_a_name_too_long_for_the_temporary_file_is_refused_first(
    tmp_path: Path,
) -> None:
    with pytest.raises(OutputError, match="name too long"):
        check_labels_path(tmp_path / ("a" * 250 + ".tif"))


def test_an_ordinary_folder_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        open_image(tmp_path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_axes_come_as_z_y_x(tmp_path: Path, suffix: str) -> None:
    volume = nibabel.Nifti1Image(VOLUME.T, np.diag([0.25, 0.5, 2.0, 1.0]))
    volume.header.set_xyzt_units("mm")
    nibabel.save(volume, tmp_path / f"scan{suffix}")
    image = open_image(tmp_path / f"scan{suffix}")
    assert (image.axes, image.scale) == ("zyx", (2.0, 0.5, 0.25))
    assert image.units == ("mm", "mm", "mm")
    np.testing.assert_array_equal(image.data[4, :, 3:7], VOLUME[4, :, 3:7])


def test_nifti_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    volume = nibabel.Nifti1Image(VOLUME.T * 0.01 - 3, np.eye(4))
    volume.header.set_data_dtype(np.int16)
    nibabel.save(volume, tmp_path / "scan.nii")
    image = open_image(tmp_path / "scan.nii")
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data[2], VOLUME[2] * 0.01 - 3, atol=0.01)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, np.eye(4)), path)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(ImageError):
        open_image(path)


@pytest.mark.parametrize(
    ("mode", "axes"), [("L", "yx"), ("1", "yx"), ("P", "yxc"), ("RGBA", "yxc")]
)
def test_pictures_open_as_grey_or_colour(tmp_path: Path, mode: str, axes: str) -> None:
    Image.new(mode, (30, 20)).save(tmp_path / "picture.png")
    image = open_image(tmp_path / "picture.png")
    assert (image.axes, image.label_shape) == (axes, (20, 30))


COLOURS = (0, 0, 0, 255, 0, 0, 0, 255, 0)
GREYS = (0, 0, 0, 40, 40, 40, 90, 90, 90)
WHITE_FIRST = (255, 255, 255, *COLOURS[3:])


def write_with_palette(path: Path, palette: Sequence[int]) -> npt.NDArray[np.uint8]:
    indices = np.arange(6, dtype=np.uint8).reshape(2, 3) % 3
    picture = Image.fromarray(indices, "P")
    picture.putpalette(palette)
    picture.save(path)
    return indices


def test_labels_with_a_palette_of_colours_are_its_indices(tmp_path: Path) -> None:
    indices = write_with_palette(tmp_path / "labels.png", COLOURS)
    labels = open_labels(tmp_path / "labels.png")
    assert labels.axes == "yx"
    np.testing.assert_array_equal(labels.data, indices)


def test_labels_with_a_palette_of_greys_are_these(tmp_path: Path) -> None:
    indices = write_with_palette(tmp_path / "labels.png", GREYS)
    labels = open_labels(tmp_path / "labels.png")
    np.testing.assert_array_equal(labels.data, np.array([0, 40, 90])[indices])


def test_a_palette_without_a_black_background_is_no_labels(tmp_path: Path) -> None:
    write_with_palette(tmp_path / "labels.png", WHITE_FIRST)
    with pytest.raises(ImageError, match="first colour is black"):
        open_labels(tmp_path / "labels.png")


def test_labels_of_one_bit_are_0_and_1(tmp_path: Path) -> None:
    mask = LABELS[0] > 0
    Image.fromarray(mask).save(tmp_path / "labels.png")
    labels = np.asarray(open_labels(tmp_path / "labels.png").data)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, mask)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray((VOLUME[0] >> 8).astype(np.uint8)).save(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ImageError, match="picture"):
        open_image(path)


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


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="it can be read")
@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "group4"])
def test_a_compression_that_needs_a_package_names_it(
    tmp_path: Path, compression: str
) -> None:
    mode = "1" if compression == "group4" else "L"
    picture = Image.fromarray((VOLUME[0] >> 8).astype(np.uint8)).convert(mode)
    picture.save(tmp_path / "image.tif", compression=compression)
    with pytest.raises(ImageError, match="pip install imagecodecs") as caught:
        np.asarray(open_image(tmp_path / "image.tif").data)
    assert "whole" not in str(caught.value)


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


def test_nifti_labels_lie_where_the_scan_lies(tmp_path: Path) -> None:
    affine = np.array([[0, -2, 0, 5], [0.5, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, affine), tmp_path / "scan.nii")
    like = open_image(tmp_path / "scan.nii")
    save_labels(tmp_path / "labels.nii.gz", LABELS, like)
    np.testing.assert_allclose(nibabel.load(tmp_path / "labels.nii.gz").affine, affine)


@pytest.mark.parametrize("shape", [(6, 5, 1, 3), (6, 5, 1)])
def test_nifti_labels_of_a_single_slice_have_shape_and_header_of_the_scan(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    affine = np.array([[0, -2, 0, 5], [1.5, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1.0]])
    scan = nibabel.Nifti1Image(np.ones(shape, np.int16), affine)
    scan.header.set_zooms((1.5, 2, 4, 2.5)[: len(shape)])
    nibabel.save(scan, tmp_path / "scan.nii.gz")
    like = open_image(tmp_path / "scan.nii.gz")
    values = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    save_labels(tmp_path / "labels.nii.gz", values.T.reshape(like.label_shape), like)
    labels = nibabel.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(labels.dataobj), values)
    assert labels.header.get_zooms() == scan.header.get_zooms()
    np.testing.assert_array_equal(labels.affine, affine)


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


@pytest.mark.parametrize("given", [5, None, np.zeros((4, 4))], ids=type)
def test_what_is_no_path_is_refused(given: object) -> None:
    with pytest.raises(ImageError, match="Expected the path of an image, got "):
        open_image(given)


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
