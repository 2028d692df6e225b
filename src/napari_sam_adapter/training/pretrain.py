"""Train a base model from scratch by a recipe; can be interrupted and resumed."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, Subset

from napari_sam_adapter.errors import OutputError, TrainingError
from napari_sam_adapter.inference.fastest import choose_way
from napari_sam_adapter.model.checkpoints import save_base
from napari_sam_adapter.model.layers import ConvBlock, warm_up_vector_math
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import TINY
from napari_sam_adapter.model.two_way_transformer import DownsampledAttention
from napari_sam_adapter.model.weight_files import whole_file
from napari_sam_adapter.training.affinities import AffinityHead
from napari_sam_adapter.training.datasets import read_samples
from napari_sam_adapter.training.half_precision import half_precision_pays
from napari_sam_adapter.training.prompt_data import (
    PromptDataset,
    PromptExample,
    to_device,
)
from napari_sam_adapter.training.prompt_steps import interactive_loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_sam_adapter.training.recipe import Phase, Recipe
    from napari_sam_adapter.training.samples import Sample

SAVE_SECONDS = 180.0
GRADIENT_CLIP = 1.0
POSITION_SCALE = 3.0
"""Standard deviation of the positional frequencies: positions are told apart when they
are about 15 pixels from each other, in a frame of 512."""
CROSS_GAIN = 1.6
"""Scale of the shared start of queries and keys."""


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
    """

    step: int
    total_steps: int
    phase: int
    loss: float
    iou: float
    seconds: float


class _Run:
    """Weights, their running average and the optimiser."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, device
        self.sam = build_sam(TINY)
        initialise(self.sam)
        self.sam.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.clone() for k, v in self.sam.state_dict().items()}
        self.affinities = AffinityHead().to(device)
        groups = parameter_groups(self.sam, recipe.weight_decay)
        head = {"params": list(self.affinities.parameters()), "weight_decay": 0.0}
        fused = True if device.type == "cuda" else None
        self.optimiser = torch.optim.AdamW(
            [*groups, head], betas=(0.9, 0.98), fused=fused
        )
        self.use_half = half_precision_pays(str(device))
        self.step, self.loss, self.iou = 0, 0.0, 0.0

    def train_step(self, batch: PromptExample, phase: Phase) -> None:
        """Take one optimiser step."""
        torch.manual_seed(self.recipe.seed + self.step)
        self._choose_trained(phase)
        batch = PromptExample(*to_device(batch, self.device))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate(self.step)
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
        torch.nn.utils.clip_grad_norm_(self.sam.parameters(), GRADIENT_CLIP)
        self.optimiser.step()
        self._average_in(phase)
        told = torch.stack([loss.detach(), iou]).tolist()  # waits for the device, once
        keep = min(0.98, self.step / (self.step + 1))
        self.loss = keep * self.loss + (1 - keep) * told[0] / (1 + phase.corrections)
        self.iou = keep * self.iou + (1 - keep) * told[1]
        self.step += 1

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

    def save_state(self, path: Path) -> None:
        """Write all that a later run needs to go on, whole or not at all."""
        content = {
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

    def load_state(self, path: Path) -> None:
        """Go on where `save_state` stopped."""
        try:
            # optimisers count steps on the CPU, and move the rest themselves
            content = torch.load(path, map_location="cpu", weights_only=True)
            self.sam.load_state_dict(content["weights"])
            self.average = {
                key: value.to(self.device) for key, value in content["average"].items()
            }
            self.affinities.load_state_dict(content["affinities"])
            self.optimiser.load_state_dict(content["optimiser"])
        except Exception as error:
            raise TrainingError(
                f"Expected a training state at {path}, but it cannot be used "
                f"({error}). Start without resume."
            ) from error
        self.step, self.loss, self.iou = (content[k] for k in ("step", "loss", "iou"))


def pretrain(
    recipe: Recipe,
    data: Path,
    output: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    workers: int = 0,
) -> Iterator[PretrainProgress]:
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
        After every step.

    Raises
    ------
    TrainingError
        If data are missing or the state does not fit.
    OutputError
        If the folder of the output does not exist, or a file cannot be written.
    DeviceError
        If the device is not there.
    """
    if not output.parent.is_dir():
        raise OutputError(f"Expected an existing folder, got {output.parent}.")
    warm_up_vector_math()
    groups = [
        (read_samples(data / f"{name}.zip", "train"), weight)
        for name, weight in recipe.sets.items()
    ]
    run = _Run(recipe, torch.device(choose_way(device, "float32").device))
    state_path = output.with_name(output.name + ".state")
    if resume:
        run.load_state(state_path)
    started = saved = time.monotonic()
    is_pinned = run.device.type == "cuda"
    batches = _batches(recipe, groups, run.step, workers, is_pinned)
    for phase_number, phase, batch in batches:
        run.train_step(batch, phase)
        now = time.monotonic()
        if now - saved > SAVE_SECONDS:
            run.save_state(state_path)
            saved = now
        yield PretrainProgress(
            run.step, recipe.total_steps, phase_number, run.loss, run.iou, now - started
        )
    run.save_state(state_path)
    save_base(run.average, output, {"recipe": recipe.model, "steps": str(run.step)})


def fast_backward(device: torch.device) -> AbstractContextManager[None]:
    """Avoid the fused attention on the CPU, whose backward pass is slow.

    Parameters
    ----------
    device : torch.device
        Where the network computes.

    Returns
    -------
    context manager
        For the forward pass.
    """
    if device.type == "cpu":
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


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


def initialise(sam: Sam) -> None:
    """Give the weights values from which training takes off at once.

    Parameters
    ----------
    sam : Sam
        The network; changed in place.

    Notes
    -----
    In the decoder's cross-attention, queries and keys start with the same projection.
    Attention then begins as similarity of positions, so that a click meets its place in
    the image from the first step; with independent projections the network answers
    every prompt with an empty mask for thousands of steps.
    """
    for module in sam.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    for module in sam.modules():
        if isinstance(module, ConvBlock):
            nn.init.zeros_(module.second.weight)
    for module in sam.mask_decoder.transformer.modules():
        if isinstance(module, DownsampledAttention) and module.is_cross:
            nn.init.xavier_uniform_(module.q_proj.weight, gain=CROSS_GAIN)
            module.k_proj.weight.data.copy_(module.q_proj.weight)
    sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix *= POSITION_SCALE
    nn.init.trunc_normal_(sam.image_encoder.pos_embed, std=0.02)
    for module in sam.image_encoder.blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)


def _batches(
    recipe: Recipe,
    groups: Sequence[tuple[Sequence[Sample], float]],
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
                rest, phase.batch, num_workers=workers, pin_memory=is_pinned
            )
            for batch in loader:
                yield number, phase, PromptExample(*batch)
        first += phase.steps
