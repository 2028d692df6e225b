import numpy as np
import pytest

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import PLANE, IntensityMapping
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.planes.preview import preview_plane
from napari_sam_adapter.volume.planes.windows import Window

FIRST = Plane((1, 2), (0,))


@pytest.fixture
def ramp():
    return np.arange(2 * 100 * 60, dtype=np.uint16).reshape(2, 100, 60)


def test_a_preview_is_what_the_predictor_sees_with_pixels_left_out(ramp):
    volume = Volume(ramp, intensity=IntensityMapping("contrast_limits", 0, 6000))
    preview = preview_plane(volume, FIRST, side=50)
    assert preview.pixels.shape == (50, 30, 3)
    expected = volume.read_uint8(FIRST)[::2, ::2]
    np.testing.assert_array_equal(preview.pixels[..., 1], expected)
    assert (preview.low, preview.high) == (0, 6000)


def test_the_window_of_a_plane_is_that_of_all_its_pixels(ramp):
    volume = Volume(ramp, intensity=IntensityMapping(PLANE))
    preview = preview_plane(volume, FIRST, side=10)
    assert (preview.low, preview.high) == (0, 5999)
    np.testing.assert_array_equal(
        preview.pixels[..., 0], volume.read_uint8(FIRST)[::10, ::10]
    )


def test_colours_stay_colours():
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    preview = preview_plane(Volume(image), Plane((0, 1), ()), side=20)
    np.testing.assert_array_equal(preview.pixels, image)


def test_a_plane_without_structure_has_no_preview():
    with pytest.raises(ImageError, match="structure"):
        preview_plane(Volume(np.zeros((4, 8, 8))), FIRST, side=8)


def test_a_part_of_a_plane_is_seen_as_the_whole_plane_is(ramp):
    volume = Volume(ramp, intensity=IntensityMapping(PLANE))
    part = Window(10, 20, 30, 40)
    np.testing.assert_array_equal(
        volume.read_uint8(FIRST, part), volume.read_uint8(FIRST)[part.slices]
    )
