"""Rows of CSV files, as spreadsheets and people write them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path


def read_rows(file: Path | zipfile.Path) -> list[list[str]]:
    """Read the rows of a CSV file.

    Parameters
    ----------
    file : Path or zipfile.Path
        UTF-8, with or without a byte order mark; entries are parted by commas, or by
        semicolons where the first line has no comma.

    Returns
    -------
    list of lists of str
        Without blanks around the entries, and without rows that are all blank.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        If it cannot be read.
    """
    text = file.read_text(encoding="utf-8-sig").lstrip()
    first = text.partition("\n")[0]
    delimiter = ";" if ";" in first and "," not in first else ","
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    stripped = ([entry.strip() for entry in row] for row in rows)
    return [row for row in stripped if any(row)]
