"""TIFF files of all kinds: their pixels, their meaning, what is broken."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.image_io.volume_files import OME, VOLUME

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


def test_a_tiff_opens_without_its_broken_ome_metadata(ome_tiff: Path) -> None:
    ome_tiff.write_bytes(ome_tiff.read_bytes().replace(b"<Pixels ", b"<Pixel< "))
    assert open_image(ome_tiff).data.shape[-2:] == VOLUME.shape[-2:]


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
