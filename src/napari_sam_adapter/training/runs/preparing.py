"""What a training needs before its first step, made in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.training.examples.adapter_data import AdapterExamples
from napari_sam_adapter.training.network.trainee_loading import load_trainee
from napari_sam_adapter.training.optimiser.processes import Processes, join_processes
from napari_sam_adapter.training.optimiser.stepping import Stepper

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_sam_adapter.model.adapters.task_information import ImageFilter
    from napari_sam_adapter.training.network.trainee import Trainee
    from napari_sam_adapter.training.progress.progress import TrainingEstimate
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample


class Prepared(NamedTuple):
    """A training before its first step.

    Attributes
    ----------
    processes : Processes
        This process among others.
    trainee : Trainee
        The network, on the device of this process.
    base_sha256 : str
        Hash of its base.
    stepper : Stepper
        Takes steps; its micro-batch fits into memory.
    examples : AdapterExamples
        Of this process.
    estimate : TrainingEstimate
        What all steps will cost.
    """

    processes: Processes
    trainee: Trainee
    base_sha256: str
    stepper: Stepper
    examples: AdapterExamples
    estimate: TrainingEstimate


def preparing(
    config: TrainingConfig,
    samples: Sequence[Sample],
    functions: Mapping[str, ImageFilter] | None,
) -> Generator[None, None, Prepared]:
    """Load the network and measure a step, with pauses in which others may work.

    Parameters
    ----------
    config : TrainingConfig
        What to train.
    samples : sequence of Sample
        To learn from.
    functions : mapping of str to callable or None
        As for `train_adapter`.

    Yields
    ------
    None
        After each part that takes long.

    Returns
    -------
    Prepared
        All that steps need.

    Raises
    ------
    TrainingError
        If the batch cannot be shared, or memory does not suffice. Loading raises other
        errors, see `train_adapter`.
    """
    warm_up_vector_math()
    processes = join_processes(config.device)
    rank, world = processes.rank, processes.world
    if config.batch % world:
        raise TrainingError(
            f"Expected a batch that {world} processes can share evenly, got "
            f"{config.batch}."
        )
    trainee, base_sha256 = load_trainee(config, functions)
    trainee.to(processes.device)
    yield None
    stepper = Stepper(trainee, config, processes)
    size, family = trainee.window.size, trainee.family
    examples = AdapterExamples(samples, config, size, family, rank, world)
    yield None
    cost = yield from stepper.measure(examples)
    estimate = cost.estimate(config, stepper.micro_batch, world)
    return Prepared(processes, trainee, base_sha256, stepper, examples, estimate)
