"""A base model under training: its steps, and the file to resume from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.interrupts import uninterrupted
from napari_sam_adapter.model.files.weight_files import whole_file
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import TINY
from napari_sam_adapter.training.examples.prompt_data import PromptExample, to_device
from napari_sam_adapter.training.network.initial_weights import initialise
from napari_sam_adapter.training.network.randomness import own_randomness
from napari_sam_adapter.training.optimiser.gradients import (
    check_finite,
    clipped,
    fast_backward,
)
from napari_sam_adapter.training.optimiser.half_precision import half_precision_pays
from napari_sam_adapter.training.samples.samples import digest_of
from napari_sam_adapter.training.steps.affinities import AffinityHead
from napari_sam_adapter.training.steps.prompt_steps import interactive_loss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from napari_sam_adapter.training.recipes.recipe import Phase, Recipe
    from napari_sam_adapter.training.samples.samples import Sample


class PretrainRun:
    """Weights, their running average and the optimiser.

    Parameters
    ----------
    recipe : Recipe
        What to train on and for how long.
    samples : sequence of Sample
        All of its sets, in their order.
    device : torch.device
        Where to train.
    """

    def __init__(
        self, recipe: Recipe, samples: Sequence[Sample], device: torch.device
    ) -> None:
        self.recipe, self.device = recipe, device
        self._data = digest_of(samples)
        with own_randomness(recipe.seed):
            self.sam = build_sam(TINY)
            initialise(self.sam)
            self.affinities = AffinityHead().to(device)
        self.sam.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.clone() for k, v in self.sam.state_dict().items()}
        groups = parameter_groups(self.sam, recipe.weight_decay)
        head = {"params": list(self.affinities.parameters()), "weight_decay": 0.0}
        fused = True if device.type == "cuda" else None
        self.optimiser = torch.optim.AdamW(
            [*groups, head], betas=(0.9, 0.98), fused=fused
        )
        self.use_half = half_precision_pays(str(device))
        self.step, self.loss, self.iou = 0, 0.0, 0.0
        self.saved_step = 0

    def train_step(self, batch: PromptExample, phase: Phase) -> None:
        """Take one optimiser step; an interrupt leaves it whole or not taken.

        Parameters
        ----------
        batch : PromptExample
            Stacked.
        phase : Phase
            To which it belongs.

        Raises
        ------
        TrainingError
            If loss or gradient is not finite.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate(self.step)
        with own_randomness(self.recipe.seed + self.step, self.device):
            loss, iou = self._gather(batch, phase)
        told = torch.stack([loss, iou, clipped(self.sam)])
        mean_loss, mean_iou, length = told.tolist()  # waits for the device, once
        check_finite(mean_loss, length, self.step)
        with uninterrupted():
            self.optimiser.step()
            self._average_in(phase)
            keep = min(0.98, self.step / (self.step + 1))
            mean_loss /= 1 + phase.corrections
            self.loss = keep * self.loss + (1 - keep) * mean_loss
            self.iou = keep * self.iou + (1 - keep) * mean_iou
            self.step += 1

    def _gather(self, batch: PromptExample, phase: Phase) -> tuple[Tensor, Tensor]:
        """Gather the gradient of a step; return its loss and IoU."""
        self._choose_trained(phase)
        batch = PromptExample(*to_device(batch, self.device))
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.use_half)
        with half, fast_backward(self.device):
            loss, iou = interactive_loss(
                self.sam,
                batch,
                phase.corrections,
                self.recipe.no_prompt_share,
                self.affinities,
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), iou

    def _choose_trained(self, phase: Phase) -> None:
        is_judging = phase.trains == "quality"
        if is_judging and self.recipe.locate(self.step)[1] == 0:
            self.sam.load_state_dict(self.average)  # whose masks are to be judged
        for part in (self.sam, self.affinities):
            part.requires_grad_(not is_judging)
        self.sam.mask_decoder.quality.requires_grad_()

    @torch.no_grad()
    def _average_in(self, phase: Phase) -> None:
        within = self.recipe.locate(self.step)[1]
        done = within if phase.trains == "quality" else self.step  # which begins anew
        decay = min(self.recipe.ema_decay, (1 + done) / (10 + done))
        state = self.sam.state_dict()
        averages = [self.average[key] for key in state]
        torch._foreach_lerp_(averages, list(state.values()), 1 - decay)

    def check_average(self) -> None:
        """Raise unless a file in half precision can hold what was learned.

        Raises
        ------
        TrainingError
            If a weight is too large, or no number.
        """
        if not all(value.half().isfinite().all() for value in self.average.values()):
            raise TrainingError(
                "Expected weights that half precision can hold, got larger ones. Use a "
                "lower learning rate."
            )

    def save_state(self, path: Path) -> None:
        """Write all that a later run needs to go on, whole or not at all.

        Parameters
        ----------
        path : Path
            Replaced if it exists.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        content = {
            "recipe": asdict(self.recipe),
            "data": self._data,
            "use_half": self.use_half,
            "step": self.step,
            "loss": self.loss,
            "iou": self.iou,
            "weights": self.sam.state_dict(),
            "average": self.average,
            "affinities": self.affinities.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with whole_file(path) as partial:
            torch.save(content, partial)
        self.saved_step = self.step

    def load_state(self, path: Path) -> None:
        """Go on where `save_state` stopped, in its number format.

        Parameters
        ----------
        path : Path
            File of `save_state`.

        Raises
        ------
        TrainingError
            If it cannot be used, or belongs to another recipe or other data.
        """
        try:
            # optimisers count steps on the CPU, and move the rest themselves
            content = torch.load(path, map_location="cpu", weights_only=True)
            self._check_same(content)
            self.sam.load_state_dict(content["weights"])
            self.average = {
                key: value.to(self.device) for key, value in content["average"].items()
            }
            self.affinities.load_state_dict(content["affinities"])
            self.optimiser.load_state_dict(content["optimiser"])
            self.use_half = content["use_half"]
            self.loss, self.iou = content["loss"], content["iou"]
            self.step = self.saved_step = content["step"]
        except TrainingError:
            raise
        except Exception as error:
            raise TrainingError(
                f"Expected a training state at {path}, but it cannot be used "
                f"({error}). Start without resume."
            ) from error

    def _check_same(self, content: Mapping[str, Any]) -> None:
        """Raise unless a state is one of this recipe and of these data."""
        before, now = content.get("recipe"), asdict(self.recipe)
        if before is None:
            raise TrainingError(
                "Expected a state that tells its recipe and data, got one of an "
                "earlier version, which does not. Start without resume."
            )
        changed = [name for name in now if now[name] != before.get(name)]
        if changed:
            raise TrainingError(
                f"Expected to resume with the recipe as it was started, got another "
                f"in {changed[0]}. Use that, or start without resume."
            )
        if content["data"] != self._data:
            raise TrainingError(
                "Expected to resume with the data sets as they were when the training "
                "was started, got others. Use those, or start without resume."
            )


def parameter_groups(sam: Sam, weight_decay: float) -> list[dict[str, Any]]:
    """Split the parameters: matrices decay, vectors, embeddings and judgement do not.

    Parameters
    ----------
    sam : Sam
        The network.
    weight_decay : float
        For the matrices.

    Returns
    -------
    list of dict
        Two groups for the optimiser.
    """
    named = list(sam.named_parameters())
    plain = [
        p
        for name, p in named
        if p.ndim < 2 or any(part in name for part in ("embed", "token.", "quality."))
    ]
    matrices = [p for _, p in named if all(p is not q for q in plain)]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
