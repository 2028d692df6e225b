"""Train an adapter: the loop, as a generator of progress."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.image_io.output import check_output
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.model.number_formats import bfloat16_pays
from napari_sam_adapter.training.adapter_data import (
    AdapterExample,
    AdapterExamples,
    cut,
)
from napari_sam_adapter.training.cost import StepCost
from napari_sam_adapter.training.labels import separate_objects
from napari_sam_adapter.training.pretrain import fast_backward
from napari_sam_adapter.training.processes import join_processes
from napari_sam_adapter.training.progress import (
    Example,
    TrainingEstimate,
    TrainingProgress,
    Validation,
)
from napari_sam_adapter.training.prompt_data import PromptExample
from napari_sam_adapter.training.trainee import load_trainee
from napari_sam_adapter.training.training_state import load_state, save_state
from napari_sam_adapter.training.validation import Answer, answer, divide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.training.config import TrainingConfig
    from napari_sam_adapter.training.samples import Sample

GRADIENT_CLIP = 1.0
WARM_UP_SHARE, LAST_RATE = 0.05, 0.02
"""Share of the steps in which the rate rises, and its last value."""
SAVE_SECONDS = 120.0
SHOWN_EXAMPLES = 4
SMOOTHING = 0.95


def train_adapter(
    config: TrainingConfig,
    samples: Sequence[Sample],
    validation: Sequence[Sample] | None = None,
    *,
    resume: bool = False,
) -> Iterator[TrainingProgress]:
    """Fit an adapter to samples.

    Parameters
    ----------
    config : TrainingConfig
        What to train, and where it goes.
    samples : sequence of Sample
        Images with labels.
    validation : sequence of Sample or None
        To choose the best state by; None takes some of the samples away.
    resume : bool
        Go on from ``OUTPUT.state``; the result is the same as without a stop.

    Yields
    ------
    TrainingProgress
        First with an estimate before any step, then after every micro-batch and
        validation image. The file of the best state so far is whole at every moment,
        so the generator may be left at any time.

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
    if not samples:
        raise TrainingError(
            "Expected labelled images to learn from, got none. Mark a slice as "
            "finished, or give images with masks."
        )
    check_output(config.output, overwrite=True)
    check_output(config.state_path, overwrite=True)
    everything = separate_objects([*samples, *(validation or ())], config.labels)
    training, held_out = everything[: len(samples)], everything[len(samples) :]
    if validation is None:
        training, held_out = divide(training, config)
    run = _Run(config, training, held_out)
    yield from run.steps(resume)


