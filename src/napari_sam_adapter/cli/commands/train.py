"""``train``: fit an adapter to images with labels."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam_adapter.cli.inputs.downloading import fetch_missing
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.messages.left_out import tell_refused
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.cli.options.config_options import with_config_options
from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.training.progress.progress import TrainingProgress
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.reading import FoundSamples

RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="microscopy, medical, or a TOML file; DATA is the folder of its sets."
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH|NAME",
        help="Window through which the adapter sees images of more than 8 bits, now "
        "and when it is used: two numbers; lung, bone, soft-tissue or brain, for CT; "
        "plane; or as_is, for 0 to 255. [default: each image's own]",
    ),
]
PageOption = Annotated[
    Path | None, typer.Option(help="HTML page of the training; default OUTPUT.html.")
]


@with_config_options
def train(
    given: dict[str, Any],
    data: options.DatasetArgument,
    labels: options.DatasetLabelsOption = None,
    recipe: RecipeOption = None,
    strict: options.StrictOption = False,
    resume: options.ResumeOption = False,
    overwrite: options.OverwriteOption = False,
    report: PageOption = None,
    intensity: WindowOption = None,
) -> None:
    """Train an adapter on images with labels.

    The best state so far is always on disk; --resume goes on with a stopped run.
    """
    from napari_sam_adapter.intensity import intensity_by_name
    from napari_sam_adapter.training.recipes.adapter_recipe import (
        AdapterRecipe,
        read_adapter_recipe,
    )
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.reading import find_samples, find_sets

    chosen = AdapterRecipe() if recipe is None else read_adapter_recipe(recipe)
    config = TrainingConfig(**chosen.options | given)
    report = report or config.output.with_name(config.output.name + ".html")
    _check_outputs(config, report, resume, overwrite)
    window = None if intensity is None else intensity_by_name(intensity)
    if chosen.sets:
        found = find_sets(data, chosen.sets, config.validation_images, window)
    else:
        found = find_samples(data, labels, window)
    tell_refused(found.refused, strict)
    if found.lost_validation:
        typer.echo(
            "none of the images that the data name to validate on can be used: others "
            "are kept back instead",
            err=True,
        )
    fetch_missing(config.base, config.start)
    _train(config, found, resume, report)


def _check_outputs(
    config: TrainingConfig, report: Path, resume: bool, overwrite: bool
) -> None:
    from napari_sam_adapter.image_io.output.whole_files import check_output

    for path in (config.output, report):
        check_output(path, overwrite or resume)
    if config.state_path.exists() and not (resume or overwrite):
        raise OutputError(
            f"Expected a new run, but {config.state_path} keeps the state of an "
            "earlier one. Go on from it with --resume, or replace it with --overwrite."
        )


def _train(
    config: TrainingConfig, found: FoundSamples, resume: bool, report: Path
) -> None:
    from napari_sam_adapter.training.progress.report import write_report
    from napari_sam_adapter.training.runs.adapter_training import train_adapter
    from napari_sam_adapter.training.samples.held_out import divide

    is_first = os.environ.get("RANK", "0") == "0"
    training, held_out = found.training, found.validation
    if not held_out:
        training, held_out = map(tuple, divide(training, config))
    steps = train_adapter(config, training, held_out, resume=resume)
    if is_first:
        typer.echo(f"{counted(len(training), 'image')} to learn from")
        typer.echo(_told_validation(config, len(held_out), bool(found.validation)))
    try:
        last = _show(steps, quiet=not is_first)
    except KeyboardInterrupt:
        steps.close()  # it may have come between two of them
        if is_first:
            typer.echo(_told_stop(config), err=True)
        raise
    if is_first:
        write_report(report, config, last)
        typer.echo(_summary(config, last))
        what = "curves and masks" if last.history else "numbers and options"
        typer.echo(f"{report}: {what}")


def _told_validation(config: TrainingConfig, count: int, were_named: bool) -> str:
    """Say which images choose the state that is kept, and how to choose others."""
    if not count:
        return (
            "no images to validate on: the last state is kept. Name some in a folder "
            "val, or give --validation-share and two images or more"
        )
    looked = min(count, config.validation_images)
    number = f"{looked} of {count}" if looked < count else str(count)
    if were_named:
        return f"{number} to validate on, which the data name"
    return (
        f"{number} kept back to validate on (--validation-share "
        f"{config.validation_share:g} of all, --seed {config.seed}); to choose them "
        "yourself, sort the images into folders train and val"
    )


def _told_stop(config: TrainingConfig) -> str:
    if not config.state_path.exists():
        return "there is no state to go on from; the same command begins anew"
    from napari_sam_adapter.model.files.adapter_header import read_adapter_header

    best = read_adapter_header(config.output).notes.metrics.get("step")
    has = "has the best state so far" if best else "has learned nothing yet"
    if best is None:  # nobody judged it
        has = "has an earlier state"
    return f"{config.output} {has}; the same command goes on with --resume"


def _show(steps: Iterator[TrainingProgress], quiet: bool) -> TrainingProgress:
    last = next(steps)
    if quiet:
        return deque(steps, maxlen=1).pop()
    typer.echo(last.estimate.sentence)
    if last.step:
        typer.echo(f"goes on after step {last.step} of {last.total_steps}")
    total, done = last.total_steps, last.step
    with shell_bar(
        name="training", unit="step", total=total, done=done, delay=0
    ) as bar:
        for last in steps:
            best = None if last.best is None else last.best.score
            told = {"loss": last.loss, "iou": last.iou, "best": best}
            known = {name: value for name, value in told.items() if value is not None}
            bar.set_postfix(known, refresh=False)
            bar.update(last.step - bar.n)
    return last


def _summary(config: TrainingConfig, last: TrainingProgress) -> str:
    written = (
        f"{config.output}: written after {counted(last.step, 'step')} ({last.ending})"
    )
    if last.best is None:
        return f"{written}; too few images to validate"
    told = f"{written}; validation {last.gain_told(digits=3)}"
    if last.best.step == 0:
        return f"{told}: nothing was better than no training"
    return told
