"""Tables of several images put into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.volume.measuring.measurement_table import MeasurementTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IMAGE = "image"


def joined_tables(tables: Sequence[tuple[str, MeasurementTable]]) -> MeasurementTable:
    """Put the tables of several images into one.

    Parameters
    ----------
    tables : sequence of (str, MeasurementTable)
        The name of each image and its table.

    Returns
    -------
    MeasurementTable
        With the column ``image`` before all columns of any of them; empty where an
        image has no such column.
    """
    columns = _all_columns({table.columns for _, table in tables})
    rows = []
    for name, table in tables:
        for row in table.rows:
            entries = dict(zip(table.columns, row, strict=True))
            rows.append((name, *(entries.get(column, "") for column in columns)))
    return MeasurementTable((IMAGE, *columns), tuple(rows))


def _all_columns(kinds: Iterable[tuple[str, ...]]) -> list[str]:
    """Return all columns: those of an image in its order, others before the next."""
    columns: list[str] = []
    for own in sorted(kinds, key=lambda kind: (len(kind), kind)):  # pictures first
        place = len(columns)
        for name in reversed(own):
            if name in columns:
                place = columns.index(name)
            else:
                columns.insert(place, name)
    return columns
