"""Masks and measurements leave the viewer, in a thread of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io import export_labels, open_image
from napari_sam_adapter.image_io.files.kinds import kind_of
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.units import unit_of
from napari_sam_adapter.image_io.labels.exporting import check_export_path
from napari_sam_adapter.image_io.output.whole_files import check_output
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority, ignore
from napari_sam_adapter.plugin.image_files import has_pixels, is_of_series, path_of
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.session_view import told_of_empty
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause
from napari_sam_adapter.plugin.viewing.world_units import (
    axes_of,
    described,
    spacing_now,
    units_of,
)
from napari_sam_adapter.volume.document.snapshot import LabelsSnapshot
from napari_sam_adapter.volume.measuring.measuring import Measuring, table_of
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy.typing as npt

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.measuring.measurement_table import MeasurementTable

FILTERS = {
    "OME-TIFF (*.tif *.tiff)": ".tif",
    "OME-Zarr (*.zarr)": ".zarr",
    "NIfTI (*.nii.gz *.nii)": ".nii.gz",
    "COCO annotations (*.json)": ".json",
    "Measurements (*.csv)": ".csv",
    "All files (*)": ".tif",
}
NIFTI = (".nii", ".nii.gz")
_TABLES = (".csv",)
FEATURES_TABLE = "Layers > Metadata > Features table widget"
"""Where napari shows the features of a layer."""


@dataclass(frozen=True, eq=False)
class ExportTask:
    """Everything that is needed to write labels.

    Parameters
    ----------
    path : Path
        Where they go.
    labels : LabelsSnapshot
        Of the moment of the command.
    like : OpenedImage
        The image.
    classes : mapping of int to str
        Of the objects that have one.
    source : Path or None
        File or folder that knows where the image lies, if there is one.
    """

    path: Path
    labels: LabelsSnapshot
    like: OpenedImage
    classes: Mapping[int, str]
    source: Path | None

    def run(self) -> Path:
        """Write the labels; for any thread.

        Returns
        -------
        Path
            What was written.

        Raises
        ------
        OutputError
            If they cannot be written; nothing is left behind then.
        """
        labels, like = self.labels.labels(), self.like
        if self.source and _ends(self.path, NIFTI):
            labels, like = _as_in_file(self.source, labels, like)
        export_labels(self.path, labels, like, self.classes, overwrite=True)
        return self.path


@dataclass(frozen=True, eq=False)
class MeasuringTask:
    """Everything that is needed to measure labels.

    Parameters
    ----------
    labels : LabelsSnapshot
        Of the moment of the command.
    measuring : Measuring
        All the rest.
    path : Path or None
        File for the table, if there is to be one.
    """

    labels: LabelsSnapshot
    measuring: Measuring
    path: Path | None

    def steps(self) -> Iterator[MeasurementTable | None]:
        """Measure block by block; for any thread.

        Yields
        ------
        MeasurementTable or None
            The table at the end.

        Raises
        ------
        ImageError
            If the image cannot be read.
        OutputError
            If the file cannot be written.
        """
        measuring, rows = replace(self.measuring, labels=self.labels.labels()), []
        for block in measuring.blocks():
            rows += block
            yield None
        table = table_of(measuring, rows)
        if self.path is not None:
            table.save(self.path, overwrite=True)
        yield table


class Exports(Feature):
    """The commands that save and measure objects.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    parent : QWidget
        Under which the file dialog opens.
    """

    def __init__(self, controller: Controller, parent: QWidget) -> None:
        super().__init__(controller)
        self._parent = parent
        self._queue = JobQueue(ignore, mostly_waits=True)
        self._pause = StrokePause()
        self._held_back = 0
        controller.add_commands({"export": self.export, "measure": self.measure})
        controller.closed.connect(self._queue.close)
        controller.closed.connect(self._pause.close)

    @property
    def is_busy(self) -> bool:
        """Whether something is being written or measured."""
        return bool(self._queue.jobs) or self._held_back > 0

    @reporting
    def export(self) -> None:
        """Ask for a file, and save what its name asks for."""
        workspace = self._controller.in_use()
        path, kind = QFileDialog.getSaveFileName(
            self._parent,
            "Export objects",
            f"{_as_file_name(workspace.frame.name)}-objects",
            ";;".join(FILTERS),
        )
        has_suffix = Path(path).suffix[1:].isalpha()  # not "1.5-objects"
        whole = Path(path if has_suffix else path + FILTERS.get(kind, ".tif"))
        # the dialog asked about the name that was typed
        if path and (has_suffix or self._may_replace(whole)):
            self.save(whole)

    @reporting
    def save(self, path: Path) -> None:
        """Save labels, annotations or measurements; replaces a file of that name.

        Parameters
        ----------
        path : Path
            Ends in ``.csv`` for measurements, else as for `export_labels`.
        """
        if _ends(path, _TABLES):
            check_output(path, overwrite=True)
            self._measure(path)
            return
        check_export_path(path, overwrite=True, others=_TABLES)
        workspace = self._controller.in_use()
        task = _task(workspace, path)
        self.say(f"Saving {path.name} ...")
        on_saved = partial(self._on_saved, told_of_empty(workspace.session))
        write = partial(self._start, map(ExportTask.run, (task,)), on_saved)
        self._copy(workspace, task.labels, write)

    @reporting
    def measure(self) -> None:
        """Measure all objects; the Labels layer gets the table as its features."""
        self._measure(None)

    def _measure(self, path: Path | None) -> None:
        workspace = self._controller.in_use()
        task = _measuring_task(workspace, path)
        self.say("Measuring ...")
        lacking = told_of_empty(workspace.session)
        on_result = partial(self._on_measured, workspace, path, lacking)
        measure = partial(self._start, task.steps(), on_result)
        self._copy(workspace, task.labels, measure)

    def _copy(
        self, workspace: Workspace, labels: LabelsSnapshot, then: Callable[[], None]
    ) -> None:
        steps = map(LabelsSnapshot.copy, (labels,))
        on_copied = partial(self._when_copied, workspace, then)
        self._start(steps, on_copied, partial(_on_copy_end, labels))

    def _start(
        self,
        steps: Iterator[Any],
        on_result: Callable[[Any], None],
        on_end: Callable[[], None] = ignore,
    ) -> None:
        key, priority = object(), Priority.VIEW
        job = Job(self, key, priority, steps, on_result, self.report, on_end)
        self._queue.submit(job)

    def _when_copied(
        self, workspace: Workspace, then: Callable[[], None], labels: LabelsSnapshot
    ) -> None:
        # Half a stroke may be in the copy: what it was is known at its end.
        self._held_back += 1
        self._pause.when_still(workspace, partial(self._go_on, labels, then))

    def _go_on(self, labels: LabelsSnapshot, then: Callable[[], None]) -> None:
        self._held_back -= 1
        labels.close()
        then()

    def _on_saved(self, lacking: str, path: Path) -> None:
        self.say(f"Saved {path}.{lacking}")

    def _on_measured(
        self,
        workspace: Workspace,
        path: Path | None,
        lacking: str,
        table: MeasurementTable | None,
    ) -> None:
        if table is None:
            return
        layer = workspace.layers.labels
        if layer is not None:
            columns = {name: table.column(name) for name in table.columns}
            layer.features = {"index": columns.pop("object"), **columns}
        where = FEATURES_TABLE if path is None else str(path)
        count = counted(len(table.rows), "object")
        self.say(f"Measured {count}: see {where}.{lacking}")

    def _may_replace(self, path: Path) -> bool:
        if not path.exists():
            return True
        question = f"{path.name} is there already. Replace it?"
        answer = QMessageBox.question(self._parent, "Export objects", question)
        return answer == QMessageBox.StandardButton.Yes


def _as_file_name(name: str) -> str:
    return re.sub(r'[\\/:*?"<>|\s]+', " ", name).strip()


def _task(workspace: Workspace, path: Path) -> ExportTask:
    session = workspace.session
    workspace.layers.drop_outline()  # napari does not tell if it is given up
    like, source = described(workspace.level), path_of(workspace.image)
    if source and not (kind_of(source).has_position or is_of_series(workspace.image)):
        source = None
    labels, classes = session.snapshot(), session.objects.classes
    return ExportTask(path, labels, like, classes, source)


def _on_copy_end(labels: LabelsSnapshot) -> None:
    if not labels.is_copied:
        labels.close()


def _measuring_task(workspace: Workspace, path: Path | None) -> MeasuringTask:
    session, frame = workspace.session, workspace.frame
    workspace.layers.drop_outline()  # napari does not tell if it is given up
    session.under_way.finish()
    axes = axes_of(frame)
    measuring = Measuring(
        session.labels,
        LazyArray(workspace.level.data, frame.name),
        axes,
        spacing_now(frame),
        unit_of(axes, units_of(frame)),
        session.objects.names,
        session.objects.classes,
    )
    return MeasuringTask(session.snapshot(), measuring, path)


def _as_in_file(
    source: Path, labels: npt.NDArray[Any], like: OpenedImage
) -> tuple[npt.NDArray[Any], OpenedImage]:
    # The file knows its position. Readers of NIfTI differ in the order of the axes; if
    # neither order gives the pixels of the layer, the layer is all there is.
    try:
        opened = open_image(source)
    except ImageError as error:
        raise OutputError(
            f"Expected {source}, which tells the position of the labels in space, got: "
            f"{error} Put it back, or export in another format."
        ) from error
    seen = LazyArray(like.data, like.name)
    if has_pixels(opened, seen):
        return labels, opened
    if has_pixels(opened, seen.moved(range(seen.ndim)[::-1])):
        return labels.T, opened
    return labels, like


def _ends(path: str | Path, suffixes: tuple[str, ...]) -> bool:
    return str(path).lower().endswith(suffixes)
