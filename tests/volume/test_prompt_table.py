"""Prompts from tables: our own, and layers that napari saved."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Points, Shapes
from napari_builtins.io import napari_write_points, napari_write_shapes

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.volume.asking.prompt_table import PromptTable, read_prompt_table
from napari_sam_adapter.volume.planes.frame import Frame
from napari_sam_adapter.volume.planes.plane import Plane

if TYPE_CHECKING:
    from pathlib import Path

FLAT = Frame.of("yx", (20, 30))
VOLUME = Frame.of("zyx", (6, 20, 30))
SLICE = Plane((1, 2), (2,))
Read = Callable[..., PromptTable]
Refused = Callable[..., str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prompts.csv"


@pytest.fixture
def read(path: Path) -> Read:
    def read_text(text: str, frame: Frame = FLAT, encoding: str = "utf-8"):
        path.write_bytes(text.encode(encoding))
        return read_prompt_table(path, frame)

    return read_text


@pytest.fixture
def refused(read: Read) -> Refused:
    """Read a table that must fail, and return what is said."""

    def read_text(text: str, frame: Frame = FLAT, encoding: str = "utf-8") -> str:
        with pytest.raises(PromptError) as error:
            read(text, frame, encoding)
        return str(error.value)

    return read_text


def save(layer: Points | Shapes, path: Path) -> None:
    """Save a layer as *File > Save Selected Layers* does."""
    data, meta, _ = layer.as_layer_data_tuple()
    write = napari_write_points if isinstance(layer, Points) else napari_write_shapes
    assert write(str(path), data, meta) == str(path)


def flat(table: PromptTable) -> list:
    """Return the prompts of each object of a picture."""
    return [prompts for planes in table.objects for prompts in planes.values()]


def test_each_line_is_an_object_unless_the_table_says_more(read: Read) -> None:
    table = read("y,x\n3,4\n5.25,6\n")
    assert [prompts.points.tolist() for prompts in flat(table)] == [
        [[3, 4]],
        [[5.25, 6]],
    ]
    assert (table.names, table.numbers) == ([], [1, 2])


def test_lines_of_one_object_belong_together_wherever_they_stand(read: Read) -> None:
    table = read(
        "object,kind,z,y,x\nb,,2,3,4\na,point,1,5,5\nb,negative,2,9,9\nb,,4,1,1\n",
        VOLUME,
    )
    assert (table.names, table.numbers) == (["b", "a"], [1, 2])
    first = table.objects[0]
    assert list(first) == [SLICE, SLICE.at(0, 4)]
    np.testing.assert_array_equal(first[SLICE].points, [[3, 4], [9, 9]])
    np.testing.assert_array_equal(first[SLICE].signs, [True, False])


def test_a_second_corner_makes_a_box(read: Read) -> None:
    text = "object,kind,z,y,x,y2,x2\n1,box,2,12,25,4,8\n1,,2,6,9,,\n2,,3,1,1,9,9\n"
    one, two = read(text, VOLUME).objects
    assert one[SLICE].box == (4, 8, 12, 25)
    assert one[SLICE].points.tolist() == [[6, 9]]
    assert two[SLICE.at(0, 3)].box == (1, 1, 9, 9)


def test_boxes_of_slices_along_another_axis_have_their_own_corners(read: Read) -> None:
    along_y = Frame.of("zyx", (6, 20, 30), "y")
    (planes,) = read("z,y,x,z2,x2\n1,11,3,4,9\n", along_y).objects
    assert planes[Plane((0, 2), (11,))].box == (1, 3, 4, 9)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["5", "9"], [5, 9]),
        (["9", "5"], [9, 5]),
        (["1.0", "3.0"], [1, 3]),
        (["007", "8"], [1, 2]),
        (["0", "1"], [1, 2]),
        (["65536", "1"], [1, 2]),
        (["-1", "2"], [1, 2]),
    ],
)
def test_names_that_can_be_labels_are(read: Read, names, numbers) -> None:
    text = "".join(f"{name},1,{y}\n" for y, name in enumerate(names))
    assert read(f"object,y,x\n{text}").numbers == numbers


def test_names_are_kept_as_they_are_written(read: Read) -> None:
    table = read('object,y,x\n007,1,1\n"a, ""b""",2,2\n"two\nlines",3,3\n7,4,4\n')
    assert table.names == ["007", 'a, "b"', "two lines", "7"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("object;y;x\na;3;4,5\n", "utf-8-sig"),
        ("object\ty\tx\r\na\t3\t4,5\r\n", "utf-16"),
        ("object\ty\tx\r\na\t3\t4.5\r\n", "utf-8"),
        ("\r\n Object , Y , X \r\n\r\n a , 3 , 4.5 \r\n,,\r\n", "utf-8"),
        (",object,y,x\n0,a,3,4.5\n", "utf-8"),
        ("object,y,x\ra,3,4.5,,\r", "utf-8"),
        ("sep=;\r\nobject;y;x\r\na;3;4,5\r\n", "utf-8-sig"),
        ('object;index;y;x;"axes"\na;"1,2,3,4";3;4,5;\n', "utf-8"),
        ('object;y;x;"index"\na;3;4,5\n', "utf-8"),
    ],
    ids=[
        "semicolons",
        "Excel's Unicode",
        "tabs",
        "blanks",
        "pandas",
        "old ends",
        "told",
        "commas inside",
        "quoted",
    ],
)
def test_spreadsheets_may_save_it_their_way(read: Read, text, encoding) -> None:
    table = read(text, encoding=encoding)
    assert (table.names, table.left_out) == (["a"], [])
    assert flat(table)[0].points.tolist() == [[3, 4.5]]


