"""What adapter training tells while it runs. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.wording import readable_size, spoken_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt


KINDS = {
    "prompted": "point and box",
    "prompt_free": "no prompt",
    "followed": "followed",
}
"""What people call the kinds of prompts of a `Validation`."""


@dataclass(frozen=True)
class TrainingEstimate:
    """What the training will cost, from one measured step.

    Parameters
    ----------
    trained_parameters : int
        Numbers that change.
    memory_bytes : int
        Weights, gradients, optimiser and activations of one micro-batch.
    seconds : float
        For all steps; validations come on top.
    """

    trained_parameters: int
    memory_bytes: int
    seconds: float

    @property
    def sentence(self) -> str:
        """The costs in words."""
        memory, time = readable_size(self.memory_bytes), spoken_time(self.seconds)
        return (
            f"{self.trained_parameters:,} numbers to train, about {memory} and {time} "
            "at most; judging it on images kept back comes on top"
        )


@dataclass(frozen=True)
class Validation:
    """Quality on the validation samples.

    Parameters
    ----------
    step : int
        Steps that were done; 0 is before training.
    loss : float
        Running average of the training loss.
    prompted : float
        Mean IoU of objects asked for by one point and by one box.
    prompt_free : float
        Mean IoU of all that is labelled, without prompts.
    score : float
        All, in the shares of the training steps; decides which state is kept.
    followed : float
        Mean IoU of objects asked for as propagation does from the slice beside; 0
        where that is not learned.
    """

    step: int
    loss: float
    prompted: float
    prompt_free: float
    score: float
    followed: float = 0.0


def relative_losses(losses: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return the loss over the steps, to be drawn beside the IoU.

    Parameters
    ----------
    losses : sequence of (int, float)
        Step and loss; before the first step there is none.

    Returns
    -------
    list of (int, float)
        Step, and loss as a share of the highest.
    """
    highest = max((loss for _, loss in losses), default=0.0) or 1.0
    return [(step, loss / highest) for step, loss in losses]


@dataclass(frozen=True, eq=False)
class Example:
    """A validation image without prompts, before training and now.

    Parameters
    ----------
    name : str
        Of the sample.
    image : (S, S, 3) uint8 array
        What the network sees, at half its resolution.
    truth, before, now : (S, S) bool arrays
        Reference, and the masks of the network.
    """

    name: str
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.bool_]
    before: npt.NDArray[np.bool_]
    now: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingProgress:
    """What is known at one moment.

    Parameters
    ----------
    step, total_steps : int
        Steps done, and steps at most. Several values come for a step, so that other
        work can go in between.
    loss, iou : float or None
        Running averages over training steps; None before the first.
    seconds, seconds_left : float
        Since the start, and until the end by what was measured so far.
    micro_batch : int
        Images in memory at once.
    estimate : TrainingEstimate
        Made before the first step.
    history : tuple of Validation
        Every validation so far, the first before training; empty without validation
        samples.
    examples : tuple of Example
        A few validation images as of the last validation.
    ending : str
        Empty while it runs; then why it ended.
    left_out : tuple of str
        Samples that cannot be used, each with the reason.
    kinds : tuple of str
        The kinds of prompts that are learned, by their names in `Validation`.
    """

    step: int
    total_steps: int
    loss: float | None
    iou: float | None
    seconds: float
    seconds_left: float
    micro_batch: int
    estimate: TrainingEstimate
    history: tuple[Validation, ...] = ()
    examples: tuple[Example, ...] = ()
    ending: str = ""
    left_out: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def best(self) -> Validation | None:
        """The validation whose state is kept; the first of equal ones."""
        return max(self.history, key=lambda v: v.score, default=None)

    @property
    def gain(self) -> float:
        """How much better than before training the kept state is."""
        best = self.best
        return 0.0 if best is None else best.score - self.history[0].score

    def gain_told(self, digits: int) -> str:
        """Return how good it was before training, and how good the kept state is.

        Parameters
        ----------
        digits : int
            Behind the point.

        Returns
        -------
        str
            IoU of all together, and of each kind of prompt where there are several;
            nothing without validation.
        """
        if self.best is None:
            return ""
        before, best = self.history[0], self.best

        def told(name: str) -> str:
            first, now = getattr(before, name), getattr(best, name)
            return f"{first:.{digits}f} before, {now:.{digits}f} now"

        whole = f"IoU {told('score')}"
        if len(self.kinds) < 2:
            return whole
        parts = "; ".join(f"{KINDS[name]} {told(name)}" for name in self.kinds)
        return f"{whole} ({parts})"
