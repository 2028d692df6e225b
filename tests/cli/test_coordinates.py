from __future__ import annotations

import numpy as np
import pytest

from napari_sam_adapter.cli.inputs.coordinates import (
    parse_box,
    parse_point,
    read_objects,
)
from napari_sam_adapter.errors import PlaneError, PromptError
from napari_sam_adapter.volume.planes.frame import Frame
from napari_sam_adapter.volume.planes.plane import Plane

FLAT = Frame.of("yx", (20, 30))
VOLUME = Frame.of("zyx", (6, 20, 30))
SERIES = Frame.of("tzyx", (4, 6, 20, 30))


@pytest.mark.parametrize(
    ("frame", "shown", "sliced"),
    [
        (FLAT, (0, 1), None),
        (VOLUME, (1, 2), 0),
        (SERIES, (2, 3), 1),
        (Frame.of("zyx", (6, 20, 30), "y"), (0, 2), 1),
        (Frame.of("zyx", (6, 20, 30), "2"), (0, 1), 2),
        (Frame.of("tzyx", (4, 6, 20, 30), "t"), (2, 3), 0),
    ],
    ids=["flat", "volume", "series", "along y", "along x", "along time"],
)
def test_slices_show_the_last_two_of_the_other_axes(
    frame: Frame, shown: tuple[int, int], sliced: int | None
) -> None:
    assert (frame.shown, frame.sliced) == (shown, sliced)


@pytest.mark.parametrize("axis", ["q", "3", "-1", ""])
def test_an_axis_that_is_not_there_is_refused(axis: str) -> None:
    with pytest.raises(PlaneError, match="axis"):
        Frame.of("zyx", (6, 20, 30), axis)


def test_a_flat_image_has_no_axis_to_slice_along() -> None:
    with pytest.raises(PlaneError, match="2-D"):
        Frame.of("yx", (20, 30), "y")


def test_a_point_lands_on_its_slice() -> None:
    (prompts,) = read_objects(SERIES, ["3,5,10.5,20"])
    (asked,) = prompts.values()
    assert list(prompts) == [Plane((2, 3), (3, 5))]
    np.testing.assert_array_equal(asked.points, [[10.5, 20]])


def test_a_point_of_an_image_sliced_along_y_shows_z_and_x() -> None:
    (prompts,) = read_objects(Frame.of("zyx", (6, 20, 30), "y"), ["4,11,25"])
    (asked,) = prompts.values()
    assert list(prompts) == [Plane((0, 2), (11,))]
    np.testing.assert_array_equal(asked.points, [[4, 25]])


@pytest.mark.parametrize(
    "text",
    ["", "1", "1,2", "1,2,3,4", "a,2,3", "nan,2,3", "1,inf,3", "1;2;3", "1,2,"],
)
def test_a_malformed_point_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match="3 finite numbers Z,Y,X"):
        parse_point(VOLUME, text)


@pytest.mark.parametrize("text", ["-1,2,3", "6,2,3", "1,20,3", "1,2,30"])
def test_a_point_outside_the_image_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match="inside the image of 6 x 20 x 30"):
        parse_point(VOLUME, text)


@pytest.mark.parametrize(
    ("frame", "text", "axis"),
    [
        (VOLUME, "2.5,4,8", "Z"),
        (VOLUME, "1e-9,4,8", "Z"),
        (Frame.of("zyx", (6, 20, 30), "y"), "4.5,11.5,25.5", "Y"),
    ],
)
def test_a_point_between_slices_is_refused(frame: Frame, text: str, axis: str) -> None:
    with pytest.raises(PromptError, match=f"whole number for {axis}"):
        parse_point(frame, text)
    with pytest.raises(PromptError, match=f"whole number for {axis}"):
        parse_box(frame, f"{text}:{text}")


def test_a_box_lies_between_its_corners() -> None:
    (prompts,) = read_objects(VOLUME, [], boxes=["2,12,25:2,4,8"])
    assert prompts[Plane((1, 2), (2,))].box == (4, 8, 12, 25)


@pytest.mark.parametrize("text", ["2,4,8", "2,4,8:2,12", "2,4,8:2,9,9:2,12,25", ":"])
def test_a_malformed_box_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match="Expected"):
        parse_box(VOLUME, text)


def test_a_box_over_two_slices_is_refused() -> None:
    with pytest.raises(PromptError, match="on one slice"):
        parse_box(VOLUME, "2,4,8:3,12,25")


def test_a_box_beside_the_image_is_refused() -> None:
    with pytest.raises(PromptError, match="touches"):
        read_objects(VOLUME, [], boxes=["2,40,40:2,50,50"])


def test_all_prompts_belong_to_one_object() -> None:
    (prompts,) = read_objects(VOLUME, ["1,5,5", "4,6,6"], ["1,9,9"], ["4,2,2:4,8,8"])
    first, second = prompts[Plane((1, 2), (1,))], prompts[Plane((1, 2), (4,))]
    np.testing.assert_array_equal(first.signs, [True, False])
    assert (first.box, second.box) == (None, (2, 2, 8, 8))


def test_separate_prompts_are_separate_objects() -> None:
    objects = read_objects(
        VOLUME, ["1,5,5", "1,6,6"], boxes=["1,2,2:1,8,8"], separate=True
    )
    asked = [prompts[Plane((1, 2), (1,))] for prompts in objects]
    assert [len(prompts.points) for prompts in asked] == [1, 1, 0]
    assert asked[2].box == (2, 2, 8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": []}, "no prompt"),
        ({"points": [], "negatives": ["1,2,3"]}, "only where it is not"),
        ({"points": ["1,2,3"], "negatives": ["2,2,3"]}, "every slice"),
        (
            {"points": ["1,2,3"], "negatives": ["1,5,5"], "separate": True},
            "--separate or --negative",
        ),
        (
            {"points": [], "boxes": ["1,2,2:1,8,8", "1,3,3:1,9,9"]},
            "one box around the whole object",
        ),
    ],
    ids=["none", "only negative", "negative elsewhere", "both", "two boxes"],
)
def test_prompts_that_make_no_sense_are_refused(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(PromptError, match=message):
        read_objects(VOLUME, **options)
