"""Weight files to networks: recognise, rename, check, load; save our own."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapter import AdaptedImageEncoder, SamAdapter
from napari_sam_adapter.model.image_encoder import ConvStem
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape, infer_shape
from napari_sam_adapter.model.weight_files import (
    file_hash,
    read_weights,
    write_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT_VERSION = "1"
_WRAPPERS = ("model_state", "model", "state_dict")
_PREFIXES = ("module.", "_orig_mod.", "sam.", "model.")
_PUBLISHED_RENAMES = {
    "pe_layer.positional_encoding_gaussian_matrix": (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    ),
    "no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
}
_ADAPTER_PREFIX = "image_encoder.prompt_generator."
_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_FOREIGN = {
    "vision_encoder.patch_embed.projection.weight": "a Hugging Face SamModel",
    "image_encoder.patch_embed.seq.0.c.weight": "MobileSAM or LiteMedSAM",
    "prompt_encoder.bbox_top_left_embeddings.weight": "EfficientSAM",
    "image_encoder.trunk.patch_embed.proj.weight": "SAM 2",
    "image_encoder.blocks.0.Adapter.channel.0.weight": "SAM-Med2D",
    "image_encoder.blocks.0.MLP_Adapter.D_fc1.weight": "Medical-SAM-Adapter",
    "image_encoder.blocks.0.attn.qkv.qkv_proj.weight": "micro-sam with LoRA",
    "decode_head": "EVP",
}


@dataclass(frozen=True)
class Checkpoint:
    """A network in memory and what is known of it.

    Parameters
    ----------
    sam : Sam
        In evaluation mode, on the CPU, in float32.
    adapter : SamAdapter or None
        For a published SAM-Adapter file, which holds both.
    sha256 : str
        Of the file.
    stretch : bool
        Whether images are stretched to a square instead of padded.
    """

    sam: Sam
    adapter: SamAdapter | None
    sha256: str
    stretch: bool = False

    @property
    def is_own(self) -> bool:
        """Whether this is the small model of this project."""
        return isinstance(self.sam.image_encoder.patch_embed, ConvStem)

    @property
    def image_encoder(self) -> nn.Module:
        """The encoder to use, with the adapter if there is one."""
        if self.adapter is None:
            return self.sam.image_encoder
        return AdaptedImageEncoder(self.sam.image_encoder, self.adapter).eval()


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a plain SAM file, the small model, or a published SAM-Adapter file.

    Parameters
    ----------
    path : Path
        The weight file; its tensors tell which network it is.

    Returns
    -------
    Checkpoint
        Ready to use.

    Raises
    ------
    CheckpointError
        If the file is broken, unsafe, or of another architecture.
    """
    content, _ = read_weights(path)
    with _reading(path):
        sam, adapter = _build(unwrap(content, path), path)
    return Checkpoint(sam.eval(), adapter, file_hash(path), adapter is not None)


def _build(state: dict[str, Tensor], path: Path) -> tuple[Sam, SamAdapter | None]:
    adapter_state = {
        key.removeprefix(_ADAPTER_PREFIX): state.pop(key)
        for key in list(state)
        if key.startswith(_ADAPTER_PREFIX)
    }
    if adapter_state:
        state = _complete_published(state)
    shape = infer_shape({key: tuple(tensor.shape) for key, tensor in state.items()})
    sam = _empty_sam(shape)
    _load_strictly(sam, state, path)
    adapter = None
    if adapter_state:
        bottleneck = adapter_state["shared_mlp.weight"].shape[1]
        depth = len(shape.windows)
        adapter = SamAdapter(shape.width, depth, bottleneck, published_order=True)
        _load_strictly(adapter, adapter_state, path)
    return sam, adapter


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what strange tensors cause anywhere into one error."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"Expected weights of a supported network in {path}, but they cannot be "
            f"used ({type(error).__name__}: {error}). Choose another file."
        ) from error


