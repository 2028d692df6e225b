"""Which slices of a DICOM series lie at one place, and which belong to one time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.dicom_files import AXIAL, ct_slices, save

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_sam_adapter.image_io import OpenedImage


def save_slice(
    folder: Path, value: int, corner: Iterable[float], **others: Any
) -> None:
    """Write a slice of one value, whose file is named by the value."""
    found = next(ct_slices(np.full((1, 10, 12), value), **others))
    found.ImagePositionPatient = [round(x, 9) for x in corner]
    save(found, folder / f"{value:04}.dcm")


def open_times(folder: Path, told: dict[int, list[int]], name: str) -> OpenedImage:
    """Open slices of values 100 t + z, each place z with the times t of it."""
    for z, times in told.items():
        for t in times:
            number = {"InstanceNumber": 50 * t + z, name: t}
            save_slice(folder, 100 * t + z, (0, 0, 2.0 * z), **number)
    return open_image(folder)


def seen(image: OpenedImage) -> list[Any]:
    found: list[Any] = np.asarray(image.data)[..., 0, 0].tolist()
    return found


BY_PLAN, BY_COUNT = "TemporalPositionIdentifier", "AcquisitionNumber"


@pytest.mark.parametrize("name", [BY_PLAN, BY_COUNT])
def test_times_that_lack_slices_elsewhere_are_not_mixed(
    tmp_path: Path, name: str
) -> None:
    image = open_times(tmp_path, {0: [2, 3, 4], 1: [1, 2, 4], 2: [1, 3, 4]}, name)
    assert seen(image) == [400, 401, 402]
    assert "3 times of 4" in image.problem


def test_no_whole_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="got 2, and nothing tells which belong"):
        open_times(tmp_path, {0: [1, 2], 1: [2, 3], 2: [1, 3]}, BY_COUNT)


def test_times_of_other_numbers_are_other_times(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="got 2, and nothing tells which belong"):
        open_times(tmp_path, {0: [1, 2], 1: [3, 4]}, BY_PLAN)


def test_acquisitions_may_be_counted_on_from_place_to_place(tmp_path: Path) -> None:
    told = {0: [1, 2], 1: [1, 2], 2: [3, 4]}
    image = open_times(tmp_path, told, BY_COUNT)
    assert seen(image) == [[100, 101, 302], [200, 201, 402]]
    assert not image.problem


@pytest.mark.parametrize("counted", [[[1, 2], [1, 3]], [[5, 6], [1, 2]]])
def test_acquisitions_do_not_matter_where_times_are_planned(
    tmp_path: Path, counted: list[list[int]]
) -> None:
    for z, numbers in enumerate(counted):
        for t, number in enumerate(numbers):
            when = {BY_PLAN: t + 1, BY_COUNT: number}
            save_slice(tmp_path, 100 * t + z, (0, 0, 2.0 * z), **when)
    image = open_image(tmp_path)
    assert (seen(image), image.problem) == ([[0, 1], [100, 101]], "")
    (tmp_path / "0101.dcm").unlink()
    assert seen(open_image(tmp_path)) == [0, 1]


def test_several_images_of_one_acquisition_are_not_shared_out(tmp_path: Path) -> None:
    for z, numbers in enumerate([[1, 1, 2], [1, 2, 2]]):
        for t, number in enumerate(numbers):
            when = {"InstanceNumber": 10 * t + z, BY_COUNT: number}
            save_slice(tmp_path, 100 * t + z, (0, 0, 2.0 * z), **when)
    with pytest.raises(ImageError, match="got 3, and nothing tells"):
        open_image(tmp_path)


@pytest.mark.parametrize(("name", "is_told"), [(BY_PLAN, True), (BY_COUNT, False)])
def test_one_volume_of_several_times_is_told(
    tmp_path: Path, name: str, is_told: bool
) -> None:
    image = open_times(tmp_path, {0: [1], 1: [2], 2: [2]}, name)
    assert seen(image) == [100, 201, 202]
    assert ("of different times" in image.problem) == is_told


OBLIQUE = (0.955336, 0.29552, 0.0, -0.236416, 0.764269, 0.6)
"""As written with six digits."""


@pytest.mark.parametrize(
    ("directions", "corners"),
    [
        (AXIAL, [(-20, -30, z) for z in (12.345678, 12.345679) * 2]),
        (AXIAL, [(0, 0, 50 + 1e-5 * i) for i in range(4)]),
        (AXIAL, [(0, 0, 50 + 1e-3 * (i % 2)) for i in range(4)]),
        (OBLIQUE, [np.multiply(OBLIQUE[:3], 73.3 * i).round(6) for i in range(4)]),
        (OBLIQUE, [np.multiply(OBLIQUE[3:], 1e-3 * i).round(6) for i in range(4)]),
    ],
    ids=["digits", "ever farther", "jitter", "shifted", "shifted a little"],
)
def test_places_that_differ_by_rounding_are_one(
    tmp_path: Path, directions: Any, corners: Any
) -> None:
    for t, corner in enumerate(corners):
        when = {"InstanceNumber": t + 1, "directions": directions}
        save_slice(tmp_path, t, corner, **when)
    image = open_image(tmp_path)
    assert (image.axes, seen(image)) == ("tyx", [0, 1, 2, 3])


@pytest.mark.parametrize("pixel", [1.0, 1e-3, 1e-5])
def test_slices_are_told_apart_at_any_size(tmp_path: Path, pixel: float) -> None:
    """Every time in places that jitter by a thousandth of a pixel."""
    for t in range(2):
        for z in range(3):
            corner = 0, 0, (z + 0.001 * t) * pixel
            told = {"InstanceNumber": t + 1, "PixelSpacing": [pixel, pixel]}
            save_slice(tmp_path, 100 * t + z, corner, **told)
    image = open_image(tmp_path)
    assert seen(image) == [[0, 1, 2], [100, 101, 102]]
    assert image.scale[1:] == pytest.approx((pixel,) * 3)


@pytest.mark.parametrize(
    ("heights", "axes", "lengths"),
    [
        ((0, 0.008, 2, 2.008), "tzyx", (2, 2)),  # of 0.01 mm
        ((0, 0.012, 2, 2.012), "zyx", (4,)),
        ((0, 0.0056, 0.6, 0.6056), "tzyx", (2, 2)),  # of a hundredth of a gap
        ((0, 0.0064, 0.6, 0.6064), "zyx", (4,)),
        ((0, 0.0024, 0.0048), "tyx", (3,)),  # of a hundredth of a pixel
        ((0, 0.0026, 0.0052), "zyx", (3,)),
    ],
)
def test_how_near_slices_of_one_place_are(
    tmp_path: Path, heights: Any, axes: str, lengths: tuple[int, ...]
) -> None:
    for i, z in enumerate(heights):
        save_slice(tmp_path, i, (0, 0, z), InstanceNumber=i + 1)
    image = open_image(tmp_path)
    assert (image.axes, image.data.shape[:-2]) == (axes, lengths)


@pytest.mark.parametrize(("step", "axes"), [(9e-4, "tyx"), (1.1e-3, "zyx")])
def test_places_without_a_size_of_pixels(
    tmp_path: Path, step: float, axes: str
) -> None:
    for i in range(3):
        save_slice(tmp_path, i, (0, 0, step * i), PixelSpacing="")
    assert open_image(tmp_path).axes == axes


@pytest.mark.parametrize(
    ("corner", "told"),
    [
        ((0, 0, 6.03), ""),
        ((0, 0, 6.05), "one may be missing"),
        ((0, 0, 5.95), "one may be missing"),
        ((0.12, 0, 6), ""),
        ((0.13, 0, 6), "shifted against each other"),
    ],
)
def test_slices_beside_their_place_are_told(
    tmp_path: Path, corner: Any, told: str
) -> None:
    last = (0, 0, corner[2] + 2)
    for i, place in enumerate([(0, 0, 0), (0, 0, 2), (0, 0, 4), corner, last]):
        save_slice(tmp_path, i, place)
    problem = open_image(tmp_path).problem
    assert told in problem
    assert bool(told) == bool(problem)


@pytest.mark.parametrize(
    ("other", "is_alike"),
    [
        ({"directions": (1, 0.004, 0, -0.004, 1, 0)}, True),
        ({"directions": (1, 0.006, 0, -0.006, 1, 0)}, False),
        ({"PixelSpacing": [0.5004, 0.25]}, True),
        ({"PixelSpacing": [0.5006, 0.25]}, False),
    ],
)
def test_how_alike_slices_of_one_image_are(
    tmp_path: Path, other: Any, is_alike: bool
) -> None:
    for i in range(4):
        save_slice(tmp_path, i, (0, 0, 2 * i), **(other if i == 3 else {}))
    image = open_image(tmp_path)
    assert len(image.data) == (4 if is_alike else 3)
    assert ("left out" in image.problem) != is_alike


@pytest.mark.parametrize(
    ("directions", "are_used"),
    [
        ((np.sqrt(1.009), 0, 0, 0, 1, 0), True),
        ((np.sqrt(1.011), 0, 0, 0, 1, 0), False),
        ((1, 0, 0, 0.009, 1, 0), True),
        ((1, 0, 0, 0.011, 1, 0), False),
    ],
)
def test_how_right_directions_are(
    tmp_path: Path, directions: Any, are_used: bool
) -> None:
    rounded = [round(float(x), 6) for x in directions]
    save_slice(tmp_path, 1, (0, 0, 0), directions=rounded)
    assert (open_image(tmp_path).affine is not None) == are_used
