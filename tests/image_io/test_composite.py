"""Several channels as the colours of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from tests.fakes import DiskPredictor
from tests.volume.test_planes import OnePlaneArray

from napari_sam_adapter.errors import ImageError, SessionError
from napari_sam_adapter.image_io import OpenedImage, open_image
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.intensity import PLANE, IntensityMapping
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

STACK = np.random.default_rng(0).integers(0, 4000, (5, 4, 30, 40)).astype(np.uint16)
STACK[:, 1] *= 10
"""Four channels, one of them brighter."""


def opened(data: npt.ArrayLike, axes: str = "zcyx") -> OpenedImage:
    lazy = LazyArray(np.asarray(data), "cells")
    letters = [letter for letter in axes if letter != "c" or lazy.shape[-1] not in (3,)]
    return OpenedImage(
        lazy, axes, (2.0,) * len(letters), ("um",) * len(letters), "cells"
    )


def as_seen(channel: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Return a channel as it is seen when it is alone."""
    volume = Volume(channel)
    places = np.ndindex(*volume.shape[:-2])
    axes = volume.ndim - 2, volume.ndim - 1
    planes = [volume.read_uint8(Plane(axes, place)) for place in places]
    return np.stack(planes).reshape(channel.shape)


def test_each_channel_is_seen_as_it_is_alone() -> None:
    both = opened(STACK).composite((0, 1))
    assert (both.axes, both.label_axes, both.channels) == ("zyxc", "zyx", 0)
    assert (both.scale, both.units) == ((2.0,) * 3, ("um",) * 3)
    assert (both.data.shape, both.data.dtype) == ((5, 30, 40, 3), np.uint8)
    first, second = as_seen(STACK[:, 0]), as_seen(STACK[:, 1])
    np.testing.assert_array_equal(both.data, np.stack([first, first, second], -1))


def test_three_channels_are_red_green_and_blue() -> None:
    three = opened(STACK).composite((3, 0, 1))
    wanted = [as_seen(STACK[:, number]) for number in (3, 0, 1)]
    np.testing.assert_array_equal(three.data, np.stack(wanted, axis=-1))
    again = opened(STACK).composite((3, 3, 1))
    np.testing.assert_array_equal(again.data, opened(STACK).composite((3, 1)).data)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, 4])
def test_channels_may_be_any_axis(axis: int) -> None:
    times = np.stack([STACK, STACK[::-1]])  # tzcyx
    letters = "tzyx"[:axis] + "c" + "tzyx"[axis:]
    data = np.moveaxis(times[:, :, :2], 2, axis)
    both = opened(data, letters).composite((0, 1))
    assert both.axes == "tzyxc"
    seen = as_seen(times[:, :, 1])
    np.testing.assert_array_equal(both.data[..., 2], seen)
    np.testing.assert_array_equal(both.data[1, 2, 3:5, 7, 2], seen[1, 2, 3:5, 7])
    assert both.data[1, 2, 3, 4, 2] == seen[1, 2, 3, 4]


def test_pictures_and_colours_have_channels_too() -> None:
    picture = opened(STACK[0], "cyx").composite((0, 2))
    assert (picture.axes, picture.data.shape) == ("yxc", (30, 40, 3))
    colours = opened(np.moveaxis(STACK[0, :3], 0, -1), "yxc")
    np.testing.assert_array_equal(colours.composite((0, 2)).data, picture.data)


def test_only_the_plane_that_is_asked_for_is_read() -> None:
    class Large(OnePlaneArray):
        """Four channels of 1.5 TB each, of which one plane is made at a time."""

        def __init__(self) -> None:
            super().__init__(STACK)
            self.shape = 300, 4, 50_000, 50_000

        def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[np.uint16]:
            return super().__getitem__((index[0] % 5, index[1]))

    source = Large()
    image = OpenedImage(LazyArray(source, "cells"), "zcyx", (1.0,) * 4, ("um",) * 4)
    both = image.composite((0, 1))
    assert (both.data.shape, source.reads) == ((300, 50_000, 50_000, 3), 0)
    both.data[7]
    estimating = 2 * 5  # five planes of each channel tell its window, once
    assert source.reads == estimating + 2
    both.data[8, :, :, 0]
    assert source.reads == estimating + 3


def test_chosen_windows_are_used() -> None:
    windows = [IntensityMapping("contrast_limits", 0, high) for high in (100, 50_000)]
    both = opened(STACK).composite((0, 1), windows)
    np.testing.assert_array_equal(both.data[2, ..., 0], windows[0].apply(STACK[2, 0]))
    np.testing.assert_array_equal(both.data[2, ..., 2], windows[1].apply(STACK[2, 1]))
    assert both.channel_windows is not None
    assert both.channel_windows.each == tuple(windows)
    assert both.channel(1).channel_windows is None


