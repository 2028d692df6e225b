"""Rows of measurements, and their means with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

DRAWS = 2000
"""Bootstrap samples."""
FEWEST_DRAWN = 5
"""With fewer images the interval hardly says more than their values."""
INTERVAL = (2.5, 97.5)
"""Percentiles between which a mean lies."""


@dataclass(frozen=True)
class Row:
    """What was measured on one object, or on one image.

    Parameters
    ----------
    source : str
        Name of the picture or volume.
    place : str
        Plane of a volume, ``"z=12"``; empty for a picture or a whole volume.
    object_id : int or None
        Number of the object in the labels; None for the whole image.
    values : tuple of float
        One per column of the table; NaN where there is none.
    """

    source: str
    place: str
    object_id: int | None
    values: tuple[float, ...]

    @property
    def key(self) -> tuple[str, str, int | None]:
        """Tells rows of one table apart."""
        return self.source, self.place, self.object_id

    @property
    def name(self) -> str:
        """Source, place and object in a few words."""
        number = "" if self.object_id is None else f"#{self.object_id}"
        return " ".join(part for part in (self.source, self.place, number) if part)


@dataclass(frozen=True)
class Summary:
    """A mean and how sure it is.

    Parameters
    ----------
    column : str
        What was measured.
    mean, low, high : float
        Mean, and its 95 % bootstrap interval.
    count : int
        Number of rows.
    drawn : int
        Of how many images, or rows of a single image, the bootstrap drew.
    """

    column: str
    mean: float
    low: float
    high: float
    count: int
    drawn: int

    @property
    def is_interval_sound(self) -> bool:
        """Whether enough was drawn for the interval to say something."""
        return self.drawn >= FEWEST_DRAWN


@dataclass(frozen=True)
class Table:
    """Measurements of one kind.

    Parameters
    ----------
    columns : tuple of str
        What was measured.
    rows : tuple of Row
        On what.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return one column.

        Parameters
        ----------
        name : str
            One of the columns.

        Returns
        -------
        (N,) float array
            One value per row.

        Raises
        ------
        EvaluationError
            If there is no such column.
        """
        if name not in self.columns:
            raise EvaluationError(
                f"Expected one of {', '.join(self.columns) or 'no columns'}, "
                f"got {name!r}."
            )
        place = self.columns.index(name)
        return np.array([row.values[place] for row in self.rows], dtype=np.float64)

    def summarise(self, columns: Sequence[str], seed: int = 0) -> list[Summary]:
        """Return mean and interval of some columns.

        Parameters
        ----------
        columns : sequence of str
            Which.
        seed : int
            Of the bootstrap.

        Returns
        -------
        list of Summary
            In the order of `columns`; those without a number are left out.
        """
        sources = [row.source for row in self.rows]
        found = [bootstrap(name, self.column(name), sources, seed) for name in columns]
        return [summary for summary in found if summary.count]


def bootstrap(
    column: str, values: npt.NDArray[np.float64], sources: Sequence[str], seed: int
) -> Summary:
    """Return the mean of values and its 95 % interval.

    Parameters
    ----------
    column : str
        Name of the result.
    values : (N,) float array
        NaN is left out.
    sources : sequence of str
        Image that each value comes from.
    seed : int
        Same seed, same interval.

    Returns
    -------
    Summary
        All NaN if there is no value.

    Notes
    -----
    Values of one image depend on each other, so whole images are drawn with
    replacement, and the mean is taken over all their values. With one image only, its
    values are drawn.
    """
    known = ~np.isnan(values)
    values = values[known]
    if not len(values):
        return Summary(column, np.nan, np.nan, np.nan, 0, 0)
    _, group = np.unique(np.asarray(sources)[known], return_inverse=True)
    if group.max() == 0:
        group = np.arange(len(values))
    sums, counts = np.bincount(group, values), np.bincount(group)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(sums), size=(DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, INTERVAL)
    mean = float(values.mean())
    return Summary(column, mean, float(low), float(high), len(values), len(sums))
