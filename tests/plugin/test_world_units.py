"""The axes of image layers, in the words of files and tables."""

import numpy as np
import pytest
from napari.layers import Image

from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.plugin.image_files import read_layers
from napari_sam_adapter.plugin.viewing.world_units import axes_of, voxel_size


def test_a_layer_of_five_axes_has_the_letters_of_its_file(tmp_path):
    pixels = np.zeros((2, 3, 2, 8, 9), np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    axes = open_image(tmp_path / "a.npy").axes
    ((data, options, _),) = read_layers(str(tmp_path / "a.npy"))
    assert axes_of(Image(data, **options)) == axes_of(Image(pixels)) == axes


@pytest.mark.parametrize("axes", ["tczyx", "tuzyx"])
def test_letters_that_a_layer_has_are_kept(axes):
    layer = Image(np.zeros((2, 3, 2, 8, 9), np.uint8), axis_labels=tuple(axes))
    assert axes_of(layer) == axes


def test_colours_are_the_only_channels():
    layer = Image(np.zeros((2, 3, 2, 8, 9, 3), np.uint8), rgb=True)
    assert "c" not in axes_of(layer)


@pytest.mark.parametrize(
    ("unit", "size", "sign"), [("mm", 0.002, "ml"), ("um", 2.0, "\u00b5m³")]
)
def test_volumes_of_organs_are_in_millilitres(unit, size, sign):
    layer = Image(np.zeros((4, 8, 9), np.uint8), scale=(2, 1, 1), units=(unit,) * 3)
    assert voxel_size(layer) == (pytest.approx(size), sign)


def test_volumes_of_tiny_voxels_stay_cubic_millimetres():
    layer = Image(np.zeros((4, 8, 9), np.uint8), scale=(0.01,) * 3, units=("mm",) * 3)
    assert voxel_size(layer) == (pytest.approx(1e-6), "mm³")


def test_areas_stay_square_millimetres():
    layer = Image(np.zeros((8, 9), np.uint8), scale=(2, 1), units=("mm", "mm"))
    assert voxel_size(layer) == (pytest.approx(2), "mm²")
