"""The loop of a training, as a generator of progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Subset

from napari_sam_adapter.interrupts import uninterrupted
from napari_sam_adapter.model.files.adapter_header import LABELS, AdapterNotes
from napari_sam_adapter.training.progress.progress import (
    Example,
    TrainingProgress,
    Validation,
)
from napari_sam_adapter.training.runs.training_state import (
    load_state,
    origin_of,
    save_state,
)
from napari_sam_adapter.training.runs.validation import Answer, answer, judge
from napari_sam_adapter.training.samples.held_out import looked_at
from napari_sam_adapter.training.samples.samples import labels_of, shared_intensity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_sam_adapter.training.examples.adapter_data import AdapterExample
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.runs.preparing import Prepared
    from napari_sam_adapter.training.samples.samples import Sample

SAVE_SECONDS, SHOWN_EXAMPLES, SMOOTHING = 120.0, 4, 0.95
ENDINGS = ("all steps", "no better validation", "stopped")
GOES_ON, STUCK, STOPPED = range(3)


class AdapterRun:
    """One training: its network, and what is known so far.

    Parameters
    ----------
    config : TrainingConfig
        What to train, and where it goes.
    training, held_out : sequence of Sample
        To learn from, and to choose the best state by.
    prepared : Prepared
        Network and optimiser before the first step.
    resumable : bool
        Whether to write ``OUTPUT.state``.
    """

    def __init__(
        self,
        config: TrainingConfig,
        training: Sequence[Sample],
        held_out: Sequence[Sample],
        prepared: Prepared,
        resumable: bool,
    ) -> None:
        self._config, self._is_resumable = config, resumable
        self._processes, self._stepper = prepared.processes, prepared.stepper
        self._trainee, self._base_sha256 = prepared.trainee, prepared.base_sha256
        self._examples, self._estimate = prepared.examples, prepared.estimate
        self._held_out = looked_at(held_out, config)
        seen = [*training, *self._held_out]
        self._origin = origin_of(config, prepared.base_sha256, seen)
        self._intensity = shared_intensity(training)
        known = {*labels_of(training), *self._trainee.learned_from}
        self._learned_from = sorted(known)
        self._step, self._loss, self._iou = 0, 0.0, 0.0
        self._history: list[Validation] = []
        self._before: list[torch.Tensor] = []
        self._shown: tuple[Example, ...] = ()
        self._ending = ""
        self._first_step = 0
        self._saved_step: int | None = None
        self._started = self._saved = time.monotonic()

    def steps(
        self, resume: bool, stop: Callable[[], bool] | None
    ) -> Iterator[TrainingProgress]:
        """Train to the end; left before, keep the last finished step.

        Parameters
        ----------
        resume : bool
            Go on from ``OUTPUT.state``.
        stop : callable or None
            Asked before each step; True ends the training.

        Yields
        ------
        TrainingProgress
            As `train_adapter`.

        Raises
        ------
        GeneratorExit
            If it is left, after the step was kept.
        KeyboardInterrupt
            The same.
        """
        try:
            yield from self._train(resume, stop)
        except (GeneratorExit, KeyboardInterrupt):
            if self._saved_step not in (None, self._step):
                self._save()
            raise

    def _train(
        self, resume: bool, stop: Callable[[], bool] | None
    ) -> Iterator[TrainingProgress]:
        if resume:
            self._restore()
        elif self._processes.is_first:
            self._config.state_path.unlink(missing_ok=True)
        yield self._progress()
        if self._is_due():
            yield from self._validate()
        batches, ending = self._batches(), GOES_ON
        while self._step < self._config.steps:
            ending = self._processes.agree(self._early_ending(stop))
            if ending != GOES_ON:
                break
            yield from self._take_step(next(batches))
            if self._is_due():
                yield from self._validate()
        if ending == STOPPED and not self._was_judged():
            yield from self._validate()
        self._finish(ENDINGS[ending])
        yield self._progress()

    def _early_ending(self, stop: Callable[[], bool] | None) -> int:
        if stop is not None and stop():
            return STOPPED
        return STUCK if self._is_stuck() else GOES_ON

    def _is_due(self) -> bool:
        """Whether to validate now: not again where that was done before a stop."""
        is_last = self._step == self._config.steps
        is_turn = is_last or self._step % self._config.validate_every == 0
        return is_turn and not self._was_judged()

    def _was_judged(self) -> bool:
        return bool(self._history) and self._history[-1].step == self._step

    def _batches(self) -> Iterator[AdapterExample]:
        """Give the batches of this process from the present step on."""
        size, done = self._examples.batch, self._step * self._examples.batch
        rest = Subset(self._examples, range(done, len(self._examples)))
        workers = self._config.workers
        is_pinned = self._processes.device.type == "cuda"
        yield from DataLoader(
            rest,
            size,
            num_workers=workers,
            pin_memory=is_pinned,
            generator=torch.Generator(),  # leaves the caller's alone
        )

    def _take_step(self, batch: AdapterExample) -> Iterator[TrainingProgress]:
        for loss, iou in self._stepper.gather(batch, self._step):  # noqa: B007  the last
            yield self._progress()
        with uninterrupted():
            self._stepper.move(self._step, loss)
            keep = min(SMOOTHING, self._step / (self._step + 1))
            self._loss = keep * self._loss + (1 - keep) * loss
            self._iou = keep * self._iou + (1 - keep) * iou
            self._step += 1
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self._save()

    def _validate(self) -> Iterator[TrainingProgress]:
        """Ask about the validation samples; keep the state if it is the best."""
        if not self._processes.is_first:
            return
        answers: list[Answer] = []
        for number, sample in enumerate(self._held_out):
            with self._stepper.arithmetic():
                found = answer(self._trainee, sample, number, self._processes.device)
            answers.append(found)
            yield self._progress()
        judged = None
        if answers:
            judged = judge(answers, self._config, self._step, self._loss)
        best = max((entry.score for entry in self._history), default=-1.0)
        if judged is None or judged.score > best:
            path, sha256 = self._config.output, self._base_sha256
            self._trainee.save(path, sha256, self._notes(judged))
        if judged is not None:  # after the file: interrupted, it is judged again
            self._show(answers)
            self._history.append(judged)
        self._save()
        yield self._progress()

    def _notes(self, best: Validation | None) -> AdapterNotes:
        training = self._config.identity
        for path in ("base", "start"):
            del training[path]
        names = ["step", "prompted", "prompt_free", "score"]
        if self._config.follow_share:
            names.append("followed")
        metrics = {} if best is None else {n: float(getattr(best, n)) for n in names}
        data = {
            "images": self._examples.count,
            "validated": len(self._held_out),
            LABELS: self._learned_from,
        }
        # without prompts the masks for ambiguous clicks go stale
        trusted = self._config.prompted_share > 0
        return AdapterNotes(
            self._intensity,
            training,
            data,
            metrics,
            self._config.licence,
            trusted,
            self._trainee.preprocessing,
        )

    def _show(self, answers: list[Answer]) -> None:
        shown = answers[:SHOWN_EXAMPLES]
        if not self._before:
            self._before = [torch.from_numpy(found.mask) for found in shown]
        self._shown = tuple(
            Example(sample.name, found.image, found.truth, mask.numpy(), found.mask)
            for sample, found, mask in zip(self._held_out, shown, self._before)  # noqa: B905  the shortest counts
        )

    def _is_stuck(self) -> bool:
        if not self._history or not self._config.patience:
            return False
        scores = [entry.score for entry in self._history]
        since = len(scores) - 1 - scores.index(max(scores))
        return since >= self._config.patience

    def _finish(self, ending: str) -> None:
        self._ending = ending
        if self._processes.is_first:
            self._config.state_path.unlink(missing_ok=True)
        self._processes.leave()

    def _save(self) -> None:
        self._saved = time.monotonic()
        if not (self._processes.is_first and self._is_resumable):
            return
        content = {
            "step": self._step,
            "loss": self._loss,
            "iou": self._iou,
            "use_half": self._stepper.use_half,
            "micro_batch": self._stepper.micro_batch,
            "history": self._history,
            "before": self._before,
            "trained": self._trainee.trained_state(),
            "optimiser": self._stepper.optimiser.state_dict(),
        }
        save_state(self._config.state_path, content, self._config, self._origin)
        self._saved_step = self._step

    def _restore(self) -> None:
        content = load_state(self._config.state_path, self._config, self._origin)
        trained = self._trainee.trained_state()
        with torch.no_grad():
            for name, tensor in content["trained"].items():
                trained[name].copy_(tensor)
        self._stepper.optimiser.load_state_dict(content["optimiser"])
        self._stepper.use_half = content["use_half"]
        self._stepper.micro_batch = content["micro_batch"]
        self._step, self._loss = content["step"], content["loss"]
        self._iou, self._history = content["iou"], content["history"]
        self._before = content["before"]
        self._first_step = self._saved_step = self._step

    def _progress(self) -> TrainingProgress:
        seconds = time.monotonic() - self._started
        done, left = self._step - self._first_step, self._config.steps - self._step
        per_step = self._estimate.seconds / self._config.steps
        if done:
            per_step = seconds / done
        return TrainingProgress(
            step=self._step,
            total_steps=self._config.steps,
            loss=self._loss if self._step else None,
            iou=self._iou if self._step else None,
            seconds=seconds,
            seconds_left=0.0 if self._ending else per_step * left,
            micro_batch=self._stepper.micro_batch,
            estimate=self._estimate,
            history=tuple(self._history),
            examples=self._shown,
            ending=self._ending,
            kinds=self._config.kinds,
        )
