"""Layouts that other programs read, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.image_io.output.whole_files import check_output
from napari_sam_adapter.model.adapters.adapter import SOURCES
from napari_sam_adapter.model.adapters.lora import merge_lora
from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
from napari_sam_adapter.model.decoder.prompt_encoder import PromptEncoder
from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder, PatchEmbed
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.adapter_header import AdapterNotes
from napari_sam_adapter.model.files.checkpoints import (
    ADAPTER_PREFIX,
    PUBLISHED_RENAMES,
    load_checkpoint,
)
from napari_sam_adapter.model.files.weight_files import whole_file, write_weights
from napari_sam_adapter.model.layers import MLPBlock

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_sam_adapter.model.adapters.adapter import SamAdapter
    from napari_sam_adapter.model.files.checkpoints import Checkpoint
    from napari_sam_adapter.model.sam import Sam

_TORCH, _SAFETENSORS = (".pth", ".pt"), ".safetensors"
_SHARED = ("image_encoder.", "mask_decoder.")
_EMBEDS = {"patch_embedding": "embedding_generator", "fft_highpass": "prompt_generator"}


def export_plain_sam(
    checkpoint: Checkpoint, path: Path, overwrite: bool = False
) -> None:
    """Write a model as a plain SAM file; LoRA is merged into it.

    Parameters
    ----------
    checkpoint : Checkpoint
        A ViT SAM, as loaded or with an adapter file of LoRA or the decoder alone.
    path : Path
        Ends in ``.pth`` or ``.pt``, which segment-anything reads, or ``.safetensors``.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    CheckpointError
        If the model has no such layout.
    OutputError
        If the file cannot be written; nothing is left behind.
    """
    _require_published_vit(checkpoint)
    if checkpoint.adapter is not None:
        raise CheckpointError(
            "Expected a model without a prompt generator, got one with a SAM-Adapter, "
            "which plain SAM has no place for. Train LoRA instead, which can be merged "
            "into it."
        )
    state = merge_lora(checkpoint.sam).state_dict()
    _write(path, state, overwrite, checkpoint.family.name)


def export_published(
    checkpoint: Checkpoint, path: Path, overwrite: bool = False
) -> None:
    """Write an adapted model in the layout of the published SAM-Adapter.

    Parameters
    ----------
    checkpoint : Checkpoint
        A ViT SAM with an adapter of the published sources that reads tokens in the
        published order. Fixed or shared weights w_j are multiplied into its layers;
        LoRA is merged.
    path : Path
        Ends in ``.pth`` or ``.pt``, which the published code reads, or
        ``.safetensors``.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    CheckpointError
        If the layout cannot express the adapter.
    OutputError
        If the file cannot be written; nothing is left behind.

    Notes
    -----
    The layout has no place for embeddings of points, boxes and masks. Prompt-free masks
    of the file are those of the adapter.
    """
    _require_published_vit(checkpoint)
    adapter = _require_published_adapter(checkpoint)
    sam = merge_lora(checkpoint.sam).state_dict()
    tensors = {key: value for key, value in sam.items() if key.startswith(_SHARED)}
    tensors |= {short: sam[full] for short, full in PUBLISHED_RENAMES.items()}
    tensors |= {
        ADAPTER_PREFIX + key: value for key, value in _without_weights(adapter).items()
    }
    _write(path, tensors, overwrite, checkpoint.family.name)


def import_published(
    source: Path, base: Checkpoint, base_name: str, target: Path, licence: str = ""
) -> None:
    """Make an adapter file of a published SAM-Adapter checkpoint.

    Parameters
    ----------
    source : Path
        The published file, a complete network of some 400 MB to 2.6 GB.
    base : Checkpoint
        The SAM that it was trained on; the encoders must be equal.
    base_name : str
        Its name, for the file and for messages.
    target : Path
        The adapter file, some 17 MB.
    licence : str
        Of the published weights.

    Raises
    ------
    CheckpointError
        If the source is no published SAM-Adapter, or was trained on another base.
    OutputError
        If the file cannot be written; nothing is left behind.

    Notes
    -----
    Its IoU estimates are stale and marked as such. Points use its positional matrix and
    the base's embeddings of positive and negative points.
    """
    published = load_checkpoint(source)
    if published.adapter is None:
        raise CheckpointError(
            f"Expected a published SAM-Adapter checkpoint, got {source}, which has no "
            "prompt generator. To use a base model, give it as the model."
        )
    if not _equal_encoders(published.sam, base.sam):
        raise CheckpointError(
            f"Expected {source} to have the image encoder of {base_name!r}, but it was "
            "trained on another model. Give that model as the base."
        )
    told = base.family.name
    notes = AdapterNotes(licence=licence, score_is_trusted=False, preprocessing=told)
    save_adapter(
        published.adapter, published.sam, target, base_name, base.sha256, notes
    )


def _require_published_vit(checkpoint: Checkpoint) -> None:
    sam = checkpoint.sam
    encoder = sam.image_encoder
    is_published = (
        type(encoder) is ImageEncoder
        and type(encoder.patch_embed) is PatchEmbed
        and all(type(block.mlp) is MLPBlock for block in encoder.blocks)
        and type(sam.prompt_encoder) is PromptEncoder
        and type(sam.mask_decoder) is MaskDecoder
    )
    if not is_published:
        raise CheckpointError(
            "Expected SAM vit_b, vit_l or vit_h, got a network that other programs "
            f"for SAM cannot read ({checkpoint.family.name}). Give one of these by "
            "name or file, with an adapter for it or without."
        )


def _require_published_adapter(checkpoint: Checkpoint) -> SamAdapter:
    adapter = checkpoint.adapter
    if adapter is None:
        raise CheckpointError(
            "Expected a model with a SAM-Adapter, got one without. Name an adapter, "
            "or export the model as plain SAM."
        )
    problem = ""
    if set(adapter.sources) != set(SOURCES):
        problem = f"uses the task information {', '.join(adapter.sources)}"
    elif adapter.learned_weights == "per_block":
        problem = "has weights of its own for every block"
    elif not adapter.published_order:
        problem = "sees each token by itself (the published code mixes them)"
    if problem:
        raise CheckpointError(
            f"Expected an adapter that the published layout can express, but it "
            f"{problem}. Train one with --published-order, or LoRA, which can be "
            "merged into plain SAM."
        )
    return adapter


def _without_weights(adapter: SamAdapter) -> dict[str, Tensor]:
    """Multiply each w_j into the layer of its source."""
    state = dict(adapter.state_dict())
    state.pop("log_weights", None)
    for source, weight in adapter.weights.items():
        for key in state:
            if key.startswith(_EMBEDS[source]) and weight != 1:
                state[key] = state[key] * weight
    return state


def _equal_encoders(sam: Sam, other: Sam) -> bool:
    state, expected = sam.image_encoder.state_dict(), other.image_encoder.state_dict()
    return state.keys() == expected.keys() and all(
        torch.equal(state[key], expected[key].cpu()) for key in state
    )


def _write(
    path: Path, tensors: dict[str, Tensor], overwrite: bool, preprocessing: str
) -> None:
    suffix = path.suffix.lower()
    if suffix not in (*_TORCH, _SAFETENSORS):
        raise OutputError(
            "Expected a file name that ends in .pth, .pt or .safetensors, got "
            f"{path.name}. Give it one of these endings."
        )
    check_output(path, overwrite)
    if suffix == _SAFETENSORS:
        write_weights(path, tensors, {"preprocessing": preprocessing})
        return
    plain = {key: value.cpu().contiguous() for key, value in tensors.items()}
    with whole_file(path) as partial:
        torch.save(plain, partial)
