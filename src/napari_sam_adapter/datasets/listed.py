"""Rows of CSV files, as spreadsheets and people write them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path

UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
"""What a file begins with that Excel saved as Unicode text."""
SEPARATORS = ",;\t"
TOLD_SEPARATOR = re.compile(r'\s*"?sep=([,;\t])"?[ \t]*(?:\n|\Z)', re.IGNORECASE)
"""A first line that is there for Excel alone."""
QUOTED = re.compile(r'"[^"]*"?')


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
        UTF-8, with or without a byte order mark, or UTF-16 with one. What parts the
        entries is what stands most often in the first line outside quotation marks, a
        comma, a semicolon or a tab; or a line ``sep=;`` before it tells.

    Returns
    -------
    ListedRows
        In the order of the file.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        If it cannot be read, also where a quotation mark is not closed.
    """
    content = file.read_bytes()
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    text = io.TextIOWrapper(io.BytesIO(content), encoding).read()  # any ends of lines
    told = TOLD_SEPARATOR.match(text)
    above = "" if told is None else told[0]
    below = text[len(above) :]
    separator = _separator(below) if told is None else told[1]
    return _listed(below, separator, above.count("\n"))


def _listed(text: str, separator: str, above: int) -> ListedRows:
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines, ended = [], above
    try:
        for row in reader:
            ended = above + reader.line_num
            stripped = [entry.strip() for entry in row]
            if any(stripped):
                rows.append(stripped)
                lines.append(ended)
    except csv.Error as error:
        raise csv.Error(
            f"{error} in what begins on line {ended + 1}; is a quotation mark open?"
        ) from error
    return ListedRows(rows, lines, separator)


def _separator(text: str) -> str:
    head = QUOTED.sub("", text.lstrip().partition("\n")[0])
    return max(SEPARATORS, key=head.count)  # of as many the first


def read_rows(file: Path | zipfile.Path) -> list[list[str]]:
    """Read the rows of a CSV file; as `read_listed`, without where they are."""
    return read_listed(file).rows
