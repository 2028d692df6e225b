"""``segment``: points and boxes in, a label file out."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from napari_sam_adapter.cli.inputs.inputs import (
    check_apart,
    choose_view,
    open_told,
    session_of,
)
from napari_sam_adapter.cli.inputs.loading import loader_of
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.wording import counted, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam_adapter.cli.jobs.segmentation import SliceReport
    from napari_sam_adapter.cli.jobs.task import Task
    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.volume.document.tidying import TidyCount
    from napari_sam_adapter.volume.session.session import Session


def segment(
    context: typer.Context,
    image: options.ImageArgument,
    output: options.LabelsOption,
    point: options.PointOption = None,
    negative: options.NegativeOption = None,
    box: options.BoxOption = None,
    prompts: options.PromptsOption = None,
    separate: options.SeparateOption = False,
    axis: options.AxisOption = None,
    propagate: options.PropagateOption = False,
    start: options.StartOption = None,
    stop: options.StopOption = None,
    tidy: options.TidyOption = False,
    channel: options.ChannelOption = None,
    level: options.LevelOption = 0,
    spacing: options.SpacingOption = None,
    model: options.ModelOption = "tiny",
    adapter: options.AdapterOption = None,
    device: options.DeviceOption = "auto",
    preprocessing: options.PreprocessingOption = None,
    intensity: options.IntensityOption = None,
    overwrite: options.OverwriteOption = False,
    report: options.ReportOption = None,
    embeddings: options.KnownEmbeddingsOption = None,
) -> None:
    """Segment objects in an image from points and boxes, few or a table of them.

    The labels keep axes, scale and position of the image. Where objects would
    overlap, the pixels stay with the first.
    """
    from napari_sam_adapter.cli.inputs.spacing import parse_spacing
    from napari_sam_adapter.cli.jobs.task import PromptOptions, Task
    from napari_sam_adapter.image_io import save_labels
    from napari_sam_adapter.image_io.files.opening import check_labels_path

    started = time.monotonic()
    _check_outputs(image, output, report, overwrite)
    if prompts is not None and report is not None:
        check_apart("prompts", prompts, "report", report)
    asked = PromptOptions(
        point or (), negative or (), box or (), separate, prompts,
        axis, propagate, start, stop,
    )  # fmt: skip
    told = open_told(image, parse_spacing(spacing))
    opened, window = choose_view(told, channel, level, intensity)
    check_labels_path(output, overwrite, opened.label_axes)
    task = Task.of(opened, asked)
    _tell_labels(opened)
    _tell_left_out(task)
    _tell_beyond(task)
    predictor = loader_of(context)(model, adapter, device, preprocessing=preprocessing)
    session, reports = _run(task, predictor, embeddings, window)
    count = _tidied(task, session) if tidy else None
    save_labels(output, session.labels, task.image, overwrite)
    summary = _summarise(task, session, reports, count, time.monotonic() - started)
    if report is not None:
        _write_report(report, summary, overwrite)
    _tell(summary, output)
    _warn(reports)


def _check_outputs(
    image: Path, output: Path, report: Path | None, overwrite: bool
) -> None:
    from napari_sam_adapter.image_io.files.opening import check_labels_path
    from napari_sam_adapter.image_io.output.whole_files import check_output

    check_apart("image", image, "labels", output)
    if report is not None:
        check_apart("image", image, "report", report)
        check_apart("labels", output, "report", report)
        if report.suffix.lower() != ".json":
            raise OutputError(
                f"Expected a file NAME.json for --json, got {report}. Choose another "
                "name."
            )
    check_labels_path(output, overwrite)
    if report is not None:
        check_output(report, overwrite)


def _tell_labels(image: OpenedImage) -> None:
    from napari_sam_adapter.cli.inputs.label_images import told_of_labels

    told = told_of_labels(image)
    if told:
        typer.echo(told, err=True)


def _tell_left_out(task: Task) -> None:
    from napari_sam_adapter.volume.asking.table_columns import MEANT

    if task.left_out:
        names = ", ".join(task.left_out)
        meant = "".join(did_you_mean(name, MEANT) for name in task.left_out)
        typer.echo(f"columns of the table passed over: {names}.{meant}", err=True)


def _tell_beyond(task: Task) -> None:
    """Name boxes that the image does not hold, as those with y and x swapped."""
    for prompts in task.objects:
        for plane, asked in prompts.items():
            rows, columns = plane.shape(task.image.label_shape)
            if asked.box is None:
                continue
            top, left, bottom, right = asked.box
            if top < 0 or left < 0 or bottom > rows or right > columns:
                typer.echo(
                    f"the box from row {top:g}, column {left:g} to {bottom:g}, "
                    f"{right:g} reaches beyond its slice of {rows} x {columns} pixels",
                    err=True,
                )


def _run(
    task: Task,
    predictor: Predictor,
    embeddings: Path | None,
    window: IntensityMapping | None,
) -> tuple[Session, list[SliceReport]]:
    from napari_sam_adapter.cli.jobs.segmentation import segment_objects

    session = session_of(task.image, predictor, embeddings, window)
    steps = segment_objects(session, task.objects, task.plans, task.numbers)
    bar = shell_bar(steps, name="segmenting", unit="slice", total=task.slices)
    return session, list(bar)


def _tidied(task: Task, session: Session) -> TidyCount:
    from napari_sam_adapter.volume.session.tidying_all import tidy_all

    plane = next(iter(task.objects[0]))
    count = tidy_all(session, plane.axes)
    typer.echo(count.words)
    return count


def _summarise(
    task: Task,
    session: Session,
    reports: Sequence[SliceReport],
    tidied: TidyCount | None,
    seconds: float,
) -> dict[str, Any]:
    from napari_sam_adapter.cli.jobs.segmentation import summarise_objects

    predictor, windows = session.predictor, task.image.channel_windows
    each = () if windows is None else windows.each
    return {
        "image": task.image.name,
        "axes": task.image.label_axes,
        "shape": task.image.label_shape,
        "scale": task.image.scale,
        "units": task.image.units,
        "intensity": asdict(session.intensity),
        "channel_intensities": [asdict(window) for window in each],
        "predictor": {} if predictor is None else predictor.description,
        "objects": summarise_objects(session, reports, task.names),
        "tidied": None
        if tidied is None
        else {"holes": tidied.holes, "specks": tidied.specks},
        "seconds": round(seconds, 2),
    }


def _write_report(path: Path, summary: dict[str, Any], overwrite: bool) -> None:
    from napari_sam_adapter.image_io.output.whole_files import whole_output

    with whole_output(path, overwrite) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _tell(summary: dict[str, Any], output: Path) -> None:
    from napari_sam_adapter.cli.messages.object_summary import lines_about

    for found in summary["objects"]:
        for line in lines_about(found):
            typer.echo(line)
    count = counted(len(summary["objects"]), "object")
    typer.echo(f"{output}: {count} in {summary['seconds']:.1f} s")


def _warn(reports: Sequence[SliceReport]) -> None:
    from napari_sam_adapter.cli.jobs.segmentation import unreadable_slices

    for position, reason in sorted(unreadable_slices(reports).items()):
        place = ", ".join(map(str, position))
        typer.echo(f"slice {place} is interpolated or left out. {reason}", err=True)
