from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.evaluation.test_protocols import Blind
from tests.fakes import DiskPredictor

from napari_sam_adapter import Interactive, evaluate
from napari_sam_adapter.errors import EvaluationError, OutputError
from napari_sam_adapter.evaluation.contact_sheet import write_contact_sheet
from napari_sam_adapter.evaluation.page import as_text, comparison_as_text
from napari_sam_adapter.evaluation.reports import write_csv, write_json
from napari_sam_adapter.evaluation.results import compare
from napari_sam_adapter.evaluation.tables import Row, Table, bootstrap

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Interactive(corrections=2)


@pytest.fixture
def good(pictures):
    return evaluate(pictures, DiskPredictor(), SHORT)


@pytest.fixture
def slow(pictures):
    return evaluate(pictures, Blind(model="blind"), SHORT)


def test_whole_images_are_drawn() -> None:
    values = np.array([0.0] * 50 + [1.0] * 50)
    alone = bootstrap("x", values, [str(i) for i in range(100)], 0)
    together = bootstrap("x", values, ["a"] * 50 + ["b"] * 50, 0)
    assert alone.mean == together.mean == 0.5
    assert 0.35 < alone.low < 0.45 < 0.55 < alone.high < 0.65
    assert (together.low, together.high) == (0, 1)
    assert alone.is_interval_sound
    assert not together.is_interval_sound


def test_missing_values_are_left_out() -> None:
    table = Table(
        ("a", "b"), (Row("x", "", 1, (1.0, np.nan)), Row("y", "", 2, (3.0, np.nan)))
    )
    (summary,) = table.summarise(["a", "b"])
    assert (summary.column, summary.mean, summary.count) == ("a", 2, 2)


def test_unknown_columns_are_refused() -> None:
    with pytest.raises(EvaluationError, match="one of a"):
        Table(("a",), ()).column("b")


def test_the_text_has_a_line_per_number_of_prompts(slow) -> None:
    title, _, head, _, *lines = as_text(slow).splitlines()
    assert title == (
        "blind + none on disks: interactive from a point, 5 objects in 2 images"
    )
    cells = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines[:3]]
    assert [name.strip() for name in head.split("|")[1:-1]] == [
        "prompts", "IoU", "95 % interval", "Dice", "mSA", "SA50",
    ]  # fmt: skip
    assert all("| none: n = 2 " in line for line in lines[:3])
    assert cells == [["1", "0.000"], ["2", "0.000"], ["3", "1.000"]]
    assert lines[4].startswith("IoU 0.8: after 3.0 of 3 prompts on average, never for")


def test_two_predictors_are_compared_row_by_row(good, slow) -> None:
    found = {difference.column: difference for difference in compare(good, slow)}
    assert found["iou_1"].change.mean == -1
    assert found["iou_1"].wins == 0
    assert found["iou_3"].wins == 0.5
    assert found["prompts_to_0.8"].change.mean == 2
    assert found["prompts_to_0.8"].wins == 0  # more prompts are worse
    text = comparison_as_text(good, slow)
    assert " disk " in text
    assert " blind + none |" in text
    assert "IoU 0.9: after 1.0 and 3.0 of 3 prompts" in text
    assert len(text.splitlines()) < 12


def test_different_protocols_cannot_be_compared(good, pictures) -> None:
    other = evaluate(pictures, DiskPredictor(), Interactive(corrections=1))
    with pytest.raises(EvaluationError, match="one protocol"):
        compare(good, other)


def test_json_holds_settings_means_and_rows(good, slow, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_json(path, [good, slow])
    content = json.loads(path.read_text())
    first, second = content["evaluations"]
    assert first["protocol"]["name"] == "interactive"
    assert first["predictor"]["model"] == "disk"
    assert first["objects"][0]["iou_1"] == 1
    assert {entry["column"] for entry in second["means"]} >= {"iou_3", "msa_1"}
    assert content["comparison"][0]["change"]["mean"] == -1
    with pytest.raises(OutputError, match="exists"):
        write_json(path, [good])


def test_csv_holds_objects_and_images(good, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_csv(path, [good])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["level"] for row in rows] == ["object"] * 5 + ["image"] * 2
    assert float(rows[0]["dice_3"]) == 1
    assert rows[0]["msa_1"] == ""
    assert float(rows[-1]["msa_1"]) == 1


def test_contact_sheet_outlines_truth_and_answer(slow, tmp_path: Path) -> None:
    path = tmp_path / "worst.png"
    write_contact_sheet(path, slow.worst)
    pixels = np.asarray(Image.open(path)).reshape(-1, 3)
    assert (pixels == (240, 60, 200)).all(axis=1).sum() > 100
    with pytest.raises(OutputError, match="exists"):
        write_contact_sheet(path, slow.worst)
