"""``measure``: images and their labels in, a table of the objects out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_sam_adapter.cli.inputs.inputs import (
    check_apart,
    images_of,
)
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.messages.told_once import ToldOnce
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.cli.inputs.spacing import Spacing
    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.volume.measuring.measurement_table import MeasurementTable
    from napari_sam_adapter.volume.measuring.measuring import Measuring

CSV = ".csv"
SHOWN_NAMES = 5
NO_OBJECT = "{} has no object: all of its pixels are 0, background."
LabelsArgument = Annotated[
    Path | None,
    typer.Argument(
        help="Labels, in one of the formats of images; for a folder of images a folder "
        "of them, as a_labels.tif or else a.tif for a.tif. [default: those beside the "
        "images, as a.tif has a_labels.tif]"
    ),
]


class MeasureJob(NamedTuple):
    """An image to measure.

    Attributes
    ----------
    image, labels : Path
        The files.
    channel : int or None
        Whose brightness is measured.
    spacing : Spacing or None
        Size of the pixels, in place of what the image says.
    """

    image: Path
    labels: Path
    channel: int | None
    spacing: Spacing | None


def measure(
    image: options.ImagesArgument,
    output: options.TableOption,
    labels: LabelsArgument = None,
    channel: options.MeasuredChannelOption = None,
    spacing: options.SpacingOption = None,
    overwrite: options.OverwriteOption = False,
) -> None:
    """Measure the objects of a label file, or of those of all images of a folder.

    Size, place, shape and brightness, one line per object, or per object and time
    point. Lengths, areas and volumes are in the unit of the image, if z, y and x have
    one; the last column names it. The table of a folder begins with a column image.
    """
    from napari_sam_adapter.cli.inputs.spacing import parse_spacing
    from napari_sam_adapter.image_io.output.whole_files import check_output

    jobs = [
        MeasureJob(path, own, _number(channel), parse_spacing(spacing))
        for path, own in _pairs(image, labels)
    ]
    for job in jobs:
        for kind, path in (("image", job.image), ("labels", job.labels)):
            check_apart(kind, path, "table", output)
    _check_suffix(output)
    check_output(output, overwrite)
    is_one = jobs[0].image == image
    table = _of_image(jobs[0]) if is_one else _of_folder(image, jobs)
    _save(output, table, overwrite)


def _number(channel: str | None) -> int | None:
    try:
        return None if channel is None else int(channel)
    except ValueError as error:
        raise ImageError(
            f"Expected --channel as one number, as brightness is of one channel, got "
            f"{channel!r}. Give one from 0."
        ) from error


def _pairs(image: Path, labels: Path | None) -> list[tuple[Path, Path]]:
    """Return what is to be measured: an image, or all images of a folder."""
    images = images_of(image)
    if images == [image]:
        return [(image, labels or _beside(image))]
    if labels is not None and not labels.is_dir():
        raise ImageError(
            f"Expected a folder of labels for the folder of images {image}, got "
            f"{labels}. Leave it out if the labels are beside the images."
        )
    return list(zip(images, _labels_of(images, labels), strict=True))


def _beside(image: Path) -> Path:
    from napari_sam_adapter.image_io.series.entries import SeriesEntry

    labels = SeriesEntry(image).labels_path
    if image.exists() and not labels.exists():
        raise ImageError(
            f"Expected labels of {image} beside it, as {labels}, or as second "
            "argument, got none. Name their file."
        )
    return labels


def _labels_of(images: Sequence[Path], folder: Path | None) -> list[Path]:
    """Name the labels of images: beside them, or as the images in another folder."""
    from napari_sam_adapter.image_io.files.kinds import images_in_folder, split_name
    from napari_sam_adapter.image_io.series.entries import LABELS_MARK, SeriesEntry

    usual = [SeriesEntry(path).labels_path for path in images]
    if folder is None or folder.resolve() == images[0].parent.resolve():
        return usual
    found: dict[str, list[Path]] = defaultdict(list)
    for path in images_in_folder(folder):
        found[split_name(path.name)[0]].append(path)
    chosen = []
    for path, own in zip(images, usual, strict=True):
        stem = split_name(path.name)[0]
        alike = [other for other in found[stem] if other.name == path.name]
        named = found[f"{stem}{LABELS_MARK}"] or alike or found[stem]
        is_clear = len(named) == 1 and not (folder / own.name).exists()
        chosen.append(named[0] if is_clear else folder / own.name)
    return chosen


def _of_image(job: MeasureJob) -> MeasurementTable:
    from napari_sam_adapter.image_io import open_image
    from napari_sam_adapter.volume.measuring.measuring import table_of

    problem, measuring = _measuring(open_image(job.image), job)
    if problem:
        typer.echo(problem, err=True)
    bar = shell_bar(measuring.blocks(), name="measuring", unit="block")
    table = table_of(measuring, [row for block in bar for row in block])
    if not table.rows:
        typer.echo(NO_OBJECT.format(job.labels), err=True)
    return table


def _of_folder(folder: Path, jobs: Sequence[MeasureJob]) -> MeasurementTable:
    """Measure the images that have labels; what cannot be used is told."""
    from napari_sam_adapter.cluster import run_each
    from napari_sam_adapter.volume.measuring.joined_tables import joined_tables

    labelled = [job for job in jobs if job.labels.exists()]
    _tell_without([job for job in jobs if not job.labels.exists()])
    tables, told = [], ToldOnce()
    outcomes = run_each(_measured, labelled)
    bar = shell_bar(outcomes, name="measuring", unit="image", total=len(labelled))
    for outcome in bar:
        job = outcome.item
        problem, table = outcome.result or (outcome.problem, None)
        if table is not None and not table.rows:
            problem = f"{problem} {NO_OBJECT.format(job.labels)}".strip()
        if problem:
            words = told.words(problem, job.image, job.labels)
            typer.echo(f"{job.image}: {words}", err=True)
        if table is not None:
            tables.append((job.image.name, table))
    if not tables:
        raise ImageError(
            f"Expected an image of {folder} with labels that can be used, found none. "
            "The lines above say why."
        )
    typer.echo(f"measured {counted(len(tables), 'image')} of {len(jobs)}")
    return joined_tables(tables)


def _measured(job: MeasureJob) -> tuple[str, MeasurementTable]:
    """Measure an image; say what is wrong with it."""
    from napari_sam_adapter.image_io import open_image
    from napari_sam_adapter.volume.measuring import measuring

    problem, measured = _measuring(open_image(job.image), job)
    return problem, measuring.measure(measured)


def _measuring(image: OpenedImage, job: MeasureJob) -> tuple[str, Measuring]:
    """Return what is wrong with an image, and what is to be measured of it."""
    from napari_sam_adapter.cli.inputs.spacing import with_spacing
    from napari_sam_adapter.volume.measuring.measured_files import measuring_of

    chosen = image if job.channel is None else image.channel(job.channel)
    measuring = measuring_of(chosen, job.labels, "Choose one with --channel")
    spaced = with_spacing(chosen, job.spacing)
    return spaced.problem, replace(measuring, spacing=spaced.spacing, unit=spaced.unit)


def _tell_without(jobs: Sequence[MeasureJob]) -> None:
    if jobs:
        names = ", ".join(job.image.name for job in jobs[:SHOWN_NAMES])
        more = ", ..." * (len(jobs) > SHOWN_NAMES)
        typer.echo(
            f"{counted(len(jobs), 'image')} passed over, without labels such as "
            f"{jobs[0].labels}: {names}{more}",
            err=True,
        )


def _save(output: Path, table: MeasurementTable, overwrite: bool) -> None:
    table.save(output, overwrite)
    typer.echo(f"{output}: {counted(len(table.rows), 'line')}")


def _check_suffix(output: Path) -> None:
    if output.suffix.lower() != CSV:
        raise OutputError(
            f"Expected a table NAME{CSV}, got {output.name}. Spreadsheets open {CSV} "
            "files."
        )