def test_commas_inside_quotation_marks_part_nothing(read: Read) -> None:
    table = read('"Area, px, of, all";y;x\n7,5;3;4\n')
    assert table.left_out == ["area, px, of, all"]
    assert flat(table)[0].points.tolist() == [[3, 4]]


def test_the_line_for_excel_is_counted(refused: Refused) -> None:
    assert "line 3: " in refused("sep=;\ny;x\n1;a\n")


def test_whole_numbers_with_decimal_commas_are_labels(read: Read) -> None:
    assert read("object;y;x\n7,0;3;4\n9,0;5;6\n").numbers == [7, 9]
    assert read('object,y,x\n"7,0",3,4\n').names == ["7,0"]


def test_big_endian_text_is_read(read: Read, path: Path) -> None:
    path.write_bytes(codecs.BOM_UTF16_BE + "y\tx\n3\t4\n".encode("utf-16-be"))
    assert len(read_prompt_table(path, FLAT).objects) == 1


def test_columns_that_mean_nothing_are_left_out(read: Read) -> None:
    assert read("y,x,comment,objct\n1,2,hm,3\n").left_out == ["comment", "objct"]


def test_points_that_napari_saved_are_objects(path: Path) -> None:
    save(Points([[2.0, 3, 4], [5, 6.25, 7]], ndim=3), path)
    one, two = read_prompt_table(path, VOLUME).objects
    assert one[SLICE].points.tolist() == [[3, 4]]
    assert two[SLICE.at(0, 5)].points.tolist() == [[6.25, 7]]


def test_features_of_points_may_tell_object_and_kind(path: Path) -> None:
    features = {"object": [3, 3, 8], "kind": ["point", "negative", "point"]}
    save(Points([[3.0, 4], [9, 9], [5, 6]], features=features), path)
    table = read_prompt_table(path, FLAT)
    assert table.numbers == [3, 8]
    assert flat(table)[0].signs.tolist() == [True, False]
    save(Points([[3.0, 4], [5, 6]], features={"object": [3, 8]}), path)
    assert read_prompt_table(path, FLAT).numbers == [3, 8]


