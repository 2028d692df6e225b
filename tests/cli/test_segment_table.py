"""`segment --prompts`: a table in, labels of all its objects out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]
Refused = Callable[..., str]
TABLE = "object,z,y,x,notes\nleft,5,12,12,round\nright,6,26,34,\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "labels.tif"


def test_a_table_gives_the_labels_of_the_same_options(
    run: Run, volume: Path, table: Path, output: Path, tmp_path: Path
) -> None:
    follow = "--propagate", "--start", 3, "--stop", 8
    assert run("segment", volume, "--prompts", table, *follow, "-o", output) == 0
    points = "-p", "5,12,12", "-p", "6,26,34", "--separate"
    other = tmp_path / "other.tif"
    assert run("segment", volume, *points, *follow, "-o", other) == 0
    labels = np.asarray(open_image(output).data)
    assert sorted(np.unique(labels)) == [0, 1, 2]
    np.testing.assert_array_equal(labels, open_image(other).data)


def test_objects_are_called_by_their_names(
    run: Run,
    volume: Path,
    table: Path,
    output: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "report.json"
    table.write_text(TABLE.replace("notes", "notes,objekt"))
    command = "segment", volume, "--prompts", table, "-o", output, "--json", report
    assert run(*command) == 0
    printed = capsys.readouterr()
    assert "object left (label 1): " in printed.out
    assert "passed over: notes, objekt. Did you mean 'object'?" in printed.err
    objects = json.loads(report.read_text())["objects"]
    named = [(found["object"], found["name"]) for found in objects]
    assert named == [(1, "left"), (2, "right")]


def test_names_that_are_numbers_are_the_labels(
    run: Run,
    volume: Path,
    table: Path,
    output: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table.write_text(TABLE.replace("left", "7").replace("right", "3"))
    assert run("segment", volume, "--prompts", table, "-o", output) == 0
    labels = np.asarray(open_image(output).data)
    assert (labels[5, 12, 12], labels[6, 26, 34]) == (7, 3)
    assert "object 7: " in capsys.readouterr().out


def test_an_object_at_the_place_of_another_is_told_so(
    run: Run,
    volume: Path,
    table: Path,
    output: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table.write_text("z,y,x\n5,12,12\n5,12,12\n5,0,49\n")
    assert run("segment", volume, "--prompts", table, "-o", output) == 0
    printed = capsys.readouterr().out
    assert "object 2: 0 voxels" in printed
    assert "no mask on slice 5: another object was there" in printed
    assert "the object ended" not in printed


def test_a_line_that_cannot_be_used_is_told_and_nothing_written(
    refused: Refused, volume: Path, table: Path, output: Path
) -> None:
    table.write_text(f"{TABLE}third,60,1,1\n")
    told = refused("segment", volume, "--prompts", table, "-o", output)
    assert f"{table}, line 4: Expected a point inside the image" in told
    assert not output.exists()


@pytest.mark.parametrize(
    "more",
    [("-p", "5,12,12"), ("--box", "5,1,1:5,9,9"), ("--separate",)],
    ids=lambda more: more[0],
)
def test_a_table_stands_alone(
    refused: Refused, volume: Path, table: Path, output: Path, more: tuple[str, ...]
) -> None:
    told = refused("segment", volume, "--prompts", table, *more, "-o", output)
    assert "Write all prompts into the table" in told


def test_the_report_does_not_replace_the_table(
    refused: Refused, volume: Path, table: Path, output: Path
) -> None:
    named = table.rename(table.with_suffix(".json"))
    files = "-o", output, "--json", named, "--overwrite"
    told = refused("segment", volume, "--prompts", named, *files)
    assert "another file for the report than for the prompts" in told
    assert named.read_text() == TABLE


def test_only_the_lines_of_the_image_are_taken(
    run: Run, volume: Path, table: Path, output: Path
) -> None:
    table.write_text("image,z,y,x\nother.tif,5,12,12\nvolume,6,26,34\n")
    assert run("segment", volume, "--prompts", table, "-o", output) == 0
    labels = np.asarray(open_image(output).data)
    assert (labels[5, 12, 12], labels[6, 26, 34]) == (0, 1)


def test_a_table_of_other_images_is_refused(
    refused: Refused, volume: Path, table: Path, output: Path
) -> None:
    table.write_text("image,z,y,x\nother.tif,5,12,12\n")
    told = refused("segment", volume, "--prompts", table, "-o", output)
    assert "Expected lines for volume.ome.tif in the column image" in told
    assert not output.exists()
