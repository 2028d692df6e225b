"""``find``: images in, all their objects out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam_adapter.cli import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.cli.bars import shell_bar
from napari_sam_adapter.cli.finding import FindJob, find_in_file
from napari_sam_adapter.cli.loading import loader_of
from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.cli.finding import Found, SliceStep

NOTHING_FOUND = (
    "Nothing found. An adapter that was trained on such images finds more: {}."
)
ImagesArgument = Annotated[
    Path,
    typer.Argument(
        help="TIFF, OME-Zarr, NIfTI, DICOM, PNG, JPEG or NPY; or a folder of such."
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Labels to write: .tif, .zarr, .nii, .nii.gz, .png (2-D) or .npy; for a "
        "folder of images a folder.",
    ),
]
SlicesOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|FIRST:LAST[:STEP]",
        help="Slices to look at, from 0; LAST is included, : means all. "
        "[default: the middle one]",
    ),
]
FollowOption = Annotated[
    bool,
    typer.Option(
        "--propagate",
        help="Follow what is found on a slice through the others, before the next "
        "slice is looked at for what is not found yet.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Dask scheduler whose workers share a folder of images, as "
        "tcp://node1:8786.",
    ),
]


def find(
    context: typer.Context,
    image: ImagesArgument,
    output: OutputOption,
    slices: SlicesOption = None,
    propagate: FollowOption = False,
    axis: options.AxisOption = None,
    channel: options.ChannelOption = None,
    level: options.LevelOption = 0,
    model: options.ModelOption = "tiny",
    adapter: options.AdapterOption = None,
    device: options.DeviceOption = "auto",
    preprocessing: options.PreprocessingOption = None,
    overwrite: options.OverwriteOption = False,
    embeddings: options.KnownEmbeddingsOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Find all objects of an image, or of each image of a folder, without a prompt.

    Without --propagate each slice has objects of its own. Look over the result:
    every object can be missed, cut in two, or joined with its neighbour.
    """
    from napari_sam_adapter.image_io.formats import is_folder_of_images

    job = FindJob(
        image,
        output,
        loader_of(context),
        model,
        adapter,
        device,
        preprocessing,
        slices,
        axis,
        channel,
        level,
        propagate,
        overwrite,
        embeddings,
    )
    if is_folder_of_images(image):
        _find_in_folder(job, scheduler)
    else:
        _find_in_image(job, scheduler)


def _find_in_image(job: FindJob, scheduler: str | None) -> None:
    if scheduler is not None:
        raise ImageError(
            f"Expected a folder of images for workers to share, got {job.image}. Leave "
            "--scheduler out, or give its folder."
        )
    bar = partial(shell_bar, name="finding", unit="slice")
    found = find_in_file(job, lambda steps, total: bar(steps, total=total))
    for step in found.steps:
        place = ", ".join(map(str, step.plane.position))
        if step.problem:
            typer.echo(f"slice {place}: {step.problem}", err=True)
        elif step.plane.position:
            typer.echo(f"slice {place}: {counted(step.objects, 'object')}")
    typer.echo(f"{job.output}: {_words(found)}")
    if not found.objects:
        typer.echo(_nothing_found(job.model, job.adapter), err=True)


def _words(found: Found) -> str:
    return f"{counted(found.objects, 'object')} in {found.seconds:.1f} s"


def _find_in_folder(job: FindJob, scheduler: str | None) -> None:
    """Find the objects of each image; what cannot be used is told and passed over."""
    from napari_sam_adapter.cluster import run_each

    jobs, there = _jobs(job)
    if there:
        typer.echo(
            f"{counted(there, 'image')} passed over, with labels in {job.output} "
            "already. --overwrite makes them anew.",
            err=True,
        )
    if scheduler is None and jobs:
        jobs[0].predictor()  # what is wrong with it is told once
    outcomes = run_each(find_in_file, jobs, scheduler)
    failed, total = 0, 0
    for outcome in shell_bar(outcomes, name="finding", unit="image", total=len(jobs)):
        if outcome.result is None:
            failed += 1
            typer.echo(f"{outcome.item.image}: {outcome.problem}", err=True)
            continue
        total += outcome.result.objects
        _tell_problems(outcome.item.image, outcome.result.steps)
        typer.echo(f"{outcome.item.output}: {_words(outcome.result)}")
    done = len(jobs) - failed
    typer.echo(f"{counted(total, 'object')} in {counted(done, 'image')} of {len(jobs)}")
    if failed and not done:
        raise ImageError(
            f"Expected an image of {job.image} that can be used, found none. The lines "
            "above say why."
        )


def _tell_problems(image: Path, steps: Sequence[SliceStep]) -> None:
    for step in steps:
        if step.problem:
            place = ", ".join(map(str, step.plane.position))
            typer.echo(f"{image}, slice {place}: {step.problem}", err=True)


def _jobs(job: FindJob) -> tuple[list[FindJob], int]:
    """Return what is to be done for a folder, and how many images are done already."""
    from napari_sam_adapter.image_io.series import Series

    entries = Series.of_folder(job.image).entries
    _make_folder(job.output)
    job = replace(  # workers are in other folders than this process
        job,
        model=_absolute(job.model),
        adapter=job.adapter and _absolute(job.adapter),
        embeddings=job.embeddings and job.embeddings.absolute(),
    )
    jobs = [
        replace(job, image=e.path, output=job.output.absolute() / e.labels_path.name)
        for e in entries
    ]
    new = [one for one in jobs if job.overwrite or not one.output.exists()]
    return new, len(jobs) - len(new)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Expected a folder for labels (--output), got {path}: {error.strerror}. "
            "Choose another name."
        ) from error


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).exists() else name


def _nothing_found(model: str, adapter: str | None) -> str:
    from napari_sam_adapter.model.variants import other_adapters

    names = " or ".join(other_adapters(model, adapter))
    advice = f"try --adapter {names}, or train your own" if names else "train your own"
    without = f" Without {adapter} it may find more, too." if adapter else ""
    return NOTHING_FOUND.format(advice) + without
