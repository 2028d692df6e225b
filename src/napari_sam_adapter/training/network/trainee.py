"""The network under training: which of its numbers change, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.adapters.lora import lora_state
from napari_sam_adapter.model.encoder.image_encoder import EncodedImage
from napari_sam_adapter.model.families.preparation import SAM
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.layers import Window
from napari_sam_adapter.training.examples.adapter_data import NEW_VIEW
from napari_sam_adapter.training.examples.prompt_data import TARGET_STRIDE
from napari_sam_adapter.training.steps.losses import (
    SCORE_WEIGHT,
    hard_iou,
    prompt_free_loss,
)
from napari_sam_adapter.training.steps.prompt_steps import (
    Scene,
    SimulatedPrompts,
    corrected_loss,
    first_prompts,
    simulated,
    upsampled,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.model.adapters.adapter import SamAdapter
    from napari_sam_adapter.model.files.adapter_header import AdapterNotes
    from napari_sam_adapter.model.files.checkpoints import Checkpoint
    from napari_sam_adapter.training.examples.adapter_data import AdapterExample
    from napari_sam_adapter.training.recipes.config import TrainingConfig

MEMORY_BUDGET = 2 * 1024**3
"""Bytes of embeddings that are kept, where images are encoded only once."""


class Trainee(nn.Module):
    """A base model with what is trained on it.

    Parameters
    ----------
    base : Checkpoint
        The base with what is put on it; changed in place.
    config : TrainingConfig
        What is trained.
    """

    def __init__(self, base: Checkpoint, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.sam, self.adapter = base.sam, base.adapter
        self.encoder, self.family = base.image_encoder, base.family
        self.learned_from = base.learned_from
        self._memory: dict[int, EncodedImage] = {}
        self._room = MEMORY_BUDGET
        self._choose_trained()

    @property
    def window(self) -> Window:
        """The whole frame."""
        return Window(0, 0, self.sam.image_size)

    @property
    def preprocessing(self) -> str:
        """Name of the family of the base; the published order stretches on its own."""
        is_published = self.adapter is not None and self.adapter.published_order
        return SAM.name if is_published else self.family.name

    @property
    def is_encoder_frozen(self) -> bool:
        """Whether an image always gives the same embedding."""
        return self.config.trains == "decoder"

    def encode(self, image: Tensor, valid: Tensor) -> EncodedImage:
        """Encode normalised images.

        Parameters
        ----------
        image : (B, 3, S, S) tensor
            Padded with zeros.
        valid : (B, 2) int tensor
            Rows and columns that are not padding.

        Returns
        -------
        EncodedImage
            Of all images.
        """
        if self.adapter is None:
            return self.encoder(image)  # type: ignore[no-any-return]
        sizes = [(int(rows), int(columns)) for rows, columns in valid.tolist()]
        if len(set(sizes)) == 1:
            return self.encoder(image, sizes[0])  # type: ignore[no-any-return]
        return self._encode_mixed(self.adapter, image, sizes)

    def _encode_mixed(
        self, adapter: SamAdapter, image: Tensor, sizes: list[tuple[int, int]]
    ) -> EncodedImage:
        """Encode images that end at different places, which only the adapter sees."""
        encoder = self.sam.image_encoder
        tokens, sides = encoder.patch_embed(image)
        prompts = zip(
            *(
                adapter(image[i : i + 1], tokens[i : i + 1], size)
                for i, size in enumerate(sizes)
            ),
            strict=True,
        )
        tokens = encoder.add_position(tokens)
        for block, parts in zip(encoder.blocks, prompts, strict=True):
            tokens = block(tokens + torch.cat(parts))
        finished: EncodedImage = encoder.finish(tokens, sides)
        return finished

    def recall(self, batch: AdapterExample) -> EncodedImage:
        """Encode images of a frozen encoder, each of them once.

        Parameters
        ----------
        batch : AdapterExample
            Stacked; images are known by their keys.

        Returns
        -------
        EncodedImage
            Without gradients.
        """
        # one by one, so that numbers do not depend on what was in the memory
        found = []
        for i, key in enumerate(batch.key.tolist()):
            encoded = self._memory.get(key)
            if encoded is None:
                with torch.no_grad():
                    image = batch.prompt.image[i : i + 1]
                    encoded = self.encode(image, batch.valid[i : i + 1])
                self._keep(key, encoded)
            found.append(encoded)
        device = batch.prompt.image.device
        return _stacked([_moved(encoded, device) for encoded in found])

    def forward(
        self,
        batch: AdapterExample,
        prompt_free: bool,
        encoded: EncodedImage | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return loss and mean IoU of a batch.

        Parameters
        ----------
        batch : AdapterExample
            Stacked examples.
        prompt_free : bool
            Whether to ask for all that is labelled, instead of with prompts.
        encoded : EncodedImage or None
            The images, where they are encoded already.

        Returns
        -------
        loss, iou : scalar tensors
            The loss of one decoder pass on average.
        """
        if encoded is None:
            encoded = self.encode(batch.prompt.image, batch.valid)
        scene = Scene(self.sam, encoded, self.window)
        if prompt_free:
            return self._prompt_free(scene, batch)
        if batch.asked.boxes.numel():
            prompts = simulated(batch.asked, self.family)
            targets = batch.prompt.masks.flatten(0, 1)
        else:
            prompts, targets = first_prompts(batch.prompt)
        loss, iou = corrected_loss(scene, prompts, targets, self.config.corrections)
        return loss / (1 + self.config.corrections), iou

    def _prompt_free(
        self, scene: Scene, batch: AdapterExample
    ) -> tuple[Tensor, Tensor]:
        target = batch.prompt.foreground.float()
        low, scores = scene.decode(SimulatedPrompts(), len(target))
        logits = upsampled(low)[:, 0]
        valid = valid_mask(batch.valid, target.shape[-1]).to(target.device)
        loss = prompt_free_loss(logits, target, valid, self.config.prompt_free_loss)
        # the predicted IoU stays an estimate; left alone it would go stale
        actual = hard_iou(logits.detach().masked_fill(~valid, -1), target)
        loss = loss + SCORE_WEIGHT * (scores[:, 0] - actual) ** 2
        return loss.mean(), actual.mean()

    def trained_state(self) -> dict[str, Tensor]:
        """Return the tensors that change, by name; not copied."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Split what is trained: matrices of adapter and LoRA decay, others do not.

        Returns
        -------
        list of dict
            Two groups for the optimiser. The published weights are not pulled to zero.
        """
        named = self.trained_state().items()
        decays = {
            name: name.startswith("adapter.") or name in self._lora for name, _ in named
        }
        return [
            {
                "params": [p for name, p in named if decays[name] and p.ndim > 1],
                "weight_decay": self.config.weight_decay,
            },
            {
                "params": [p for name, p in named if not decays[name] or p.ndim < 2],
                "weight_decay": 0.0,
            },
        ]

    def save(self, path: Path, base_sha256: str, notes: AdapterNotes) -> None:
        """Write what was trained in half precision, whole or not at all.

        Parameters
        ----------
        path : Path
            The file; replaced if it exists.
        base_sha256 : str
            Hash of the base model's file.
        notes : AdapterNotes
            What the file says of its training.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self.config.trains == "everything":
            about = {"base": self.config.base, "preprocessing": self.family.name}
            save_base(self.sam.state_dict(), path, about)
        else:
            base = self.config.base
            tuned = self.adapter, self.sam
            save_adapter(*tuned, path, base, base_sha256, notes, half=True)

    def _choose_trained(self) -> None:
        self._lora = {f"sam.{key}" for key in lora_state(self.sam)}
        self.requires_grad_(False)
        trains = self.config.trains
        if trains == "everything":
            self.sam.requires_grad_()
            return
        self.sam.mask_decoder.requires_grad_()
        self.sam.prompt_encoder.no_mask_embed.requires_grad_()
        for name, parameter in self.named_parameters():
            is_adapter = trains == "adapter" and name.startswith("adapter.")
            parameter.requires_grad_(parameter.requires_grad or is_adapter)
        for name in self._lora:
            self.get_parameter(name).requires_grad_(trains == "lora")

    def _keep(self, key: int, encoded: EncodedImage) -> None:
        size = sum(t.nbytes for t in (encoded.embedding, *encoded.skips))
        if key != NEW_VIEW and size <= self._room:
            self._memory[key] = _moved(encoded, torch.device("cpu"))
            self._room -= size


def valid_mask(valid: Tensor, side: int) -> Tensor:
    """Return where targets are not padding.

    Parameters
    ----------
    valid : (B, 2) int tensor
        Rows and columns in input pixels.
    side : int
        Side of a target.

    Returns
    -------
    (B, side, side) bool tensor
        True inside.
    """
    index = torch.arange(side)
    reach = -(-valid.cpu() // TARGET_STRIDE)
    rows, columns = (index < reach[:, axis, None] for axis in (0, 1))
    return rows[:, :, None] & columns[:, None, :]


def _stacked(parts: list[EncodedImage]) -> EncodedImage:
    skips = zip(*(part.skips for part in parts), strict=True)
    return EncodedImage(
        torch.cat([part.embedding for part in parts]),
        tuple(torch.cat(maps) for maps in skips),
    )


def _moved(encoded: EncodedImage, device: torch.device) -> EncodedImage:
    skips = tuple(skip.to(device) for skip in encoded.skips)
    return EncodedImage(encoded.embedding.to(device), skips)
