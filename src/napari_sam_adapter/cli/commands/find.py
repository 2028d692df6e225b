"""``find``: images in, all their objects out."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam_adapter.cli.inputs.inputs import OF_FILE, images_of
from napari_sam_adapter.cli.inputs.loading import loader_of
from napari_sam_adapter.cli.jobs.finding import FindJob, check_slices, find_in_file
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.messages.told_once import ToldOnce
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from napari_sam_adapter.cli.jobs.finding import Found

NOTHING_FOUND = (
    "Nothing found. An adapter that was trained on such images finds more: {}."
)
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
        help="Put together what overlaps on neighbouring slices, and follow each "
        "object from the slice in the middle.",
    ),
]
LikeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--like",
        metavar="Z,Y,X",
        help="A point on an example: only what is like the examples is kept of their "
        "slice, by size and brightness. As --point of segment; repeatable.",
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
    image: options.ImagesArgument,
    output: OutputOption,
    slices: SlicesOption = None,
    like: LikeOption = None,
    propagate: FollowOption = False,
    tidy: options.TidyOption = False,
    axis: options.AxisOption = None,
    channel: options.ChannelOption = None,
    level: options.LevelOption = 0,
    spacing: options.SpacingOption = None,
    model: options.ModelOption = "tiny",
    adapter: options.AdapterOption = None,
    device: options.DeviceOption = "auto",
    preprocessing: options.PreprocessingOption = None,
    intensity: options.IntensityOption = None,
    overwrite: options.OverwriteOption = False,
    embeddings: options.KnownEmbeddingsOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Find all objects of an image, or of each image of a folder, without a prompt.

    Without --propagate each slice has objects of its own. Look over the result:
    every object can be missed, cut in two, or joined with its neighbour.
    """
    from napari_sam_adapter.cli.inputs.spacing import parse_spacing

    job = FindJob(
        image,
        output,
        loader_of(context),
        model=model,
        adapter=adapter,
        device=device,
        preprocessing=preprocessing,
        intensity=intensity,
        slices=slices,
        axis=axis,
        channel=channel,
        level=level,
        spacing=parse_spacing(spacing),
        propagate=propagate,
        tidy=tidy,
        overwrite=overwrite,
        embeddings=embeddings,
        like=tuple(like or ()),
    )
    if intensity not in (None, OF_FILE):
        from napari_sam_adapter.intensity import intensity_by_name

        intensity_by_name(intensity)  # what is wrong with it is told once
    images = images_of(image)
    if images == [image]:
        _find_in_image(job, scheduler)
    else:
        _find_in_images(job, images, scheduler)


def _find_in_image(job: FindJob, scheduler: str | None) -> None:
    if scheduler is not None:
        raise ImageError(
            f"Expected a folder of images for workers to share, got {job.image}. Leave "
            "--scheduler out, or give its folder."
        )
    bar = partial(shell_bar, name="finding", unit="slice")
    before = _state_of(job.output)
    try:
        found = find_in_file(job, lambda steps, total: bar(steps, total=total))
    except KeyboardInterrupt:
        if _state_of(job.output) == before:
            typer.echo(f"{job.output} was not written.", err=True)
        raise
    if found.problem:
        typer.echo(found.problem, err=True)
    for step in found.steps:
        if step.problem:
            typer.echo(f"slice {step.place}: {step.problem}", err=True)
        elif step.place:
            typer.echo(f"slice {step.place}: {counted(len(step.object_ids), 'object')}")
    typer.echo(f"{job.output}: {_words(found)}")
    if not found.objects:
        typer.echo(_nothing_found(job.model, job.adapter), err=True)


