"""Train a base model from scratch by a recipe; can be interrupted and resumed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Subset

from napari_sam_adapter.errors import OutputError, TrainingError
from napari_sam_adapter.inference.network.fastest import choose_way
from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.training.examples.prompt_data import (
    PromptDataset,
    PromptExample,
)
from napari_sam_adapter.training.recipes.config import state_beside
from napari_sam_adapter.training.runs.pretrain_run import PretrainRun
from napari_sam_adapter.training.samples.datasets import nothing_in, read_split

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from napari_sam_adapter.training.recipes.recipe import Phase, Recipe
    from napari_sam_adapter.training.samples.samples import Sample

    Groups = Sequence[tuple[Sequence[Sample], float]]

SAVE_SECONDS = 180.0


@dataclass(frozen=True)
class PretrainProgress:
    """What is known after a step.

    Parameters
    ----------
    step, total_steps : int
        Steps done, and steps of the whole recipe.
    phase : int
        Number of the phase, from 0.
    loss, iou : float
        Running averages: loss of a batch, IoU after the last correction.
    seconds : float
        Since this run started.
    refused : tuple of str
        One line for each pair of the sets that cannot be used, with its name and the
        reason.
    """

    step: int
    total_steps: int
    phase: int
    loss: float
    iou: float
    seconds: float
    refused: tuple[str, ...] = ()


def pretrain(
    recipe: Recipe,
    data: Path,
    output: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    workers: int = 0,
) -> Generator[PretrainProgress, None, None]:
    """Train a base model.

    Parameters
    ----------
    recipe : Recipe
        What to train on and for how long.
    data : Path
        Folder with the data sets of the recipe.
    output : Path
        The weight file (safetensors, half precision). The state to resume from stands
        beside it as ``OUTPUT.state`` and is renewed every few minutes.
    resume : bool
        Go on from that state.
    device : str
        ``"auto"``, ``"cpu"`` or another PyTorch device.
    workers : int
        Processes that prepare data.

    Yields
    ------
    PretrainProgress
        After every step. The generator may be left at any time: closed or interrupted,
        it first saves the last step that was finished, to be resumed from.

    Raises
    ------
    TrainingError
        If data are missing, the loss is not finite, or the state does not fit.
    OutputError
        If the folder of the output does not exist, or a file cannot be written.
    DeviceError
        If the device is not there.
    GeneratorExit
        If it is left, after the step was kept.
    KeyboardInterrupt
        The same.
    """
    if not output.parent.is_dir():
        raise OutputError(f"Expected an existing folder, got {output.parent}.")
    warm_up_vector_math()
    groups, refused = _read_sets(recipe, data)
    samples = [sample for group, _ in groups for sample in group]
    device_used = torch.device(choose_way(device, "float32").device)
    run = PretrainRun(recipe, samples, device_used)
    state_path = state_beside(output)
    if resume:
        run.load_state(state_path)
    else:
        state_path.unlink(missing_ok=True)
    try:
        yield from _steps(run, groups, state_path, workers, refused)
        run.check_average()
        run.save_state(state_path)
        about = {"recipe": recipe.model, "steps": str(run.step)}
        save_base(run.average, output, about)
        state_path.unlink()
    except (GeneratorExit, KeyboardInterrupt):
        if run.saved_step != run.step:
            run.save_state(state_path)
        raise


def _read_sets(recipe: Recipe, data: Path) -> tuple[Groups, tuple[str, ...]]:
    """Read the sets of a recipe; return the samples of each, and what is refused."""
    groups: list[tuple[Sequence[Sample], float]] = []
    told: list[str] = []
    for name, weight in recipe.sets.items():
        path = data / f"{name}.zip"
        samples, refused = read_split(path, "train")
        if not samples:
            raise TrainingError(nothing_in(path, refused))
        groups.append((samples, weight))
        told += [f"{name} {line}" for line in refused]
    return groups, tuple(told)


def _steps(
    run: PretrainRun,
    groups: Groups,
    state_path: Path,
    workers: int,
    refused: tuple[str, ...],
) -> Iterator[PretrainProgress]:
    """Take all steps that are left, and save the state now and then."""
    started = saved = time.monotonic()
    total = run.recipe.total_steps
    is_pinned = run.device.type == "cuda"
    for number, phase, batch in _batches(
        run.recipe, groups, run.step, workers, is_pinned
    ):
        run.train_step(batch, phase)
        now = time.monotonic()
        if now - saved > SAVE_SECONDS:
            run.save_state(state_path)
            saved = now
        seconds = now - started
        yield PretrainProgress(
            run.step, total, number, run.loss, run.iou, seconds, refused
        )


def _batches(
    recipe: Recipe,
    groups: Groups,
    step: int,
    workers: int,
    is_pinned: bool,
) -> Iterator[tuple[int, Phase, PromptExample]]:
    """Give every batch from `step` on, with its phase."""
    first = 0
    for number, phase in enumerate(recipe.phases):
        if step < first + phase.steps:
            examples = PromptDataset(groups, recipe, phase, first)
            done = max(0, step - first) * phase.batch
            rest = Subset(examples, range(done, len(examples)))
            loader = DataLoader(
                rest,
                phase.batch,
                num_workers=workers,
                pin_memory=is_pinned,
                generator=torch.Generator(),  # leaves the caller's alone
            )
            for batch in loader:
                yield number, phase, PromptExample(*batch)
        first += phase.steps
