"""Where ``evaluate`` writes what does not fit on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import EvaluationError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam_adapter.evaluation.results import Evaluation

NAMES = {"--json": "evaluation.json", "--csv": "rows.csv", "--sheet": "worst.png"}
"""Options for single files, and the names of these in the folder of --output."""


@dataclass(frozen=True)
class EvaluationFiles:
    """The files of one evaluation.

    Parameters
    ----------
    report, table, sheet : Path or None
        JSON, CSV and PNG; None for those that nobody wants.
    folder : Path or None
        To be made first, if it is not there.
    """

    report: Path | None = None
    table: Path | None = None
    sheet: Path | None = None
    folder: Path | None = None

    @classmethod
    def of(
        cls,
        folder: Path | None,
        report: Path | None,
        table: Path | None,
        sheet: Path | None,
    ) -> EvaluationFiles:
        """Return the files for the options; the folder has those that have no other.

        Parameters
        ----------
        folder, report, table, sheet : Path or None
            Values of ``--output``, ``--json``, ``--csv`` and ``--sheet``.

        Returns
        -------
        EvaluationFiles
            Nothing is written yet.
        """
        if folder is not None:
            inside = [folder / name for name in NAMES.values()]
            given = (report, table, sheet)
            report, table, sheet = (
                path or own for path, own in zip(given, inside, strict=True)
            )
        return cls(report, table, sheet, folder)

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [p for p in (self.report, self.table, self.sheet) if p is not None]

    def check(self, overwrite: bool) -> None:
        """Raise unless all can be written.

        Parameters
        ----------
        overwrite : bool
            Whether files of these names may be replaced.

        Raises
        ------
        EvaluationError
            If two are the same, or a name has the suffix of another kind of file.
        OutputError
            If one exists, or cannot be written.
        """
        from napari_sam_adapter.image_io.output.whole_files import check_output

        if len({path.resolve() for path in self.paths}) < len(self.paths):
            raise EvaluationError(
                "Expected different files for --json, --csv and --sheet."
            )
        files = (self.report, self.table, self.sheet)
        for (option, name), path in zip(NAMES.items(), files, strict=True):
            suffix = name[name.rindex(".") :]
            if path is not None and path.suffix.lower() != suffix:
                raise EvaluationError(
                    f"Expected a file NAME{suffix} for {option}, got {path.name}."
                )
        self._check_folder()
        for path in self.paths:
            if self.folder not in path.parents or path.parent.exists():
                check_output(path, overwrite)

    def _check_folder(self) -> None:
        from napari_sam_adapter.image_io.output.whole_files import check_output

        if self.folder is None or self.folder.is_dir():
            return
        if self.folder.exists():
            raise OutputError(
                f"Expected a folder for --output, but {self.folder} is a file. Choose "
                "another name."
            )
        check_output(self.folder)

    def write(self, found: Sequence[Evaluation], overwrite: bool) -> None:
        """Write all that is wanted, each file whole or not at all.

        Parameters
        ----------
        found : sequence of Evaluation
            One, or two that are compared; the worst answers are those of the last.
        overwrite : bool
            Whether files of these names may be replaced.

        Raises
        ------
        OutputError
            If one cannot be written.
        """
        from napari_sam_adapter.evaluation.contact_sheet import write_contact_sheet
        from napari_sam_adapter.evaluation.reports import write_csv, write_json

        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
        if self.report is not None:
            write_json(self.report, found, overwrite)
        if self.table is not None:
            write_csv(self.table, found, overwrite)
        if self.sheet is not None:
            write_contact_sheet(self.sheet, found[-1].worst, overwrite)