def _state_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file or folder from one that takes its place."""
    if not path.exists():
        return None
    state = path.stat()
    return state.st_ino, state.st_mtime_ns


def _words(found: Found) -> str:
    words = f"{counted(found.objects, 'object')} in {found.seconds:.1f} s"
    unlike = sum(step.unlike for step in found.steps)
    left_out = f"{unlike} unlike the examples left out." if unlike else ""
    return ". ".join(filter(None, [words, " ".join([left_out, found.tidied]).strip()]))


def _find_in_images(job: FindJob, images: list[Path], scheduler: str | None) -> None:
    """Find the objects of each image; what cannot be used is told and passed over."""
    from napari_sam_adapter.cluster import run_each

    if job.like:
        raise ImageError(
            f"Expected one image for --like, got {job.image}. Each image needs "
            "examples of its own."
        )
    if job.slices is not None:
        check_slices(job.slices)  # what is wrong with it is told once
    _check_folder(job.output, len(images))
    jobs = _jobs(job, images)
    there = len(images) - len(jobs)
    if there:
        typer.echo(
            f"{counted(there, 'image')} passed over, with labels in {job.output} "
            "already. --overwrite makes them anew.",
            err=True,
        )
    if not jobs:
        return
    if scheduler is None:
        jobs[0].predictor()  # what is wrong with it is told once
    _make_folder(jobs[0].output.parent)
    outcomes = run_each(find_in_file, jobs, scheduler)
    failed, total = 0, 0
    told = ToldOnce()
    for outcome in shell_bar(outcomes, name="finding", unit="image", total=len(jobs)):
        if outcome.result is None:
            failed += 1
            _tell_problem(outcome.item.image, outcome.problem, told)
            continue
        total += outcome.result.objects
        _tell_problems(outcome.item.image, outcome.result, told)
        typer.echo(f"{outcome.item.output}: {_words(outcome.result)}")
    done = len(jobs) - failed
    passed = f", {there} passed over" if there else ""
    what = f"{counted(total, 'object')} in {counted(done, 'image')}"
    typer.echo(f"{what} of {len(images)}{passed}")
    if not done and not there:
        raise ImageError(
            f"Expected an image of {job.image} that can be used, found none. The lines "
            "above say why."
        )


def _tell_problem(image: Path, problem: str, told: ToldOnce) -> None:
    typer.echo(f"{image}: {told.words(problem, image)}", err=True)


def _tell_problems(image: Path, found: Found, told: ToldOnce) -> None:
    if found.problem:
        _tell_problem(image, found.problem, told)
    for step in found.steps:
        if step.problem:
            typer.echo(f"{image}, slice {step.place}: {step.problem}", err=True)


def _jobs(job: FindJob, images: list[Path]) -> list[FindJob]:
    """Return what is to be done for images whose labels are not there."""
    from napari_sam_adapter.image_io.series.entries import SeriesEntry

    job = replace(  # workers are in other folders than this process
        job,
        model=_absolute(job.model),
        adapter=job.adapter and _absolute(job.adapter),
        embeddings=job.embeddings and job.embeddings.absolute(),
    )
    outputs = [
        job.output.absolute() / SeriesEntry(path).labels_path.name for path in images
    ]
    return [
        replace(job, image=path.absolute(), output=output)
        for path, output in zip(images, outputs, strict=True)
        if job.overwrite or not output.exists()
    ]


def _check_folder(path: Path, images: int) -> None:
    """Raise if a name is meant for one file."""
    from napari_sam_adapter.image_io.files.kinds import named_format

    named = named_format(path)
    if named is not None and named.write and not path.is_dir():
        raise OutputError(
            f"Expected a folder for labels of {counted(images, 'image')} (--output), "
            f"got {path}. Leave the suffix out, or give one of the images."
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Expected a folder for labels (--output), got {path}: {error.strerror}. "
            "Choose another name."
        ) from error


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if os.path.isfile(name) else name


def _nothing_found(model: str, adapter: str | None) -> str:
    from napari_sam_adapter.model.variants import other_adapters

    names = " or ".join(other_adapters(model, adapter))
    advice = f"try --adapter {names}, or train your own" if names else "train your own"
    without = f" Without {adapter} it may find more, too." if adapter else ""
    return NOTHING_FOUND.format(advice) + without
