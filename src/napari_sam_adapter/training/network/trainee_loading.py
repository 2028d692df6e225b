"""Base, start and config to the network that is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.inference.frame.preprocessing import MASK_STRIDE
from napari_sam_adapter.inference.predictor.weights import (
    check_base,
    find_weights,
    load_model,
)
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.lora import add_lora, lora_state
from napari_sam_adapter.model.decoder.dense_prompts import PER_TOKEN
from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder
from napari_sam_adapter.model.families.preparation import SAM, SAM_ADAPTER
from napari_sam_adapter.model.files.adapter_files import load_adapter
from napari_sam_adapter.training.network.randomness import own_randomness
from napari_sam_adapter.training.network.trainee import Trainee
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_adapter.model.adapters.task_information import ImageFilter
    from napari_sam_adapter.model.files.checkpoints import Checkpoint
    from napari_sam_adapter.training.recipes.config import TrainingConfig

    Functions = Mapping[str, ImageFilter]


def load_trainee(
    config: TrainingConfig, functions: Functions | None = None
) -> tuple[Trainee, str]:
    """Load the base of a training and put on it what is trained.

    Parameters
    ----------
    config : TrainingConfig
        Names base and start.
    functions : mapping of str to callable, optional
        Sources of task information of your own, by name.

    Returns
    -------
    trainee : Trainee
        On the CPU.
    sha256 : str
        Hash of the base model's file.

    Raises
    ------
    CheckpointError
        If a file cannot be used, or the start belongs to another base.
    TrainingError
        If that base cannot be trained in that way.
    """
    if config.start is not None:
        check_base(config.base, config.start)
    base = load_model(config.base, config.preprocessing)
    if config.start is not None:
        base = _with_start(base, config.start, config, functions)
    _check_family(base, config)
    sam = base.sam
    if sam.image_size != MASK_STRIDE * PER_TOKEN * sam.prompt_encoder.grid:
        raise TrainingError(
            f"Expected a model with masks of a {MASK_STRIDE}th of its input, "
            f"got {config.base} ({base.family.name}). Train another model."
        )
    with own_randomness(config.seed):
        trainee = Trainee(_with_part(base, config, functions), config)
    encoder = trainee.sam.image_encoder
    if config.checkpointing and isinstance(encoder, ImageEncoder):
        for block in encoder.blocks:
            _checkpoint(block)
    return trainee, base.sha256


def _check_family(base: Checkpoint, config: TrainingConfig) -> None:
    """Raise unless images can be prepared as the network will get them."""
    is_published = base.adapter is not None and base.adapter.published_order
    if base.family.stretch and not (is_published and config.start is not None):
        raise TrainingError(
            f"Expected a model that keeps the sides of an image in proportion, but "
            f"{config.base} or what to start from stretches it ({base.family.name}). "
            "Train on the SAM that it was made from."
        )
    if not config.published_order or is_published:
        return
    if config.start is not None:
        raise TrainingError(
            "Expected to start from an adapter that has the published order, got "
            f"{config.start}. Leave out one of both."
        )
    if base.family is not SAM:
        raise TrainingError(
            "Expected SAM vit_b, vit_l or vit_h for the published order, got "
            f"{config.base} ({base.family.name})."
        )


def _with_start(
    base: Checkpoint, name: str, config: TrainingConfig, functions: Functions | None
) -> Checkpoint:
    if config.trains == "everything":
        raise TrainingError(
            f"Expected a part to train from {name}, got everything. Leave out the "
            "start, or train adapter, decoder or lora."
        )
    path = find_weights(name, Kind.ADAPTER)
    return load_adapter(path, base, config.base, functions)


def _with_part(
    base: Checkpoint, config: TrainingConfig, functions: Functions | None
) -> Checkpoint:
    """Return the base with a fresh adapter or LoRA, if that is wanted and not there."""
    encoder = base.sam.image_encoder
    if config.trains == "adapter" and not isinstance(encoder, ImageEncoder):
        raise TrainingError(
            f"Expected a base with a ViT encoder for an adapter, got {config.base}. "
            "Train its decoder, or choose tiny, vit_b, vit_l or vit_h."
        )
    if config.trains == "adapter" and base.adapter is None:
        adapter = SamAdapter(
            encoder.pos_embed.shape[-1],
            len(encoder.blocks),
            config.bottleneck or None,
            patch=base.sam.prompt_encoder.patch,
            sources=config.sources,
            functions=functions,
            learned_weights=config.learned_weights,
            published_order=config.published_order,
        )
        family = SAM_ADAPTER if config.published_order else base.family
        return replace(base, adapter=adapter, family=family)
    if config.trains == "lora" and not lora_state(base.sam):
        return replace(base, sam=add_lora(base.sam, config.lora_rank))
    return base


def _checkpoint(block: nn.Module) -> None:
    """Make a block compute its activations again in the backward pass."""
    forward: Any = block.forward

    def run(x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            out: Tensor = checkpoint(forward, x, use_reentrant=False)
        else:
            out = forward(x)
        return out

    block.forward = run
