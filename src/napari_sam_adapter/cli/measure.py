"""``measure``: images and their labels in, a table of the objects out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_sam_adapter.cli import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.cli.bars import shell_bar
from napari_sam_adapter.cli.inputs import (
    check_apart,
    images_of,
    open_labels,
    open_told,
)
from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.volume.measuring.measuring import (
        MeasurementTable,
        Measuring,
    )

CSV = ".csv"
SHOWN_NAMES = 5
LabelsArgument = Annotated[
    Path | None,
    typer.Argument(
        help="Labels, in one of the formats of images; for a folder of images a folder "
        "of them. [default: those beside the images, as a.tif has a_labels.tif]"
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
    """

    image: Path
    labels: Path
    channel: int | None


def measure(
    image: options.ImagesArgument,
    output: options.TableOption,
    labels: LabelsArgument = None,
    channel: options.MeasuredChannelOption = None,
    overwrite: options.OverwriteOption = False,
) -> None:
    """Measure the objects of a label file, or of those of all images of a folder.

    Size, place, shape and brightness, one line per object, or per object and time
    point. Lengths, areas and volumes are in the unit of the image, if z, y and x have
    one; the last column names it. The table of a folder begins with a column image.
    """
    from napari_sam_adapter.image_io.output import check_output

    jobs = _jobs(image, labels, channel)
    for job in jobs:
        for kind, path in (("image", job.image), ("labels", job.labels)):
            check_apart(kind, path, "table", output)
    _check_suffix(output)
    check_output(output, overwrite)
    is_one = jobs[0].image == image
    table = _of_image(jobs[0]) if is_one else _of_folder(image, jobs)
    _save(output, table, overwrite)


def _jobs(image: Path, labels: Path | None, channel: int | None) -> list[MeasureJob]:
    """Return what is to be measured: an image, or all images of a folder."""
    from napari_sam_adapter.image_io.series import SeriesEntry

    images = images_of(image)
    if images == [image] and labels is not None:
        return [MeasureJob(image, labels, channel)]
    if labels is not None and not labels.is_dir():
        raise ImageError(
            f"Expected a folder of labels for the folder of images {image}, got "
            f"{labels}. Leave it out if the labels are beside the images."
        )
    beside = [SeriesEntry(path).labels_path for path in images]
    return [
        MeasureJob(path, own if labels is None else labels / own.name, channel)
        for path, own in zip(images, beside, strict=True)
    ]


def _of_image(job: MeasureJob) -> MeasurementTable:
    from napari_sam_adapter.volume.measuring.measuring import table_of

    measuring = _measuring(open_told(job.image), job)
    bar = shell_bar(measuring.blocks(), name="measuring", unit="block")
    return table_of(measuring, [row for block in bar for row in block])


def _of_folder(folder: Path, jobs: Sequence[MeasureJob]) -> MeasurementTable:
    """Measure the images that have labels; what cannot be used is told."""
    from napari_sam_adapter.cluster import run_each
    from napari_sam_adapter.volume.measuring.joined_tables import joined_tables

    labelled = [job for job in jobs if job.labels.exists()]
    _tell_without([job for job in jobs if not job.labels.exists()])
    tables = []
    outcomes = run_each(_measured, labelled)
    bar = shell_bar(outcomes, name="measuring", unit="image", total=len(labelled))
    for outcome in bar:
        if outcome.result is None:
            typer.echo(f"{outcome.item.image}: {outcome.problem}", err=True)
            continue
        problem, table = outcome.result
        if problem:
            typer.echo(f"{outcome.item.image}: {problem}", err=True)
        tables.append((outcome.item.image.name, table))
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

    image = open_image(job.image)
    return image.problem, measuring.measure(_measuring(image, job))


def _measuring(image: OpenedImage, job: MeasureJob) -> Measuring:
    from napari_sam_adapter.image_io.composite import check_one_channel
    from napari_sam_adapter.volume.measuring.measuring import Measuring

    chosen = image if job.channel is None else image.channel(job.channel)
    check_one_channel(chosen, "Choose one with --channel")
    return Measuring.of(open_labels(job.labels, chosen), chosen)


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
    from napari_sam_adapter.image_io.tables import save_csv

    save_csv(output, table.columns, table.rows, overwrite)
    typer.echo(f"{output}: {counted(len(table.rows), 'line')}")


def _check_suffix(output: Path) -> None:
    if output.suffix.lower() != CSV:
        raise OutputError(
            f"Expected a table NAME{CSV}, got {output.name}. Spreadsheets open {CSV} "
            "files."
        )
