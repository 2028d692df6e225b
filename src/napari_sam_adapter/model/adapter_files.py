"""Our own adapter files: what adapter training changes, and nothing else."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapter import SamAdapter
from napari_sam_adapter.model.checkpoints import (
    FORMAT_VERSION,
    Checkpoint,
    empty_sam,
    load_strictly,
    reading,
)
from napari_sam_adapter.model.image_encoder import ImageEncoder
from napari_sam_adapter.model.layouts import check_numbers
from napari_sam_adapter.model.shape import infer_shape
from napari_sam_adapter.model.weight_files import read_weights, write_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_sam_adapter.model.sam import Sam

_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


def save_adapter(
    adapter: SamAdapter, sam: Sam, path: Path, base: str, base_sha256: str
) -> None:
    """Save what adapter training changes: adapter, decoder, no-mask embedding.

    Parameters
    ----------
    adapter : SamAdapter
        The trained adapter.
    sam : Sam
        The network it was trained with; its encoder is not saved.
    path : Path
        The safetensors file.
    base : str
        Name of the base model.
    base_sha256 : str
        Hash of the base model's file; loading refuses another base.
    """
    tensors = {f"adapter.{key}": value for key, value in adapter.state_dict().items()}
    tensors |= {key: sam.state_dict()[key] for key in _tuned_keys(sam)}
    header = {
        "format": FORMAT_VERSION,
        "kind": "adapter",
        "base": base,
        "base_sha256": base_sha256,
        "weights": json.dumps(adapter.weights),
    }
    write_weights(path, tensors, header)


def load_adapter(path: Path, base: Checkpoint, base_name: str) -> Checkpoint:
    """Put a saved adapter on a base model.

    Parameters
    ----------
    path : Path
        File of `save_adapter`.
    base : Checkpoint
        The base; its encoder is shared, its decoder is not changed.
    base_name : str
        How messages call the base.

    Returns
    -------
    Checkpoint
        With the adapter, and the decoder that was trained with it.

    Raises
    ------
    CheckpointError
        If the file is no adapter, or was made for another base.
    """
    if not isinstance(base.sam.image_encoder, ImageEncoder):
        raise CheckpointError(
            f"Expected a model with SAM's ViT encoder, because {path} is for one, got "
            f"{base_name!r}. Choose another model, or no adapter."
        )
    content, header = read_weights(path)
    if header.get("kind") != "adapter":
        raise CheckpointError(
            f"Expected an adapter file at {path}, got something else. "
            "To use a base model, give it as the model."
        )
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(
            f"Expected format {FORMAT_VERSION} in {path}, got {header.get('format')}. "
            "Update napari-sam-adapter, or choose an adapter of this version."
        )
    if header.get("base_sha256") != base.sha256:
        raise CheckpointError(
            f"Adapter {path} was trained for the model {header.get('base')!r}, but the "
            f"loaded model is {base_name!r} or another version of it. Load that model "
            "or choose another adapter."
        )
    with reading(path):
        check_numbers(content, path)
        tuned = {key: tensor.float() for key, tensor in content.items()}
        state = {
            key.removeprefix("adapter."): tuned.pop(key)
            for key in content
            if key.startswith("adapter.")
        }
        adapter = _adapter_like(state, base, header, path)
        sam = _with_tuned(base.sam, tuned, path)
    return replace(base, sam=sam, adapter=adapter)


def _adapter_like(
    state: dict[str, Tensor], base: Checkpoint, header: Mapping[str, str], path: Path
) -> SamAdapter:
    encoder = base.sam.image_encoder
    weights = json.loads(header.get("weights", "{}"))
    if not all(math.isfinite(weight) for weight in weights.values()):
        raise CheckpointError(f"Expected finite source weights in {path}.")
    width, bottleneck = state["shared_mlp.weight"].shape
    patch = base.sam.prompt_encoder.patch
    adapter = SamAdapter(width, len(encoder.blocks), bottleneck, weights, patch)
    load_strictly(adapter, state, path)
    return adapter.eval()


def _with_tuned(sam: Sam, tuned: dict[str, Tensor], path: Path) -> Sam:
    """Return a network that shares the encoder and owns the tuned tensors."""
    state = sam.state_dict()
    if set(tuned) != set(_tuned_keys(sam)):
        raise CheckpointError(
            f"Expected the decoder in {path} to be complete, but tensors are missing "
            "or unknown. Copy the file again."
        )
    state.update(tuned)
    shape = infer_shape({key: tuple(tensor.shape) for key, tensor in state.items()})
    fresh = empty_sam(shape)
    load_strictly(fresh, state, path)
    fresh.image_encoder = sam.image_encoder
    return fresh.eval()


def _tuned_keys(sam: Sam) -> list[str]:
    return [
        key
        for key in sam.state_dict()
        if key.startswith("mask_decoder.")
        or key in ("prompt_encoder.no_mask_embed.weight", _POSITIONS)
    ]
