from __future__ import annotations

import pytest

from napari_sam_adapter.cli.jobs.segmentation import plan_propagation
from napari_sam_adapter.errors import PlaneError
from napari_sam_adapter.volume.planes.frame import Frame
from napari_sam_adapter.volume.planes.plane import Plane

VOLUME = Frame.of("zyx", (20, 8, 8))


def plane(index: int) -> Plane:
    return Plane((1, 2), (index,))


def ranges(*indices: int, start: int | None = None, stop: int | None = None) -> list:
    plans = plan_propagation([plane(index) for index in indices], VOLUME, start, stop)
    return [(plan.seed.position[0], plan.start, plan.stop) for plan in plans]


def test_one_prompted_slice_is_followed_through_the_volume() -> None:
    assert ranges(5) == [(5, 0, 19)]


def test_all_prompted_slices_belong_to_one_stretch() -> None:
    assert ranges(12, 2) == [(2, 0, 19)]


def test_propagation_keeps_to_the_range_that_is_asked_for() -> None:
    assert ranges(5, start=3, stop=9) == [(5, 3, 9)]


def test_time_points_are_followed_one_by_one() -> None:
    frame = Frame.of("tzyx", (4, 20, 8, 8))
    planes = [Plane((2, 3), (0, 5)), Plane((2, 3), (1, 7))]
    plans = plan_propagation(planes, frame, None, None)
    assert [plan.seed for plan in plans] == planes
    assert all((plan.axis, plan.start, plan.stop) == (1, 0, 19) for plan in plans)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (6, 20), (9, 3), (6, 9), (0, 4)])
def test_a_range_without_sense_is_refused(start: int, stop: int) -> None:
    with pytest.raises(PlaneError, match="--start"):
        ranges(5, start=start, stop=stop)


def test_a_flat_image_cannot_be_propagated_through() -> None:
    with pytest.raises(PlaneError, match="2-D"):
        plan_propagation([Plane((0, 1))], Frame.of("yx", (8, 8)), None, None)
