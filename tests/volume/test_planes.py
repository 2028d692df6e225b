import dask.array
import numcodecs
import numpy as np
import pytest
import zarr

from napari_sam_adapter.errors import ImageError, PlaneError
from napari_sam_adapter.image_io.image.units import spacing_of
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.planes.planes import Plane, Volume


class OnePlaneArray:
    """Refuses to deliver more than one plane at once; counts what it delivers."""

    def __init__(self, data, plane_axes=2):
        self.data, self.plane_axes, self.reads = data, plane_axes, 0
        self.shape, self.dtype = data.shape, data.dtype

    def __getitem__(self, index):
        cut = self.data[index]
        assert cut.ndim <= self.plane_axes
        self.reads += 1
        return cut

    def __array__(self, dtype=None, copy=None):
        raise MemoryError("the whole volume was asked for")


def gradient(shape, dtype=np.uint16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def as_dask(array):
    return dask.array.from_array(array, chunks=1)


@pytest.mark.parametrize("wrap", [np.asarray, as_dask, zarr.array, OnePlaneArray])
def test_any_array_is_read_along_any_axes(wrap):
    array = gradient((3, 4, 5))
    volume = Volume(wrap(array))
    for axes, index in [((1, 2), 1), ((2, 0), 3), ((0, 1), 4)]:
        plane = Plane(axes, (index,))
        np.testing.assert_array_equal(volume.read(plane), plane.view(array))


def test_one_plane_at_a_time_is_read_from_5d():
    source = OnePlaneArray(gradient((2, 3, 4, 5, 6)))
    volume = Volume(source)
    assert volume.read_uint8(Plane((3, 4), (0, 1, 2))).shape == (5, 6)
    assert source.reads == 6  # one for the plane, five to estimate the intensities


@pytest.mark.parametrize(
    ("shape", "axes", "spatial", "is_rgb"),
    [
        ((5, 6, 3), "auto", (5, 6), True),
        ((2, 5, 6, 4), "auto", (2, 5, 6), True),
        ((4, 3, 3), "auto", (4, 3, 3), False),
        ((8, 9, 5), "auto", (8, 9, 5), False),
        ((8, 9, 3), "zyx", (8, 9, 3), False),
        ((3, 8, 9), "cyx", (8, 9), True),
        ((2, 3, 8, 9), "tCyx", (2, 8, 9), True),
        ((1, 8, 9), "cyx", (8, 9), False),
    ],
)
def test_axes_tell_space_from_colour(shape, axes, spatial, is_rgb):
    volume = Volume(gradient(shape), axes)
    assert (volume.shape, volume.is_rgb) == (spatial, is_rgb)
    assert volume.ndim == len(spatial)


@pytest.mark.parametrize("axes", [(1, 2), (2, 0), (0, 1)])
@pytest.mark.parametrize("channel", [0, 1, 2, 3])
def test_colours_come_last_wherever_they_are(channel, axes):
    colours = gradient((4, 6, 7, 4))
    letters = list("zyx")
    letters.insert(channel, "c")
    volume = Volume(np.moveaxis(colours, -1, channel), "".join(letters))
    plane = Plane(axes, (2,))
    for number in range(3):
        expected = plane.view(colours[..., number])
        np.testing.assert_array_equal(volume.read(plane)[..., number], expected)
    assert volume.read(plane).shape[-1] == 3


def test_grey_channel_of_length_one_is_dropped():
    array = gradient((6, 7, 1))
    plane = Volume(array, "yxc").read(Plane((1, 0)))
    np.testing.assert_array_equal(plane, array[..., 0].T)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", ">u2", "f4", "f2", "f8", "?"])
def test_every_real_type_becomes_8_bit(dtype):
    array = np.random.default_rng(0).integers(0, 2, (3, 8, 9)).astype(dtype)
    pixels = Volume(array).read_uint8(Plane((1, 2), (1,)))
    assert pixels.dtype == np.uint8
    assert pixels.min() < 10
    assert pixels.max() > 245


def test_nan_becomes_black_and_spoils_nothing():
    array = gradient((4, 8, 8), np.float32)
    array[:, 0, 0] = np.nan
    pixels = Volume(array).read_uint8(Plane((1, 2), (3,)))
    assert pixels[0, 0] == 0
    assert pixels[-1, -1] == 255


def test_8_bit_colours_are_used_as_they_are():
    array = gradient((8, 8, 3), np.uint8)
    volume = Volume(array)
    np.testing.assert_array_equal(volume.read_uint8(Plane((0, 1))), array)
    assert volume.intensity.rule == "as_is"


def test_the_window_of_a_movie_is_not_that_of_the_ends_of_its_stacks():
    image = np.zeros((4, 9, 16, 16), np.uint16)
    image[:, 2:7, 4:12, 4:12] = 1000
    assert Volume(image, "tzyx").intensity.high == 1000


def test_given_window_is_used():
    window = IntensityMapping("contrast_limits", 10, 20)
    array = np.array([[10, 20], [15, 99]])
    volume = Volume(array, intensity=window)
    assert volume.read_uint8(Plane((0, 1))).tolist() == [[0, 255], [128, 255]]
    other = volume.with_intensity(IntensityMapping("contrast_limits", 0, 99))
    assert other.read_uint8(Plane((0, 1)))[1, 1] == 255
    assert volume.intensity is window


@pytest.mark.parametrize(
    ("data", "axes"),
    [
        (np.zeros((4, 4), complex), "auto"),
        (np.zeros((4, 4), object), "auto"),
        (np.zeros((0, 4, 4)), "auto"),
        (np.zeros(4), "auto"),
        (np.zeros((2,) * 6), "auto"),
        (np.zeros((2, 4, 4)), "cyx"),
        (np.zeros((2, 4, 4)), "yx"),
        (np.zeros((4, 4)), "yy"),
        ([[1, 2], [3, 4]], "auto"),
    ],
    ids=[
        "complex",
        "object",
        "empty",
        "1d",
        "6d",
        "channels",
        "letters",
        "twice",
        "list",
    ],
)
def test_images_that_cannot_be_segmented_are_refused_at_once(data, axes):
    with pytest.raises(ImageError, match="Expected"):
        Volume(data, axes)


def test_of_other_channels_than_colours_is_told_how_to_choose_one():
    with pytest.raises(ImageError, match=r"got 2\. .* open_image.*channel.* --channel"):
        Volume(np.zeros((2, 4, 4)), "cyx")


@pytest.mark.parametrize(
    "array",
    [np.zeros((5, 1)), np.ones((5, 5)), np.full((5, 5), np.nan)],
    ids=["one-wide", "constant", "nan"],
)
def test_planes_without_structure_are_refused_when_read(array):
    with pytest.raises(ImageError, match="Expected"):
        Volume(array).read_uint8(Plane((0, 1)))


def test_a_plane_outside_is_refused_before_anything_is_read():
    source = OnePlaneArray(gradient((3, 4, 5)))
    with pytest.raises(PlaneError):
        Volume(source).read(Plane((1, 2), (3,)))
    assert source.reads == 0


def test_a_broken_chunk_is_an_image_error():
    class Broken(OnePlaneArray):
        def __getitem__(self, index):
            raise OSError("chunk 7 is missing")

    with pytest.raises(ImageError, match="chunk 7 is missing"):
        Volume(Broken(gradient((3, 4, 5)))).read(Plane((1, 2), (0,)))


def test_a_broken_chunk_of_a_zarr_is_an_image_error(tmp_path):
    array = zarr.create_array(
        tmp_path / "a.zarr",
        data=gradient((3, 4, 5)),
        chunks=(1, 4, 5),
        zarr_format=2,
        compressors=numcodecs.Zlib(),
    )
    for chunk in (tmp_path / "a.zarr").glob("[0-9]*"):
        chunk.write_bytes(b"broken")
    with pytest.raises(ImageError, match="plane"):
        Volume(array).read(Plane((1, 2), (0,)))


@pytest.mark.parametrize(
    ("axes", "scale", "units", "spacing"),
    [
        ("zyx", (-5, 0.5, 0.5), ("um",) * 3, (5, 0.5, 0.5)),
        ("zyx", (5, 1, 1), ("pixel",) * 3, (5, 1, 1)),
        ("zyx", (2, 0.5, 0.5), ("pixel", "um", "um"), (1, 1, 1)),
        ("zyx", (200, 0.5, 0.5), ("nm", "um", "um"), (0.2, 0.5, 0.5)),
        ("zyx", (3, 0.5, 0.5), ("s", "um", "um"), (1, 1, 1)),
        ("tzyx", (60, 2, 0.5, 0.5), ("s", "um", "um", "um"), (0.5, 2, 0.5, 0.5)),
        ("tyx", (60, 0.5, 0.4), ("s", "um", "um"), (0.4, 0.5, 0.4)),
    ],
)
def test_spacing_is_the_scale_where_space_has_one_unit(axes, scale, units, spacing):
    assert spacing_of(axes, scale, units) == pytest.approx(spacing)
