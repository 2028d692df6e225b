"""``pretrain``: make the weights of a base model anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.messages.left_out import tell_refused
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from napari_sam_adapter.training.runs.pretrain import PretrainProgress


def pretrain(
    recipe: options.RecipeArgument,
    data: options.DataOption,
    output: options.WeightsOption,
    resume: options.ResumeOption = False,
    overwrite: options.OverwriteOption = False,
    device: options.TrainingDeviceOption = "cpu",
    workers: options.WorkersOption = 0,
) -> None:
    """Train a base model from a recipe.

    --resume goes on with a stopped run.
    """
    from napari_sam_adapter.training.recipes.recipe import read_recipe
    from napari_sam_adapter.training.runs.pretrain import pretrain as run

    _check_outputs(output, resume, overwrite)
    steps = run(
        read_recipe(recipe),
        data,
        output,
        resume=resume,
        device=device,
        workers=workers,
    )
    _go_through(steps, output)
    typer.echo(f"{output}: written")


def _check_outputs(output: Path, resume: bool, overwrite: bool) -> None:
    from napari_sam_adapter.image_io.output.whole_files import check_output
    from napari_sam_adapter.training.recipes.config import state_beside

    check_output(output, overwrite or resume)
    state = state_beside(output)
    check_output(state, overwrite=True)
    if state.exists() and not (resume or overwrite):
        raise OutputError(
            f"Expected a new run, but {state} keeps the state of an earlier one. Go on "
            "from it with --resume, or replace it with --overwrite."
        )


def _go_through(steps: Generator[PretrainProgress, None, None], output: Path) -> None:
    try:
        _show(steps)
    except KeyboardInterrupt:
        steps.close()  # it may have come between two of them
        typer.echo(_told_stop(output), err=True)
        raise


def _told_stop(output: Path) -> str:
    from napari_sam_adapter.training.recipes.config import state_beside

    if not state_beside(output).exists():
        return "there is no state to go on from; the same command begins anew"
    return "the same command goes on with --resume after the last finished step"


def _show(steps: Iterator[PretrainProgress]) -> None:
    with shell_bar(name="training", unit="step") as bar:
        for progress in steps:
            if not bar.n:
                tell_refused(progress.refused)
            bar.total = progress.total_steps
            bar.set_postfix(
                phase=progress.phase,
                loss=progress.loss,
                iou=progress.iou,
                refresh=False,
            )
            bar.update(progress.step - bar.n)
