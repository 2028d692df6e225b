"""Weight files to networks: recognise, rename, check, load; save our own."""

from __future__ import annotations

import contextlib
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
PUBLISHED_RENAMES = {
    "pe_layer.positional_encoding_gaussian_matrix": (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    ),
    "no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
}
ADAPTER_PREFIX = "image_encoder.prompt_generator."
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
    score_is_trusted : bool
        Whether the network's IoU estimate means something. Published SAM-Adapters were
        trained without it: it is stale, and so are the masks for ambiguous prompts.
    """

    sam: Sam
    adapter: SamAdapter | None
    sha256: str
    stretch: bool = False
    score_is_trusted: bool = True

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
    with reading(path):
        sam, adapter = _build(unwrap(content, path), path)
    is_plain = adapter is None
    return Checkpoint(
        sam.eval(),
        adapter,
        file_hash(path),
        stretch=not is_plain,
        score_is_trusted=is_plain,
    )


def _build(state: dict[str, Tensor], path: Path) -> tuple[Sam, SamAdapter | None]:
    adapter_state = {
        key.removeprefix(ADAPTER_PREFIX): state.pop(key)
        for key in list(state)
        if key.startswith(ADAPTER_PREFIX)
    }
    if adapter_state:
        state = _complete_published(state)
    shape = infer_shape({key: tuple(tensor.shape) for key, tensor in state.items()})
    sam = empty_sam(shape)
    load_strictly(sam, state, path)
    adapter = None
    if adapter_state:
        bottleneck = adapter_state["shared_mlp.weight"].shape[1]
        depth = len(shape.windows)
        with without_memory():
            adapter = SamAdapter(shape.width, depth, bottleneck, published_order=True)
        load_strictly(adapter, adapter_state, path)
    return sam, adapter


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what strange tensors cause anywhere into one error.

    Parameters
    ----------
    path : Path
        The file they come from.

    Raises
    ------
    CheckpointError
        For any other error inside the block.
    """
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
    check_numbers(state, path)
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            renamed = {key.removeprefix(prefix): value for key, value in state.items()}
            return unwrap(renamed, path)
    dropped = ("pixel_mean", "pixel_std")
    return {key: value.float() for key, value in state.items() if key not in dropped}


def check_numbers(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise unless all tensors hold finite real numbers.

    Parameters
    ----------
    state : mapping of str to Tensor
        Tensors by key.
    path : Path
        The file they come from.

    Raises
    ------
    CheckpointError
        If one does not.
    """
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


class _NoFirstValues(TorchFunctionMode):
    """Leaves out `nn.init`, for which torch would import its compiler: seconds."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def empty_sam(shape: SamShape) -> Sam:
    """Return a network whose tensors have a shape and no memory yet.

    Parameters
    ----------
    shape : SamShape
        Its sizes.

    Returns
    -------
    Sam
        To be filled by `load_strictly`.
    """
    with without_memory():
        return build_sam(shape)


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Make modules whose tensors have a shape and no memory yet.

    Yields
    ------
    None
        Modules made inside are to be filled by `load_strictly`.
    """
    with torch.device("meta"), _NoFirstValues():
        yield


def _complete_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published SAM-Adapter's short keys and add what it lacks."""
    # the file has no embeddings for points, boxes and masks: they become zero, so
    # that a click is known by its position alone
    renamed = {PUBLISHED_RENAMES.get(key, key): value for key, value in state.items()}
    shape = infer_shape(
        {key: tuple(value.shape) for key, value in renamed.items()}
        | {"prompt_encoder.mask_downscaling.3.weight": (16, 4, 2, 2)}
    )
    expected = empty_sam(shape).prompt_encoder.state_dict()
    for key, value in expected.items():
        full = f"prompt_encoder.{key}"
        renamed.setdefault(full, torch.zeros(value.shape))
    return renamed


def load_strictly(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Give a module its tensors, for inference.

    Parameters
    ----------
    module : nn.Module
        The module; its parameters will need no gradients.
    state : dict of str to Tensor
        Exactly its tensors; used without a copy.
    path : Path
        The file they come from.

    Raises
    ------
    CheckpointError
        If a tensor is missing, unknown or of another shape; the message names it.
    """
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
