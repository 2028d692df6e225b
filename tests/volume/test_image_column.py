"""Tables of prompts for several images: which lines are for one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_sam_adapter as nsa

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.zeros((20, 30), np.uint8)
TABLE = "image,object,y,x\na.tif,1,3,4\nb.tif,1,5,6\na.tif,2,7,8\n"
Places = Callable[..., list]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prompts.csv"


@pytest.fixture
def places(path: Path) -> Places:
    """Write a table, and return the points that are read of it."""

    def read(text: str, name: str | None = None, image=PICTURE) -> list:
        path.write_text(text)
        asked = nsa.read_prompts(path, image, name=name).on()
        return [prompts.points.tolist() for prompts in asked.values()]

    return read


@pytest.mark.parametrize(
    "name", ["a.tif", "pictures/a.tif", "pictures\\a.tif", "A.TIF"]
)
def test_only_the_lines_of_the_image_are_read(places: Places, name: str) -> None:
    assert places(TABLE, name) == [[[3, 4]], [[7, 8]]]


def test_the_suffix_may_be_left_out(places: Places) -> None:
    assert places(TABLE.replace(".tif", ""), "b.ome.tif") == [[[5, 6]]]


def test_the_whole_name_goes_before_the_one_without_suffix(places: Places) -> None:
    table = "image,y,x\na,1,1\na.tif,2,2\na.png,3,3\n"
    assert places(table, "a.tif") == [[[2, 2]]]


def test_the_column_of_an_opened_image_needs_no_name(
    places: Places, tmp_path: Path
) -> None:
    file = tmp_path / "b.tif"
    nsa.save_labels(file, PICTURE)
    assert places(TABLE, image=nsa.open_image(file)) == [[[5, 6]]]


def test_lines_of_other_images_need_not_fit(places: Places) -> None:
    table = TABLE.replace("b.tif,1,5,6", "b.tif,1,500,none,and,more")
    assert places(table, "a.tif") == [[[3, 4]], [[7, 8]]]


def test_a_table_of_one_image_fits_an_array_without_a_name(places: Places) -> None:
    assert places("image,y,x\na.tif,3,4\n") == [[[3, 4]]]


def test_lines_are_counted_as_in_the_whole_table(places: Places) -> None:
    with pytest.raises(nsa.SamAdapterError, match=r"line 3: .*finite number as x"):
        places(TABLE.replace("5,6", "5,?"), "b.tif")


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        (None, TABLE, r"which image.*got 2 in the column image: a\.tif, b\.tif"),
        ("c.tif", TABLE, r"lines for c\.tif in the column image, got a\.tif, b\.tif"),
        ("c.tif", "image,y,x\na.tif,3,4\n", r"got a\.tif\..*take the column .*out"),
        ("a.tif", "image,y,x\n1/a.tif,3,4\n2/a.tif,3,4\n", r"got 1/a\.tif, 2/a\.tif"),
        ("a.tif", "image,y,x\na.tif,3,4\n,3,4\n", r"line 3: .*image on every line"),
        ("a.tif", "image,y,x,Image\na.tif,3,4,\n", "one column image, got 2"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    places: Places, name: str | None, table: str, words: str
) -> None:
    with pytest.raises(nsa.SamAdapterError, match=words):
        places(table, name)