def test_points_of_the_widget_are_one_object(path: Path) -> None:
    features = {"polarity": ["positive", "negative"], "axes": ["0 1", "0 1"]}
    save(Points([[3.0, 4], [9, 9]], features=features), path)
    (prompts,) = flat(read_prompt_table(path, FLAT))
    assert prompts.signs.tolist() == [True, False]


def test_shapes_that_napari_saved_mean_what_they_mean_in_the_window(
    path: Path,
) -> None:
    ring = np.array([[2, 3, 4], [2, 3, 9], [2, 12, 9], [2, 12, 4]], float)
    shapes = Shapes(ndim=3)
    shapes.add(ring, shape_type="rectangle")
    shapes.add(ring, shape_type="ellipse")
    shapes.add(ring[:3], shape_type="polygon")
    shapes.add(ring[:2], shape_type="line")
    shapes.add(ring[:3], shape_type="path")
    save(shapes, path)
    table = read_prompt_table(path, VOLUME)
    box, ellipse, polygon, line, lines = (o[SLICE] for o in table.objects)
    assert box.box == ellipse.box == (3, 4, 12, 9)
    np.testing.assert_array_equal(polygon.polygons[0].corners, ring[:3, 1:])
    assert len(line.scribbles[0].path) == 2
    assert len(lines.scribbles[0].path) == 3
    assert table.numbers == [1, 2, 3, 4, 5]


def test_shapes_may_be_negative(read: Read) -> None:
    rows = "0,polygon,a,,1,1\n0,polygon,a,,1,9\n0,polygon,a,positive,9,9\n"
    beside = "1,{},a,negative,3,3\n1,{},a,,3,5\n1,{},a,,5,5\n"
    for kind in ("polygon", "path"):
        text = f"index,shape-type,object,kind,y,x\n{rows}{beside.replace('{}', kind)}"
        (prompts,) = flat(read(text))
        parts = *prompts.polygons, *prompts.scribbles
        assert [part.positive for part in parts] == [True, False]


def test_corners_of_boxes_mean_nothing_in_a_table_of_shapes(read: Read) -> None:
    text = "index,shape-type,y,x,y2,x2\n0,line,1,2,3,4\n0,line,5,2,3,4\n"
    assert read(text).left_out == ["y2", "x2"]


def test_points_without_a_name_are_refused(path: Path) -> None:
    save(Points([[3.0, 4], [5, 6]], features={"object": [3.0, np.nan]}), path)
    with pytest.raises(PromptError, match="line 3: Expected an object"):
        read_prompt_table(path, FLAT)


