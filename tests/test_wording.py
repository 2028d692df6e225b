from __future__ import annotations

import pytest

from napari_sam_adapter.wording import (
    any_of,
    counted,
    did_you_mean,
    numbered,
    readable_size,
    sized,
    spoken_time,
    stopped,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (40_728_226, "41 MB"), (999_700, "1 MB"), (2.5e9, "2.50 GB")],
)
def test_sizes_are_for_people(size: float, text: str) -> None:
    assert readable_size(size) == text


def test_the_size_of_an_array_is_a_product() -> None:
    assert sized((40, 160, 160)) == "40 x 160 x 160"


@pytest.mark.parametrize(
    ("count", "one", "text"),
    [
        (0, "slice", "0 slices"),
        (1, "slice", "1 slice"),
        (2, "box", "2 boxes"),
        (2, "nucleus", "2 nuclei"),
        (2, "polarity", "2 polarities"),
        (1, "mask prompt", "1 mask prompt"),
        (12_345, "voxel", "12,345 voxels"),
    ],
)
def test_a_count_and_its_noun_agree(count: int, one: str, text: str) -> None:
    assert counted(count, one) == text


def test_things_are_called_by_their_numbers() -> None:
    assert numbered("object", [3]) == "object 3"
    assert numbered("Object", (3, 4)) == "Objects 3, 4"
    assert numbered("object", range(1, 9)) == "objects 1, 2, 3, 4, 5 and 3 more"


@pytest.mark.parametrize("name", ["vitb", "vit-b", "VIT_B", "vit_bb"])
def test_a_misspelt_name_is_asked_back(name: str) -> None:
    known = ["tiny", "vit_h", "vit_b", "mobile_sam"]
    assert did_you_mean(name, known) == " Did you mean 'vit_b'?"


def test_a_name_like_no_other_is_not_guessed_at() -> None:
    assert did_you_mean("my_model.pth", ["tiny", "vit_b"]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (59, "59 s"),
        (59.7, "1 min"),
        (61, "1 min"),
        (3600, "1 h 0 min"),
        (5000, "1 h 23 min"),
    ],
)
def test_times_are_told_as_one_says_them(seconds: float, text: str) -> None:
    assert spoken_time(seconds) == text


@pytest.mark.parametrize(
    ("total", "text"),
    [(2000, "Stopped after 1,500 of 2,000 slices. Gone."), (0, "Stopped. Gone.")],
)
def test_stopped_work_says_how_far_it_came(total: int, text: str) -> None:
    assert stopped(1500, total, "slices", "Gone.") == text


def test_alternatives_are_told_as_in_a_sentence():
    assert any_of(["a"]) == "a"
    assert any_of(["a", "b", "c"]) == "a, b or c"
