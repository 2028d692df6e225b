"""A table of measured objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.image_io.output.tables import save_csv

if TYPE_CHECKING:
    from os import PathLike

Row = tuple[float | int | str, ...]


@dataclass(frozen=True)
class MeasurementTable:
    """One row per object, or per object and time point.

    Parameters
    ----------
    columns : tuple of str
        Names of the columns.
    rows : tuple of tuple
        Values in the order of the columns; NaN where there is none.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column.

        Parameters
        ----------
        name : str
            One of `columns`.

        Returns
        -------
        list
            One value per row.
        """
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def save(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Save the table as a CSV file, as ``napari-sam-adapter measure`` does.

        Parameters
        ----------
        path : str or path
            The file.
        overwrite : bool
            Whether a file of that name may be replaced.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        save_csv(path, self.columns, self.rows, overwrite)
