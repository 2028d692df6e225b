"""EVP as something that the training steps of the package can train and judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from napari_sam_adapter.inference.frame.preprocessing import frame_of, to_input, to_rgb
from napari_sam_adapter.inference.predictor.weights import find_weights
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.evp import Evp, PlainHead, levels_of
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.training.examples.adapter_data import (
    AdapterExample,
    AdapterExamples,
)
from napari_sam_adapter.training.examples.prompt_data import PromptExample
from napari_sam_adapter.training.network.trainee import valid_mask
from napari_sam_adapter.training.optimiser.processes import join_processes
from napari_sam_adapter.training.optimiser.stepping import Stepper
from napari_sam_adapter.training.steps.losses import hard_iou, prompt_free_loss
from napari_sam_adapter.training.steps.prompt_steps import upsampled
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample


class EvpTrainee(nn.Module):
    """A frozen encoder with an adapter and a plain head; every step is prompt-free.

    Parameters
    ----------
    config : TrainingConfig
        Base, seed, loss and weight decay.
    """

    is_encoder_frozen = False

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        base = load_checkpoint(find_weights(config.base, Kind.MODEL))
        encoder, self.family = base.sam.image_encoder, base.family
        self.config, self.image_size = config, base.sam.image_size
        encoder.requires_grad_(False)
        torch.manual_seed(config.seed)
        width, depth = encoder.pos_embed.shape[-1], len(encoder.blocks)
        adapter = SamAdapter(width, depth, patch=base.sam.prompt_encoder.patch)
        self.evp = Evp(encoder, adapter, PlainHead(width, len(levels_of(depth))))

    @property
    def trained(self) -> int:
        """Return how many numbers change."""
        return sum(p.numel() for p in self.evp.trained_parameters())

    def forward(
        self, batch: AdapterExample, _prompt_free: bool, _encoded: None = None
    ) -> tuple[Tensor, Tensor]:
        """Return loss and mean IoU of a batch."""
        image, target = batch.prompt.image, batch.prompt.foreground.float()
        sizes = [(int(rows), int(columns)) for rows, columns in batch.valid.tolist()]
        low = [self.evp(image[i : i + 1], size) for i, size in enumerate(sizes)]
        logits = upsampled(torch.cat(low).float())[:, 0]
        valid = valid_mask(batch.valid, target.shape[-1])
        loss = prompt_free_loss(logits, target, valid, self.config.prompt_free_loss)
        iou = hard_iou(logits.detach().masked_fill(~valid, -1), target)
        return loss.mean(), iou.mean()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Split what is trained: matrices decay, vectors do not."""
        trained = self.evp.trained_parameters()
        matrices = [p for p in trained if p.ndim > 1]
        vectors = [p for p in trained if p.ndim < 2]
        decay = self.config.weight_decay
        return [
            {"params": matrices, "weight_decay": decay},
            {"params": vectors, "weight_decay": 0.0},
        ]


@dataclass(frozen=True)
class EvpPredictor:
    """A trained EVP that makes maps of images."""

    trainee: EvpTrainee

    @torch.inference_mode()
    def foreground(self, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the probability of each pixel to belong to an object, (H, W)."""
        family, size = self.trainee.family, self.trainee.image_size
        rgb = to_rgb(image, family.intensity)
        frame = frame_of(rgb.shape[:2], size, family.stretch, family.is_centred)
        logits = self.trainee.evp(to_input(rgb, frame, family)[None], frame.resized)
        return torch.sigmoid(frame.to_masks(logits[0])[0]).numpy()


def train_evp(config: TrainingConfig, samples: Sequence[Sample]) -> EvpTrainee:
    """Train EVP with the data, steps, rates and number format of `train_adapter`."""
    trainee = EvpTrainee(config)
    stepper = Stepper(trainee, config, join_processes(config.device))  # type: ignore[arg-type]
    examples = AdapterExamples(samples, config, trainee.image_size, trainee.family)
    for step, (prompt, valid, key) in enumerate(DataLoader(examples, config.batch)):
        batch = AdapterExample(PromptExample(*prompt), valid, key)
        *_, (loss, _) = stepper.gather(batch, step)
        stepper.move(step, loss)
    return trainee.eval()
