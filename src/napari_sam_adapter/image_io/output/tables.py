"""Tables as CSV files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.output.whole_files import whole_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets carry out instead of showing it."""


def save_csv(
    path: str | PathLike[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    overwrite: bool = False,
) -> None:
    """Save a table whole or not at all.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.

    Parameters
    ----------
    path : str or path
        The file.
    columns : sequence of str
        Names of the columns.
    rows : iterable of sequence
        Values in the order of the columns.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If the file exists, its folder cannot be written, or the disk is full.
    """
    with (
        whole_output(Path(path), overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_as_text(value) for value in row] for row in rows)


def _as_text(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(FORMULA_STARTS)
    return f"'{value}" if is_formula else value
