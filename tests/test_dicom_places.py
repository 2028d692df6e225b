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


@pytest.mark.parametrize("counted", [[[1, 2], [2, 3]], [[5, 6], [1, 2]]])
def test_acquisitions_do_not_matter_where_times_are_planned(
    tmp_path: Path, counted: list[list[int]]
) -> None:
    for z, numbers in enumerate(counted):
        for t, number in enumerate(numbers):
            when = {BY_PLAN: t + 1, BY_COUNT: number}
            save_slice(tmp_path, 100 * t + z, (0, 0, 2.0 * z), **when)
    assert seen(open_image(tmp_path)) == [[0, 1], [100, 101]]


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