class _Run:
    """One training: network, optimiser, and what is known so far."""

    def __init__(
        self,
        config: TrainingConfig,
        training: Sequence[Sample],
        held_out: Sequence[Sample],
    ) -> None:
        warm_up_vector_math()
        self._config = config
        self._processes = join_processes(config.device)
        self._device, world = self._processes.device, self._processes.world
        if config.batch % world:
            raise TrainingError(
                f"Expected a batch that the {world} processes can share evenly, got "
                f"{config.batch}."
            )
        self._trainee, self._base_sha256 = load_trainee(config)
        self._trainee.to(self._device)
        self._model = self._processes.wrap(self._trainee)
        self._optimiser = torch.optim.AdamW(self._trainee.parameter_groups())
        self._half = _uses_half(config, self._device)
        self._examples = AdapterExamples(
            training, config, self._trainee.window.size, self._processes.rank, world
        )
        self._held_out = _some(held_out, config)
        self._before: list[torch.Tensor] = []
        self._history: list[Validation] = []
        self._shown: tuple[Example, ...] = ()
        self._step, self._loss, self._iou = 0, 0.0, 0.0
        self._first_step, self._ending = 0, ""
        self._started = self._saved = time.monotonic()
        self._micro_batch = config.micro_batch or self._examples.batch
        self._estimate = self._measure()

    def steps(self, resume: bool) -> Iterator[TrainingProgress]:
        """Train to the end."""
        if resume:
            self._restore()
        yield self._progress()
        if not resume:
            yield from self._validate()
        for batch in self._batches():
            yield from self._take_step(batch)
            is_last = self._step == self._config.steps
            if is_last or self._step % self._config.validate_every == 0:
                yield from self._validate()
            if self._processes.agree(self._is_stuck()):
                self._ending = "no better validation"
                break
        self._finish()
        yield self._progress()

    def _batches(self) -> Iterator[AdapterExample]:
        size, done = self._examples.batch, self._step * self._examples.batch
        rest = Subset(self._examples, range(done, len(self._examples)))
        workers = self._config.workers
        for prompt, valid, key in DataLoader(rest, size, num_workers=workers):
            yield AdapterExample(PromptExample(*prompt), valid, key)

    def _take_step(self, batch: AdapterExample) -> Iterator[TrainingProgress]:
        """Take one optimiser step; with fewer images at once if memory runs out."""
        rate = self._learning_rate()
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        while True:
            self._optimiser.zero_grad()
            total, iou, start = 0.0, 0.0, 0
            try:
                while start < self._examples.batch:
                    stop = min(start + self._micro_batch, self._examples.batch)
                    share = (stop - start) / self._examples.batch
                    part_loss, part_iou = self._backward(batch, start, stop)
                    total, iou = total + share * part_loss, iou + share * part_iou
                    start = stop
                    yield self._progress()
            except torch.OutOfMemoryError as error:
                self._shrink(error)
                continue
            break
        trained = self._trainee.parameters()
        length = torch.nn.utils.clip_grad_norm_(trained, GRADIENT_CLIP)
        self._check_finite(total, float(length))
        self._optimiser.step()
        self._note(total, iou)

    def _backward(
        self, batch: AdapterExample, start: int, stop: int
    ) -> tuple[float, float]:
        """Add the gradient of some images; return their loss and IoU."""
        part = _moved(cut(batch, start, stop), self._device)
        rng = np.random.default_rng((self._config.seed, self._step))
        prompt_free = bool(rng.random() >= self._config.prompted_share)
        _seed(self._config.seed, self._step, self._examples.first + start)
        is_last = stop == self._examples.batch
        alone = self._processes.without_sync(self._model)
        if is_last:
            loss, iou = self._loss_of(part, prompt_free)
            share = (stop - start) / self._examples.batch
            (share * loss).backward()  # type: ignore[no-untyped-call]
        else:
            with alone:
                loss, iou = self._loss_of(part, prompt_free)
                share = (stop - start) / self._examples.batch
                (share * loss).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), float(iou)

    def _loss_of(
        self, part: AdapterExample, prompt_free: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        half = torch.autocast(self._device.type, torch.bfloat16, enabled=self._half)
        with half, fast_backward(self._device):
            encoded = None
            if self._trainee.is_encoder_frozen:
                encoded = self._trainee.recall(part)
            loss, iou = self._model(part, prompt_free, encoded)
        return loss, iou

    def _shrink(self, error: torch.OutOfMemoryError) -> None:
        if self._micro_batch == 1 or self._processes.world > 1:
            raise TrainingError(
                f"Expected memory for {self._micro_batch} images at once, but it ran "
                "out. Use a smaller micro-batch, checkpointing, a smaller base, or "
                "train the decoder alone."
            ) from error
        self._micro_batch = (self._micro_batch + 1) // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _check_finite(self, loss: float, gradient: float) -> None:
        if math.isfinite(loss) and math.isfinite(gradient):
            return
        raise TrainingError(
            f"Expected a finite loss and gradient, got {loss} and {gradient} in step "
            f"{self._step + 1}. The best state so far is kept; use a lower learning "
            "rate."
        )

    def _note(self, loss: float, iou: float) -> None:
        keep = min(SMOOTHING, self._step / (self._step + 1))
        self._loss = keep * self._loss + (1 - keep) * loss
        self._iou = keep * self._iou + (1 - keep) * iou
        self._step += 1
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self._save()

    def _learning_rate(self) -> float:
        steps = self._config.steps
        warm_up = min(1.0, (self._step + 1) / max(1.0, WARM_UP_SHARE * steps))
        fall = 0.5 * (1 + math.cos(math.pi * self._step / steps))
        return (
            self._config.learning_rate * warm_up * (LAST_RATE + (1 - LAST_RATE) * fall)
        )

    def _validate(self) -> Iterator[TrainingProgress]:
        """Ask about the validation samples; keep the state if it is the best."""
        if not self._processes.is_first:
            return
        answers: list[Answer] = []
        for number, sample in enumerate(self._held_out):
            answers.append(self._answer(sample, number))
            yield self._progress()
        if answers:
            self._history.append(self._judge(answers))
            self._show(answers)
        best = max(self._history, key=lambda v: v.score, default=None)
        if best is None or best is self._history[-1]:
            self._trainee.save(self._config.output, self._base_sha256)
        self._save()
        yield self._progress()

    def _answer(self, sample: Sample, number: int) -> Answer:
        half = torch.autocast(self._device.type, torch.bfloat16, enabled=self._half)
        with half:
            return answer(self._trainee, sample, number, self._device)

    def _judge(self, answers: list[Answer]) -> Validation:
        prompted = [a.prompted for a in answers if a.prompted is not None]
        clicks = float(np.mean(prompted)) if prompted else 0.0
        free = float(np.mean([a.prompt_free for a in answers]))
        share = self._config.prompted_share if prompted else 0.0
        score = share * clicks + (1 - share) * free
        return Validation(self._step, self._loss, clicks, free, score)

    def _show(self, answers: list[Answer]) -> None:
        if not self._before:
            self._before = [
                torch.from_numpy(a.mask) for a in answers[:SHOWN_EXAMPLES]
            ]
        self._shown = tuple(
            Example(sample.name, a.image, a.truth, before.cpu().numpy(), a.mask)
            for sample, a, before in zip(self._held_out, answers, self._before)  # noqa: B905
        )

    def _is_stuck(self) -> bool:
        if not self._history or not self._config.patience:
            return False
        scores = [entry.score for entry in self._history]
        since = len(scores) - 1 - scores.index(max(scores))
        return since >= self._config.patience

    def _finish(self) -> None:
        if not self._ending:
            self._ending = "all steps"
        if self._processes.is_first:
            self._config.state_path.unlink(missing_ok=True)
        self._processes.leave()

    def _save(self) -> None:
        self._saved = time.monotonic()
        if not self._processes.is_first:
            return
        content = {
            "step": self._step,
            "loss": self._loss,
            "iou": self._iou,
            "half": self._half,
            "micro_batch": self._micro_batch,
            "history": self._history,
            "before": self._before,
            "trained": self._trainee.trained_state(),
            "optimiser": self._optimiser.state_dict(),
        }
        save_state(self._config.state_path, content, self._config)

    def _restore(self) -> None:
        content = load_state(self._config.state_path, self._config, self._device)
        trained = self._trainee.trained_state()
        with torch.no_grad():
            for name, tensor in content["trained"].items():
                trained[name].copy_(tensor)
        self._optimiser.load_state_dict(content["optimiser"])
        self._step, self._loss, self._iou = (
            content[key] for key in ("step", "loss", "iou")
        )
        self._half, self._micro_batch = content["half"], content["micro_batch"]
        self._history, self._before = content["history"], content["before"]
        self._first_step = self._step

    def _measure(self) -> TrainingEstimate:
        """Take one step with one image and forget it."""
        example = self._examples[0]
        single = torch.utils.data.default_collate([example])
        part = _moved(
            AdapterExample(PromptExample(*single[0]), *single[1:]), self._device
        )

        def step() -> None:
            _seed(self._config.seed, 0, 0)
            half = torch.autocast(self._device.type, torch.bfloat16, enabled=self._half)
            with half, fast_backward(self._device):
                loss, _ = self._trainee(part, prompt_free=False)
            loss.backward()

        try:
            cost = StepCost(self._trainee, step)
        except torch.OutOfMemoryError as error:
            self._micro_batch = 1
            self._shrink(error)
            raise
        self._micro_batch = cost.fitting(self._micro_batch, self._device)
        return cost.estimate(self._config, self._micro_batch, self._processes.world)

    def _progress(self) -> TrainingProgress:
        seconds = time.monotonic() - self._started
        done, left = self._step - self._first_step, self._config.steps - self._step
        per_step = seconds / done if done else self._estimate.seconds / max(1, left)
        return TrainingProgress(
            step=self._step,
            total_steps=self._config.steps,
            loss=self._loss,
            iou=self._iou,
            seconds=seconds,
            seconds_left=0.0 if self._ending else per_step * left,
            micro_batch=self._micro_batch,
            estimate=self._estimate,
            history=tuple(self._history),
            examples=self._shown,
            ending=self._ending,
        )


def _uses_half(config: TrainingConfig, device: torch.device) -> bool:
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and bfloat16_pays()


def _some(samples: Sequence[Sample], config: TrainingConfig) -> list[Sample]:
    """Return at most as many validation samples as wanted, chosen by the seed."""
    count = min(len(samples), config.validation_images)
    order = np.random.default_rng(config.seed).permutation(len(samples))[:count]
    return [samples[i] for i in sorted(order)]


def _seed(seed: int, step: int, place: int) -> None:
    sequence = np.random.SeedSequence((seed, step, place))
    torch.manual_seed(int(sequence.generate_state(1)[0]))


def _moved(batch: AdapterExample, device: torch.device) -> AdapterExample:
    prompt = PromptExample(*(tensor.to(device) for tensor in batch.prompt))
    return replace_prompt(batch, prompt)
