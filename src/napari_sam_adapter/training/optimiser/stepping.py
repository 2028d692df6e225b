"""Optimiser steps: micro-batches, number formats, memory, and several processes."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import default_collate

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.model.steady import steady_step
from napari_sam_adapter.training.examples.adapter_data import (
    AdapterExample,
    cut,
    kind_of_step,
)
from napari_sam_adapter.training.examples.follow_data import FollowPrompts
from napari_sam_adapter.training.examples.prompt_data import PromptExample, to_device
from napari_sam_adapter.training.network.randomness import own_randomness
from napari_sam_adapter.training.optimiser.cost import StepCost
from napari_sam_adapter.training.optimiser.gradients import (
    check_finite,
    clipped,
    fast_backward,
)
from napari_sam_adapter.training.optimiser.half_precision import half_precision_pays
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager

    from napari_sam_adapter.training.examples.adapter_data import AdapterExamples
    from napari_sam_adapter.training.network.trainee import Trainee
    from napari_sam_adapter.training.optimiser.processes import Processes
    from napari_sam_adapter.training.recipes.config import TrainingConfig

WARM_UP_SHARE, LAST_RATE = 0.05, 0.02
"""Share of the steps in which the rate rises, and its last value."""
OUT_OF_MEMORY = (
    "Expected memory for {} at once, but it ran out. Use a smaller "
    "micro-batch, checkpointing, a smaller base, or train the decoder alone."
)


class Stepper:
    """Takes optimiser steps, each in as many parts as memory asks for.

    Parameters
    ----------
    trainee : Trainee
        On the device of this process.
    config : TrainingConfig
        Rates, shares and number format.
    processes : Processes
        This process among others.
    """

    def __init__(
        self, trainee: Trainee, config: TrainingConfig, processes: Processes
    ) -> None:
        self._trainee, self._config, self._processes = trainee, config, processes
        self._model = processes.wrap(trainee)
        self._batch = config.batch // processes.world
        self._first = processes.rank * self._batch
        self.device = processes.device
        self.optimiser = torch.optim.AdamW(trainee.parameter_groups())
        self.use_half = _uses_half(config, self.device)
        self.micro_batch = config.micro_batch or self._batch

    def gather(self, batch: AdapterExample, step: int) -> Iterator[tuple[float, float]]:
        """Gather the gradient of a step; its images share one kind of prompt.

        Parameters
        ----------
        batch : AdapterExample
            The part of this process, stacked.
        step : int
            Steps that were taken before.

        Yields
        ------
        loss, iou : float
            Means over the images so far, after each micro-batch; the last ones are
            those of the step.

        Raises
        ------
        TrainingError
            If memory does not suffice for one image.
        """
        loss, iou, start = 0.0, 0.0, 0
        self.optimiser.zero_grad()
        while start < self._batch:
            stop = min(start + self.micro_batch, self._batch)
            try:
                part_loss, part_iou = self._add_gradient(batch, step, start, stop)
            except torch.OutOfMemoryError as error:
                self._shrink(error)
                self.optimiser.zero_grad()
                loss, iou, start = 0.0, 0.0, 0
                continue
            loss, iou, start = loss + part_loss, iou + part_iou, stop
            yield loss / stop, iou / stop

    def move(self, step: int, loss: float) -> None:
        """Change what is trained by the gradient that was gathered.

        Parameters
        ----------
        step : int
            Steps that were taken before.
        loss : float
            Of this step.

        Raises
        ------
        TrainingError
            If loss or gradient is not finite.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(step)
        check_finite(loss, float(clipped(self._trainee)), step)
        self.optimiser.step()

    def measure(self, examples: AdapterExamples) -> Generator[None, None, StepCost]:
        """Take steps with one image and forget them; fit the micro-batch to memory.

        Parameters
        ----------
        examples : AdapterExamples
            The first is taken.

        Yields
        ------
        None
            Between two steps.

        Returns
        -------
        StepCost
            What it cost.

        Raises
        ------
        TrainingError
            If memory does not suffice for one image.
        """
        part = _moved(default_collate([examples[0]]), self.device)

        def step() -> None:
            with self._randomness(0, 0):
                with self.arithmetic():
                    loss, _ = self._trainee(part, False)
                with fast_backward(self.device):
                    loss.backward()
            loss.item()  # waits for the device

        try:
            cost = StepCost(self._trainee, step)
            if cost.is_doubtful:
                yield None
                cost.measure_again()
        except torch.OutOfMemoryError as error:
            raise TrainingError(OUT_OF_MEMORY.format(counted(1, "image"))) from error
        self.micro_batch = cost.fitting(self.micro_batch, self.device)
        return cost

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Compute in the number format of this training."""
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.use_half)
        with half, fast_backward(self.device):
            yield

    def _add_gradient(
        self, batch: AdapterExample, step: int, start: int, stop: int
    ) -> tuple[float, float]:
        """Add the gradient of some images; return the sums of their loss and IoU."""
        part = _moved(cut(batch, start, stop), self.device)
        prompt_free = kind_of_step(self._config, step) == "prompt-free"
        count = stop - start
        with ExitStack() as stack:
            stack.enter_context(self._randomness(step, self._first + start))
            stack.enter_context(steady_step(self.device))
            if stop < self._batch:
                stack.enter_context(self._processes.without_sync(self._model))
            with self.arithmetic():
                frozen = self._trainee.is_encoder_frozen
                encoded = self._trainee.recall(part) if frozen else None
                loss, iou = self._model(part, prompt_free, encoded)
            with fast_backward(self.device):  # for what is computed again
                (loss * count / self._batch).backward()
        return count * float(loss.detach()), count * float(iou)

    def _randomness(self, step: int, place: int) -> AbstractContextManager[None]:
        sequence = np.random.SeedSequence((self._config.seed, step, place))
        return own_randomness(int(sequence.generate_state(1)[0]), self.device)

    def _learning_rate(self, step: int) -> float:
        steps, highest = self._config.steps, self._config.learning_rate
        warm_up = min(1.0, (step + 1) / max(1.0, WARM_UP_SHARE * steps))
        fall = 0.5 * (1 + math.cos(math.pi * step / steps))
        return highest * warm_up * (LAST_RATE + (1 - LAST_RATE) * fall)

    def _shrink(self, error: torch.OutOfMemoryError) -> None:
        if self.micro_batch == 1 or self._processes.world > 1:
            images = counted(self.micro_batch, "image")
            raise TrainingError(OUT_OF_MEMORY.format(images)) from error
        self.micro_batch = (self.micro_batch + 1) // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _uses_half(config: TrainingConfig, device: torch.device) -> bool:
    if config.dtype != "auto":
        return config.dtype == "bfloat16"
    return half_precision_pays(str(device))


def _moved(batch: AdapterExample, device: torch.device) -> AdapterExample:
    prompt = PromptExample(*to_device(batch.prompt, device))
    asked = FollowPrompts(*to_device(batch.asked, device))
    return batch._replace(prompt=prompt, asked=asked)