def unwrap(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Find the tensors in a checkpoint and give them SAM's published names.

    Parameters
    ----------
    content : mapping
        What the file holds.
    path : Path
        For the messages.

    Returns
    -------
    dict of str to Tensor
        Float32 tensors by published key.

    Raises
    ------
    CheckpointError
        If the tensors belong to another network.
    """
    for marker, family in _FOREIGN.items():
        if marker in content:
            raise CheckpointError(
                f"Expected SAM vit_b, vit_l, vit_h or a SAM-Adapter, but {path} holds "
                f"{family}, which cannot be loaded."
            )
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            return unwrap(content[wrapper], path)
    state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    _check_numbers(state, path)
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            renamed = {key.removeprefix(prefix): value for key, value in state.items()}
            return unwrap(renamed, path)
    dropped = ("pixel_mean", "pixel_std")
    return {key: value.float() for key, value in state.items() if key not in dropped}


def _check_numbers(state: Mapping[str, Tensor], path: Path) -> None:
    for key, tensor in state.items():
        is_plain = tensor.layout == torch.strided and not tensor.is_meta
        if not (is_plain and tensor.is_floating_point() and tensor.isfinite().all()):
            raise CheckpointError(
                f"Expected finite real numbers in {path}, but {key} has others. "
                "Choose another file."
            )


def save_base(
    state: Mapping[str, Tensor], path: Path, about: Mapping[str, str]
) -> None:
    """Save a base model in half precision.

    Parameters
    ----------
    state : mapping of str to Tensor
        The state dict.
    path : Path
        The safetensors file.
    about : mapping of str to str
        What the header says beside the format version.
    """
    half = {key: tensor.half() for key, tensor in state.items()}
    write_weights(path, half, {"format": FORMAT_VERSION, "kind": "base", **about})


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
    with _reading(path):
        _check_numbers(content, path)
        tuned = {key: tensor.float() for key, tensor in content.items()}
        state = {
            key.removeprefix("adapter."): tuned.pop(key)
            for key in content
            if key.startswith("adapter.")
        }
        adapter = _adapter_like(state, base, header, path)
        sam = _with_tuned(base.sam, tuned, path)
    return Checkpoint(sam, adapter, base.sha256, base.stretch)


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
    _load_strictly(adapter, state, path)
    return adapter.eval()


class _NoFirstValues(TorchFunctionMode):
    """Leaves out `nn.init`, for which torch would import its compiler: seconds."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def _empty_sam(shape: SamShape) -> Sam:
    """Return a network whose tensors have a shape and no memory yet."""
    with torch.device("meta"), _NoFirstValues():
        return build_sam(shape)


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
    fresh = _empty_sam(shape)
    _load_strictly(fresh, state, path)
    fresh.image_encoder = sam.image_encoder
    return fresh.eval()


def _tuned_keys(sam: Sam) -> list[str]:
    return [
        key
        for key in sam.state_dict()
        if key.startswith("mask_decoder.")
        or key in ("prompt_encoder.no_mask_embed.weight", _POSITIONS)
    ]


def _complete_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published SAM-Adapter's short keys and add what it lacks."""
    # the file has no embeddings for points, boxes and masks: they become zero, so
    # that a click is known by its position alone
    renamed = {_PUBLISHED_RENAMES.get(key, key): value for key, value in state.items()}
    shape = infer_shape(
        {key: tuple(value.shape) for key, value in renamed.items()}
        | {"prompt_encoder.mask_downscaling.3.weight": (16, 4, 2, 2)}
    )
    expected = _empty_sam(shape).prompt_encoder.state_dict()
    for key, value in expected.items():
        full = f"prompt_encoder.{key}"
        renamed.setdefault(full, torch.zeros(value.shape))
    return renamed


def _load_strictly(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    expected = module.state_dict()
    missing = sorted(set(expected) - set(state))
    unknown = sorted(set(state) - set(expected))
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    for problem, keys in (("lacks", missing), ("has unknown", unknown), ("has", wrong)):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise CheckpointError(
                f"{path} {problem} {keys[0]}{more}. "
                "Choose a complete checkpoint of a supported network."
            )
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(False)
