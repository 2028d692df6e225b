"""Rows of CSV files, as spreadsheets and people write them."""

from __future__ import annotations

import codecs
import csv
import io
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path

UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
"""What a file begins with that Excel saved as Unicode text."""
SEPARATORS = ",;\t"


class ListedRows(NamedTuple):
    """The rows of a CSV file that are not all blank.

    Attributes
    ----------
    rows : list of lists of str
        Without blanks around the entries.
    lines : list of int
        In which line of the file each row ends, from 1.
    separator : str
        What parts the entries.
    """

    rows: list[list[str]]
    lines: list[int]
    separator: str


def read_listed(file: Path | zipfile.Path) -> ListedRows:
    """Read the rows of a CSV file and where they are.

    Parameters
    ----------
    file : Path or zipfile.Path
        UTF-8, with or without a byte order mark, or UTF-16 with one. The first line
        tells what parts the entries: commas, or else semicolons, or else tabs.

    Returns
    -------
    ListedRows
        In the order of the file.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        If it cannot be read.
    """
    content = file.read_bytes()
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    text = io.TextIOWrapper(io.BytesIO(content), encoding).read()  # any ends of lines
    head = text.lstrip().partition("\n")[0]
    separator = next((mark for mark in SEPARATORS if mark in head), SEPARATORS[0])
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    rows, lines = [], []
    for row in reader:
        stripped = [entry.strip() for entry in row]
        if any(stripped):
            rows.append(stripped)
            lines.append(reader.line_num)
    return ListedRows(rows, lines, separator)


def read_rows(file: Path | zipfile.Path) -> list[list[str]]:
    """Read the rows of a CSV file; as `read_listed`, without where they are."""
    return read_listed(file).rows