def test_all_levels_of_a_pyramid_share_their_windows(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    names = [{"name": letter} for letter in "cyx"]
    datasets = [{"path": "0"}, {"path": "1"}]
    group.attrs["multiscales"] = [{"axes": names, "datasets": datasets}]
    fine = np.random.default_rng(0).integers(0, 99, (2, 1200, 1200)).astype(np.uint16)
    fine[:, ::2] += 4000  # what the coarser level does not show
    for number, data in enumerate((fine, fine[:, 1::2, 1::2])):
        group.create_array(str(number), shape=data.shape, dtype=data.dtype)[...] = data
    both = open_image(tmp_path / "a.zarr").composite((0, 1))
    coarse = both.level(1)
    assert (coarse.axes, coarse.data.shape) == ("yxc", (600, 600, 3))
    assert coarse.scale == (2.0, 2.0)
    np.testing.assert_array_equal(both.data[1::2, 1::2], coarse.data)
    assert np.ptp(np.asarray(coarse.data)) == 255
    assert Volume(both).level_shapes == ((600, 600),)
    first = open_image(tmp_path / "a.zarr").level(1).composite((0, 1))
    assert first.scale == coarse.scale
    np.testing.assert_array_equal(first.data, coarse.data)


def test_windows_are_the_same_whether_level_or_channels_are_chosen_first() -> None:
    rng = np.random.default_rng(0)
    fine = rng.gamma(1, 500, (2, 600, 600)).astype(np.uint16)
    levels = [fine, fine.reshape(2, 300, 2, 300, 2).mean((2, 4)).astype(np.uint16)]
    levels.append(levels[-1][:, ::2, ::2])
    lazy, *coarser = (LazyArray(level, "cells") for level in levels)
    image = OpenedImage(
        lazy, "cyx", (1.0,) * 3, ("um",) * 3, "cells", levels=tuple(coarser)
    )
    wanted = image.composite((0, 1)).level(2)
    for other in (
        image.level(2).composite((0, 1)),
        image.level(1).composite((0, 1)).level(1),
        image.level(1).level(1).composite((0, 1)),
    ):
        np.testing.assert_array_equal(other.data, wanted.data)
        assert (other.scale, other.levels) == (wanted.scale, ())
    again = image.composite((0, 1)).level(1).composite((0, 2))
    assert (again.axes, again.data.shape) == ("yxc", (300, 300, 3))


def test_nan_is_black_and_an_empty_channel_too() -> None:
    data = np.stack([STACK[:, 0].astype(float), np.full(STACK[:, 0].shape, np.nan)], 1)
    data[0, 0, 3, 4] = np.nan
    with np.errstate(all="raise"):
        both = np.asarray(opened(data).composite((0, 1)).data)
    assert both[0, 3, 4].tolist() == [0, 0, 0]
    assert (both[..., 0].max(), both[..., 2].max()) == (255, 0)
    data[:, 1] = 7.0
    assert opened(data).composite((0, 1)).data[..., 2].max() == 0


def test_a_broken_plane_leaves_the_others() -> None:
    class Broken(OnePlaneArray):
        def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[np.uint16]:
            if index[0] == 4:
                raise OSError("truncated")
            return STACK[index]

    image = OpenedImage(LazyArray(Broken(STACK), "a"), "zcyx", (1.0,) * 4, ("um",) * 4)
    both = image.composite((0, 1))
    assert np.ptp(both.data[3]) == 255
    with pytest.raises(ImageError, match="truncated"):
        both.data[4]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((), "two or three channels as colours, got 0"),
        ((1,), "two or three channels as colours, got 1"),
        ((0, 1, 2, 3), "two or three channels as colours, got 4"),
        ((0, 4), "from 0 to 3, got 4"),
        ((-1, 0), "from 0 to 3, got -1"),
    ],
)
def test_channels_that_cannot_be_colours_are_refused(
    numbers: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        opened(STACK).composite(numbers)


def test_an_image_without_channels_and_complex_ones_are_refused() -> None:
    with pytest.raises(ImageError, match="of an image that has some, got 0"):
        opened(STACK[:, 0], "zyx").composite((0, 1))
    with pytest.raises(ImageError, match="real numbers, got complex64"):
        opened(STACK.astype(np.complex64)).composite((0, 1))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_is_a_window_for_each_channel(count: int) -> None:
    with pytest.raises(ImageError, match="2 windows that hold for all planes"):
        opened(STACK).composite((0, 1), [IntensityMapping()] * count)


def test_a_window_of_each_plane_is_refused() -> None:
    with pytest.raises(ImageError, match=r"hold for all planes.* got plane, as_is"):
        opened(STACK).composite((0, 1), [IntensityMapping(PLANE), IntensityMapping()])


def test_a_journal_knows_which_channels_its_image_is_made_of(tmp_path: Path) -> None:
    path, journal = tmp_path / "cells.tif", tmp_path / "journal.jsonl"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZCYX"})
    predictor = DiskPredictor()
    session = Session(open_image(path).composite((0, 2)), predictor, journal=journal)
    plane = Plane((1, 2), (3,))
    row, column = np.argwhere(predictor_sees(session, plane) > 200)[0]
    nucleus = session.new_object()
    session.add_point(nucleus, plane, (row, column))
    session.mask(nucleus, plane)
    assert session.labels.any()
    again = replay(journal, Volume(open_image(path).composite((0, 2))), predictor)
    np.testing.assert_array_equal(again.labels, session.labels)
    for other in ((0, 1), (2, 0)):
        with pytest.raises(SessionError, match="other channels or windows"):
            replay(journal, Volume(open_image(path).composite(other)), predictor)


def predictor_sees(session: Session, plane: Plane) -> npt.NDArray[np.float64]:
    return session.volume.read_uint8(plane).mean(axis=-1)
