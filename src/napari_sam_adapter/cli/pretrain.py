"""``pretrain``: make the weights of a base model anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.cli import options  # noqa: TC001 - typer evaluates them

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.training.pretrain import TrainingProgress


def pretrain(
    recipe: options.RecipeArgument,
    data: options.DataOption,
    output: options.WeightsOption,
    resume: options.ResumeOption = False,
    overwrite: options.OverwriteOption = False,
    device: options.TrainingDeviceOption = "cpu",
    workers: options.WorkersOption = 0,
) -> None:
    """Train a base model from a recipe; stopped runs can be resumed."""
    from napari_sam_adapter.image_io.output import check_output
    from napari_sam_adapter.training.pretrain import pretrain as run
    from napari_sam_adapter.training.recipe import read_recipe

    check_output(output, overwrite or resume)
    steps = run(
        read_recipe(recipe),
        data,
        output,
        resume=resume,
        device=device,
        workers=workers,
    )
    _show(steps)
    typer.echo(f"{output}: written")


def _show(steps: Iterator[TrainingProgress]) -> None:
    from tqdm import tqdm

    with tqdm(desc="training", unit="step", delay=1, disable=None) as bar:
        for progress in steps:
            bar.total = progress.total_steps
            bar.set_postfix(
                phase=progress.phase,
                loss=progress.loss,
                iou=progress.iou,
                refresh=False,
            )
            bar.update(progress.step - bar.n)
