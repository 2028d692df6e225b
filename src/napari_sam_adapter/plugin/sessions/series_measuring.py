"""Measure the labelled images of a series into one table, in a thread of its own."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from napari_sam_adapter.errors import (
    ImageError,
    OutputError,
    SamAdapterError,
    SessionError,
)
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.image_io.output.whole_files import check_output
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority
from napari_sam_adapter.plugin.phases import PHASES
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.volume.measuring.joined_tables import joined_tables
from napari_sam_adapter.volume.measuring.measured_files import measuring_of
from napari_sam_adapter.volume.measuring.measuring import table_of
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_sam_adapter.image_io.series.entries import SeriesEntry
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.sessions.series_run import SeriesRun
    from napari_sam_adapter.volume.measuring.measurement_table import MeasurementTable

TABLE = ".csv"
TIP = "Measure it in a shell, with --channel"


class MeasuredSeries(NamedTuple):
    """What became of the images of a series.

    Attributes
    ----------
    images, objects : int
        That are in the table.
    refused, unlabelled : int
        Images that were passed over.
    """

    images: int
    objects: int
    refused: int
    unlabelled: int

    @property
    def words(self) -> str:
        """A sentence or two."""
        told = f"Measured {counted(self.objects, 'object')} of {_images(self.images)}"
        if not (self.refused or self.unlabelled):
            return told
        without = f"{self.unlabelled} without labels"
        refused = f"{self.refused} that cannot be used"
        parts = [without] * bool(self.unlabelled) + [refused] * bool(self.refused)
        return f"{told}, passed over {' and '.join(parts)}"


Step: TypeAlias = "Progress | SamAdapterError | MeasuredSeries | None"


class SeriesMeasuring(Feature):
    """The command that measures a series.

    Parameters
    ----------
    controller : Controller
        Whose Stop is for this as long as nothing else began later.
    series : SeriesRun
        Which images, and the labels of the one that is open.
    """

    def __init__(self, controller: Controller, series: SeriesRun) -> None:
        super().__init__(controller)
        self._state, self._series = controller.state, series
        self._queue = JobQueue(self._show, mostly_waits=True)
        self._is_saving = False
        self._earlier: tuple[Job, ...] = ()
        controller.stop_first = self.stop
        controller.closed.connect(self._queue.close)

    @reporting
    def measure(self, path: str | Path) -> None:
        """Measure all labelled images of the series; the open one as it is now.

        Parameters
        ----------
        path : str or Path
            The table, NAME.csv; replaced if it is there.
        """
        entries = self._entries()
        if self._state.is_measuring or self._series.is_busy:
            self.say("The series is busy. Try again in a moment.")
            return
        path = _checked(Path(path))
        self._earlier = self._controller.segmenter.queue.jobs
        self._state.measured = Progress()
        if self._series.has_changes():
            self._save(partial(self._begin, entries, path))
        else:
            self._begin(entries, path)

    def stop(self) -> bool:
        """Leave no table, if nothing else began later.

        Returns
        -------
        bool
            Whether it was stopped.
        """
        if not self._state.is_measuring or self._began_earlier():
            return False
        self._is_saving = False
        self._queue.cancel(lambda job: True)
        self.say(self._state.measured.stopped("No table was written."))
        return True

    def _began_earlier(self) -> bool:
        jobs = self._controller.segmenter.queue.jobs
        later = [job for job in jobs if job not in self._earlier]
        is_later = any(job.priority in PHASES for job in later)
        return is_later or self._state.is_searching  # which is short

    def _entries(self) -> tuple[SeriesEntry, ...]:
        series = self._series.series
        if series is None:
            raise SessionError("Expected a series of images, got none. Open a folder.")
        return tuple(series.entries)

    def _save(self, begin: Callable[[], None]) -> None:
        self._is_saving = True
        self.say("Saving the labels ...")
        self._series.save_labels(partial(self._on_saved, begin), self._on_unsaved)
        self._show()

    def _on_saved(self, begin: Callable[[], None], _: bool) -> None:
        if self._is_saving:  # else it was stopped
            self._is_saving = False
            begin()

    def _on_unsaved(self, error: SamAdapterError) -> None:
        self._is_saving = False
        self._show()
        self.report(OutputError(f"{error} Nothing was measured."))

    def _begin(self, entries: Sequence[SeriesEntry], path: Path) -> None:
        steps, on_result = measuring_steps(entries, path), partial(self._on_step, path)
        job = Job(self, "measure", Priority.VIEW, steps, on_result, self.report)
        self.say("Measuring the images of the series ...")
        self._queue.submit(job)

    def _on_step(self, path: Path, step: Step) -> None:
        if isinstance(step, Progress):
            self._state.measured = step
        elif isinstance(step, SamAdapterError):
            self.report(step)
        elif step is not None:
            self.say(f"{step.words}: see {path}.")

    def _show(self) -> None:
        self._state.is_measuring = self._is_saving or bool(self._queue.jobs)


def measuring_steps(entries: Sequence[SeriesEntry], path: Path) -> Iterator[Step]:
    """Measure images with labels beside them into one table; for any thread.

    Parameters
    ----------
    entries : sequence of SeriesEntry
        The images.
    path : Path
        The table to write.

    Yields
    ------
    Progress, SamAdapterError, MeasuredSeries or None
        Before each image how far it is, what is wrong with one that is passed over,
        None after each part of one, and at last what was measured.

    Raises
    ------
    ImageError
        If there is nothing to measure.
    OutputError
        If the table cannot be written.
    """
    names = _names([entry.path for entry in entries])
    labelled = [entry for entry in entries if entry.labels_path.exists()]
    tables = []
    for done, entry in enumerate(labelled):
        name = names[entry.path]
        yield Progress(done, len(labelled), "images")
        try:
            table = yield from _table_of(entry)
        except SamAdapterError as error:
            yield type(error)(f"{name} is passed over. {error}")
        else:
            tables.append((name, table))
    if not tables:
        raise ImageError(
            f"Expected a series with labels to measure, got {_images(len(entries))}, "
            f"{len(labelled)} with labels, of which none can be used. Label one first."
        )
    joined = joined_tables(tables)
    joined.save(path, overwrite=True)
    refused, unlabelled = len(labelled) - len(tables), len(entries) - len(labelled)
    yield MeasuredSeries(len(tables), len(joined.rows), refused, unlabelled)


def _table_of(entry: SeriesEntry) -> Generator[None, None, MeasurementTable]:
    measuring, rows = measuring_of(open_image(entry.path), entry.labels_path, TIP), []
    for block in measuring.blocks():
        rows += block
        yield None
    return table_of(measuring, rows)


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name files; by folders, too, from the one that all are in, if names repeat."""
    counts = Counter(path.name for path in set(paths))
    if max(counts.values()) == 1:
        return {path: path.name for path in paths}
    try:
        common = Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # on several drives
        return {path: path.as_posix() for path in paths}
    return {path: path.relative_to(common).as_posix() for path in paths}


def _checked(path: Path) -> Path:
    """Return a name that ends as tables do; the dialog asked about the typed one."""
    is_table = path.suffix.lower() == TABLE
    whole = path if is_table else path.with_name(path.name + TABLE)
    check_output(whole, overwrite=is_table)
    return whole


def _images(count: int) -> str:
    return counted(count, "image")