def test_numbers_of_napari_that_are_nearly_whole_are_on_their_slice(
    read: Read,
) -> None:
    text = "index,axis-0,axis-1,axis-2\n0.0,1.9999998807907104,3.0,4.0\n"
    assert list(read(text, VOLUME).objects[0]) == [SLICE]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "without a line"),
        (" \n\n", "without a line"),
        ("y,x\n", "below the first line"),
        ("a,b\n1,2\n", "a column for each axis, y, x, got a, b"),
        ("object,y\n1,2\n", "each axis"),
        ("z,y,x\n1,2,3\n", "axes 'yx', got a column z, too"),
        ("index,axis-0,axis-1,axis-2\n0,1,2,3\n", "got a column axis-2, too"),
        ("y,x,Y\n1,2,3\n", "one column y, got 2"),
        ("y,x\n1,a\n", "line 2: Expected a finite number as x, got 'a'"),
        ("y,x\n1,\n", "line 2: Expected a finite number as x, got ''"),
        ("y,x\n1\n", "line 2: Expected a finite number as x, got ''"),
        ("y,x\n1,nan\n", "line 2: Expected a finite number as x, got 'nan'"),
        ("y,x\n1,inf\n", "finite"),
        ("y,x\n1,2,3\n", "line 2: Expected 2 entries as in the first line, got 3"),
        ("y,x\n1,5,2,5\n", "line 2: Expected 2 entries"),
        ("y,x\n-1,2\n", "line 2: Expected a point inside the image of 20 x 30"),
        ("y,x\n\n1,2\n1,30\n", "line 4: Expected a point inside"),
        ("y,x\n1,99\n1,2\na,1\n-1,4\n", "line 2: Expected .* See lines 4, 5, too."),
        ("object,y,x\n,1,2\n", "line 2: Expected an object on every line"),
        ("object,y,x\nNaN,1,2\n", "line 2: Expected an object on every line, got NaN"),
        ('y,x,more\n1,2,"bad\n3,4,ok\n', "begins on line 2; is a quotation mark open"),
        ('y,x\n1,2\n"3"a,4\n', "begins on line 3; is a quotation mark open"),
        ("shape-type,y,x\nline,1,2\n", "a column index beside shape-type, got none"),
        ("index,shape-type,y,x\n,line,1,2\n", "line 2: Expected a number as index"),
        (
            "index,shape-type,object,kind,y,x\n0,ellipse,a,negative,1,2\n",
            "line 2: Expected no negative ellipse",
        ),
        (
            "index,shape-type,kind,y,x\n0,line,box,1,2\n",
            "line 2: Expected positive or negative as kind of a line, got 'box'",
        ),
        ("kind,y,x\nboxx,1,2\n", "line 2: .*got 'boxx'. Did you mean 'box'"),
        ("kind,y,x\nbox,1,2\n", "line 2: Expected a finite number as y2, got ''"),
        ("y,x,y2,x2\n1,2,3,\n", "line 2: Expected a finite number as x2"),
        ("kind,y,x,y2,x2\npoint,1,2,3,4\n", "line 2: .*Is it a box"),
        ("y,x,y2,x2\n1,2,1,9\n", "line 2: Expected a box with an area"),
        ("y,x,y2,x2\n40,40,50,50\n", "line 2: Expected a box that touches"),
        ("kind,y,x\nnegative,1,2\n", "line 2: .*no column named object"),
        ("object,kind,y,x\na,negative,1,2\n", "line 2: .*of object 'a'.*got none"),
        ("object,y,x,y2,x2\na,1,2,3,4\na,5,6,7,8\n", "line 3: Expected one box"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    refused: Refused, text: str, told: str
) -> None:
    message = refused(text)
    assert re.search(told, message)
    assert "prompts.csv" in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("z,y,x\n2.5,3,4\n", "line 2: Expected a whole number for Z"),
        ("z,y,x,z2,y2,x2\n2,3,4,3,9,9\n", "line 2: Expected all corners on one slice"),
        ("z,y,x,y2,x2\n9,3,4,9,9\n", "line 2: Expected"),
        ("object,kind,z,y,x\na,,2,3,4\na,negative,3,3,4\n", "line 3: .*object 'a'"),
        (
            "index,shape-type,vertex-index,axis-0,axis-1,axis-2\n"
            "0,path,0,1,2,3\n0,path,1,2,2,3\n",
            "line 2: Expected all corners on one slice",
        ),
        (
            "index,shape-type,vertex-index,axis-0,axis-1,axis-2\n0,star,0,1,2,3\n",
            "line 2: Expected rectangle, ellipse, polygon, path or line",
        ),
    ],
)
def test_what_is_wrong_in_a_volume_is_told(
    refused: Refused, text: str, told: str
) -> None:
    assert re.search(told, refused(text, VOLUME))


def test_other_encodings_and_missing_files_are_told(
    refused: Refused, path: Path
) -> None:
    assert "UTF-8" in refused("object,y,x\nKörper,1,2\n", encoding="cp1252")
    path.unlink()
    with pytest.raises(PromptError, match="No such file"):
        read_prompt_table(path, FLAT)
    with pytest.raises(PromptError, match="cannot be read"):
        read_prompt_table(path.parent, FLAT)
