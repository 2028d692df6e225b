"""Evaluations as JSON and CSV on disk, and tables as text."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.evaluation.results import compare
from napari_sam_adapter.image_io.output.whole_files import whole_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam_adapter.evaluation.results import Evaluation
    from napari_sam_adapter.evaluation.tables import Row, Table

DIGITS = 5
ROW_HEAD = ("level", "source", "place", "object")


def name_of(evaluation: Evaluation) -> str:
    """Return how tables call the predictor of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        Of that predictor.

    Returns
    -------
    str
        Model, and adapter if there is one.
    """
    return name_of_predictor(evaluation.predictor)


def name_of_predictor(description: Mapping[str, str]) -> str:
    """Return how tables and progress bars call a predictor.

    Parameters
    ----------
    description : mapping of str to str
        Of the predictor.

    Returns
    -------
    str
        Model, and adapter if there is one, by names or names of files.
    """
    given = (description.get(key) for key in ("model", "adapter"))
    return " + ".join(Path(name).name for name in given if name) or "model"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with columns of even width.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        Cells; columns of words are set left, columns of numbers right.

    Returns
    -------
    str
        One line per row, and two for the head.
    """
    columns = list(zip(head, *rows, strict=True))
    set_columns = [_set(column, number == 0) for number, column in enumerate(columns)]
    lines = zip(*set_columns, strict=True)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write_json(
    path: Path, evaluations: Sequence[Evaluation], overwrite: bool = False
) -> None:
    """Write settings, means and all rows.

    Parameters
    ----------
    path : Path
        The file.
    evaluations : sequence of Evaluation
        One, or two to be compared.
    overwrite : bool
        Whether the file may be replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    content: dict[str, Any] = {"evaluations": [_as_json(e) for e in evaluations]}
    if len(evaluations) == 2:
        first, second = evaluations
        content["comparison"] = [asdict(d) for d in compare(first, second)]
    text = json.dumps(_plain(content), indent=1, allow_nan=False) + "\n"
    with whole_output(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(
    path: Path, evaluations: Sequence[Evaluation], overwrite: bool = False
) -> None:
    """Write one line per object and one per image.

    Parameters
    ----------
    path : Path
        The file.
    evaluations : sequence of Evaluation
        One, or two to be compared.
    overwrite : bool
        Whether the file may be replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    tables = [
        (name_of(evaluation), level, table)
        for evaluation in evaluations
        for level, table in (
            ("object", evaluation.objects),
            ("image", evaluation.images),
        )
    ]
    columns = list(dict.fromkeys(c for _, _, table in tables for c in table.columns))
    with (
        whole_output(path, overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["predictor", *ROW_HEAD, *columns])
        for name, level, table in tables:
            for row in table.rows:
                known = dict(zip(table.columns, _plain(row.values), strict=True))
                cells = [known.get(column, "") for column in columns]
                number = "" if row.object_id is None else row.object_id
                writer.writerow([name, level, row.source, row.place, number, *cells])


def _set(column: Sequence[str], is_first: bool) -> list[str]:
    """Return head, line and cells of a column in one width."""
    head, *cells = column
    width = max(map(len, column))
    if is_first or all(cell[:1].isalpha() for cell in cells):
        return [cell.ljust(width) for cell in (head, "-" * width, *cells)]
    return [cell.rjust(width) for cell in (head, "-" * (width - 1) + ":", *cells)]


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "dataset": evaluation.dataset,
        "predictor": dict(evaluation.predictor),
        "protocol": {"name": evaluation.protocol.name, **asdict(evaluation.protocol)},
        "means": [asdict(summary) for summary in evaluation.summarise()],
        "objects": _rows_as_json(evaluation.objects),
        "images": _rows_as_json(evaluation.images),
        "broken": [asdict(broken) for broken in evaluation.broken],
        "learned": list(evaluation.learned),
    }


def _rows_as_json(table: Table) -> list[dict[str, Any]]:
    return [_row_as_json(row, table.columns) for row in table.rows]


def _row_as_json(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    numbers = {} if row.object_id is None else {"object": row.object_id}
    values = dict(zip(columns, row.values, strict=True))
    return {"source": row.source, "place": row.place, **numbers, **values}


def _plain(value: Any) -> Any:
    """Round numbers, and turn NaN into None, which JSON and CSV can hold."""
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
