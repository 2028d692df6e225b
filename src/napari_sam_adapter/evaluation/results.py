"""The outcome of an evaluation, and of two side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import EvaluationError
from napari_sam_adapter.evaluation.protocols import Interactive
from napari_sam_adapter.evaluation.tables import Summary, Table, bootstrap
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_adapter.datasets.reference import BrokenPair
    from napari_sam_adapter.evaluation.judging import Case
    from napari_sam_adapter.evaluation.protocols import EvaluationProtocol

MOST_CLASSES = 3
"""Labels with more numbers in one image are taken for numbered objects."""
LOW_IS_GOOD = ("mae", "ber", "stopped_early", "stopped_late", "prompts_to", "missed")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How good a predictor is on a data set.

    Parameters
    ----------
    dataset : str
        Name of the set.
    protocol : Interactive, PromptFree or Propagation
        What was measured.
    predictor : mapping of str to str
        Description of the predictor.
    objects, images : Table
        Rows per object, and per picture, plane or volume.
    broken : tuple of BrokenPair
        What could not be used, by name.
    worst : tuple of Case
        The worst answers, worst first.
    learned : tuple of str
        Images from whose labels the predictor's adapter is known to have learned.
    """

    dataset: str
    protocol: EvaluationProtocol
    predictor: Mapping[str, str]
    objects: Table
    images: Table
    broken: tuple[BrokenPair, ...]
    worst: tuple[Case, ...]
    learned: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = (
            f"{counted(len(self.objects.rows), 'object')}, "
            f"{counted(len(self.images.rows), 'plane')}"
        )
        return f"<Evaluation of {self.dataset}, {self.protocol.name}: {counts}>"

    @property
    def has_instances(self) -> bool:
        """Whether the labels number objects."""
        if not isinstance(self.protocol, Interactive):
            return False
        if self.protocol.instances is not None:
            return self.protocol.instances
        return bool((self.images.column("objects") > MOST_CLASSES).any())

    def summarise(self) -> list[Summary]:
        """Return means with 95 % intervals.

        Returns
        -------
        list of Summary
            Over objects where they are told apart, else over images; for instance
            sets then mSA and SA50 over images.
        """
        return [
            summary
            for table, columns in self.headlines()
            for summary in table.summarise(columns, self.protocol.seed)
        ]

    def headlines(self) -> list[tuple[Table, tuple[str, ...]]]:
        """Return the columns that are worth a mean.

        Returns
        -------
        list of (Table, tuple of str)
            In the order in which they are shown.
        """
        if not self.objects.columns:
            return [(self.images, self.images.columns)]
        shown = [(self.objects, self.objects.columns)]
        if self.has_instances:
            accuracies = tuple(
                c for c in self.images.columns if c.startswith(("msa", "sa50"))
            )
            shown.append((self.images, accuracies))
        return shown

    def mean(self, column: str) -> float:
        """Return the mean of one column.

        Parameters
        ----------
        column : str
            Of the table of objects, or else of images.

        Returns
        -------
        float
            NaN is left out.
        """
        table = self.objects if column in self.objects.columns else self.images
        return float(np.nanmean(table.column(column)))


@dataclass(frozen=True)
class Difference:
    """Second predictor minus first.

    Parameters
    ----------
    column : str
        What was measured.
    first, second : float
        Means over the rows that both have.
    change : Summary
        Mean of the differences, row by row, with its 95 % interval.
    wins : float
        Share of rows in which the second is better, ties counted half.
    """

    column: str
    first: float
    second: float
    change: Summary
    wins: float


def compare(first: Evaluation, second: Evaluation) -> list[Difference]:
    """Compare two predictors on the same objects and first prompts.

    Parameters
    ----------
    first, second : Evaluation
        Of one data set and one protocol.

    Returns
    -------
    list of Difference
        For every column worth a mean.

    Raises
    ------
    EvaluationError
        If they measured different things.
    """
    asked = [(e.dataset, e.protocol) for e in (first, second)]
    if asked[0] != asked[1]:
        raise EvaluationError(
            "Expected two evaluations of one data set by one protocol, got "
            f"{asked[0]} and {asked[1]}."
        )
    found = []
    for table, columns in first.headlines():
        other = second.objects if table is first.objects else second.images
        tables = _common(table, other)
        found += [_difference(c, *tables, first.protocol.seed) for c in columns]
    return [difference for difference in found if difference.change.count]


def _common(first: Table, second: Table) -> tuple[Table, Table]:
    """Return both tables with the rows that both have, in one order."""
    others = {row.key: row for row in second.rows}
    rows = [row for row in first.rows if row.key in others]
    partners = [others[row.key] for row in rows]
    return Table(first.columns, tuple(rows)), Table(second.columns, tuple(partners))


def _difference(name: str, first: Table, second: Table, seed: int) -> Difference:
    a, b = first.column(name), second.column(name)
    sources = [row.source for row in first.rows]
    sign = -1 if name.startswith(LOW_IS_GOOD) else 1
    wins = float(np.mean(np.sign(sign * (b - a)) + 1) / 2) if len(a) else np.nan
    change = bootstrap(name, b - a, sources, seed)
    means = [float(np.nanmean(values)) if len(a) else np.nan for values in (a, b)]
    return Difference(name, means[0], means[1], change, wins)
