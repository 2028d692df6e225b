"""Train an adapter: what goes in is checked, progress comes out."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.image_io.output.whole_files import check_output
from napari_sam_adapter.training.runs.adapter_run import AdapterRun
from napari_sam_adapter.training.runs.preparing import preparing
from napari_sam_adapter.training.samples.held_out import divide
from napari_sam_adapter.training.samples.labels import separate_objects
from napari_sam_adapter.training.samples.reading import FoundSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from napari_sam_adapter.model.adapters.task_information import ImageFilter
    from napari_sam_adapter.training.progress.progress import TrainingProgress
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample


def train_adapter(
    config: TrainingConfig,
    samples: Sequence[Sample] | FoundSamples,
    validation: Sequence[Sample] | None = None,
    *,
    functions: Mapping[str, ImageFilter] | None = None,
    resume: bool = False,
    resumable: bool = True,
    stop: Callable[[], bool] | None = None,
) -> Generator[TrainingProgress, None, None]:
    """Fit an adapter to samples.

    Parameters
    ----------
    config : TrainingConfig
        What to train, and where it goes.
    samples : sequence of Sample or FoundSamples
        Images with labels.
    validation : sequence of Sample or None
        To choose the best state by; by default what was found for it, or some of the
        samples.
    functions : mapping of str to callable, optional
        Sources of task information of your own, by name; see `SamAdapter`.
    resume : bool
        Go on from ``OUTPUT.state``; the result is the same as without a stop.
    resumable : bool
        Whether to write ``OUTPUT.state``.
    stop : callable or None
        Asked before each step. True ends the training for good: the state that is
        reached is judged, and kept if it is the best.

    Yields
    ------
    TrainingProgress
        First with an estimate before any step, then after every micro-batch and
        validation image. The file of the best state so far is whole at every moment.
        The generator may be left at any time: closed or interrupted, it first saves
        the last step that was finished, to be resumed from.

    Raises
    ------
    TrainingError
        If there are no samples, the loss is not finite, or memory does not suffice.
    CheckpointError
        If base or start cannot be used.
    OutputError
        If a file cannot be written.
    DeviceError
        If the device is not there.

    Notes
    -----
    Started by torchrun on several processes, each takes a part of every batch.
    """
    turns = training_turns(
        config,
        samples,
        validation,
        functions=functions,
        resume=resume,
        resumable=resumable,
        stop=stop,
    )
    with closing(turns):
        for progress in turns:
            if progress is not None:
                yield progress


def training_turns(
    config: TrainingConfig,
    samples: Sequence[Sample] | FoundSamples,
    validation: Sequence[Sample] | None = None,
    *,
    functions: Mapping[str, ImageFilter] | None = None,
    resume: bool = False,
    resumable: bool = True,
    stop: Callable[[], bool] | None = None,
) -> Generator[TrainingProgress | None, None, None]:
    """Do what `train_adapter` does, for a thread that does other work in between.

    Parameters
    ----------
    config, samples, validation, functions, resume, resumable, stop
        As for `train_adapter`.

    Yields
    ------
    TrainingProgress or None
        None between the parts of the preparation.

    Raises
    ------
    TrainingError
        As `train_adapter`, which raises the other errors, too.
    """
    if isinstance(samples, FoundSamples):
        if validation is None:
            validation = samples.validation or None
        samples = samples.training
    if not samples:
        raise TrainingError(
            "Expected labelled images to learn from, got none. Mark a slice as "
            "finished, or give images with masks."
        )
    check_output(config.output, overwrite=True)
    check_output(config.state_path, overwrite=True)
    separated = separate_objects([*samples, *(validation or ())], config.label_kind)
    training, held_out = separated[: len(samples)], separated[len(samples) :]
    if validation is None:
        training, held_out = divide(training, config)
    prepared = yield from preparing(config, training, functions)
    run = AdapterRun(config, training, held_out, prepared, resumable)
    yield from run.steps(resume, stop)
