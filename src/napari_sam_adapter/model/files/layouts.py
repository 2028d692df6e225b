"""Which network a file holds, and its tensors under SAM's published names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.agreement import most_common
from napari_sam_adapter.model.families import efficient_sam
from napari_sam_adapter.model.files.hugging_face import from_hugging_face
from napari_sam_adapter.model.files.pickled_tensors import Skipped
from napari_sam_adapter.model.files.tensor_archive import (
    MOST_DIMENSIONS,
    check_depth,
    whole_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    State = dict[str, Tensor]

WRAPPERS = "model_state", "model", "state_dict", "model_state_dict", "net", "weights"
"""Keys under which files keep their tensors."""
_PREFIXES = ("module.", "_orig_mod.", "sam.", "model.")
_COUNTER = "num_batches_tracked"
_FORMATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_USABLE = "Weights in float32, float16, bfloat16 or float64 can be used"
_DROPPED = ("pixel_mean", "pixel_std")
_FOREIGN = {
    "image_encoder.trunk.": "SAM 2",
    "vision_encoder.backbone.": "SAM 2 of transformers",
    "image_encoder.blocks.0.MLP_Adapter.": "Medical-SAM-Adapter",
    "image_encoder.blocks.0.attn.qkv.qkv_proj.": "micro-sam with LoRA",
    "decode_head.": "EVP or another SegFormer",
}
"""How keys begin that only other networks have."""


@dataclass(frozen=True)
class Recognised:
    """The tensors of a file and what they are.

    Parameters
    ----------
    state : dict of str to Tensor
        Float32 tensors under SAM's published names.
    layout : str
        Key of `families.LAYOUTS`.
    told : str or None
        Name of the family, where the file itself tells it.
    note : str
        What of the file is not used; empty for nothing.
    """

    state: State
    layout: str
    told: str | None = None
    note: str = ""


def refuse_adapter(header: Mapping[str, str], path: Path) -> None:
    """Raise if a file that was given as a model is one of our adapters.

    Parameters
    ----------
    header : mapping of str to str
        What the file says of itself.
    path : Path
        The file.

    Raises
    ------
    CheckpointError
        If it is; the message says how to give it.
    """
    if header.get("kind") == "adapter":
        raise CheckpointError(
            f"Expected a model at {path}, got an adapter for {header.get('base')!r}. "
            "Give that as the model, and this file as adapter=... in Python or "
            "--adapter in the shell."
        )


def recognise(content: Mapping[Any, Any], path: Path) -> Recognised:
    """Find the tensors in a file, name them as SAM does, and tell the network.

    Parameters
    ----------
    content : mapping
        What the file holds.
    path : Path
        For the messages.

    Returns
    -------
    Recognised
        One of the layouts that can be built.

    Raises
    ------
    CheckpointError
        If the tensors belong to another network, or are no plain numbers.
    """
    return _recognise(content, path, 1)


def _recognise(content: Mapping[Any, Any], path: Path, depth: int) -> Recognised:
    check_depth(depth, path)
    _refuse_foreign(content, path)
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            found = _recognise(content[wrapper], path, depth + 1)
            return _describe(found, content, wrapper, path)
    state = _tensors_of(content, path)
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            renamed = {key.removeprefix(prefix): value for key, value in state.items()}
            return _recognise(renamed, path, depth + 1)
    check_numbers(state, path)
    state = {key: value for key, value in state.items() if key not in _DROPPED}
    return _name_as_published(state)


def _refuse_foreign(content: Mapping[Any, Any], path: Path) -> None:
    names = [key for key in content if isinstance(key, str)]
    for beginning, family in _FOREIGN.items():
        if any(name.startswith(beginning) for name in names):
            raise CheckpointError(
                f"Expected a network of the SAM family, but {path} holds {family}, "
                "which cannot be loaded. Choose another file."
            )


def _tensors_of(content: Mapping[Any, Any], path: Path) -> State:
    """Return what has the name of a tensor; there must be some, and all be read."""
    skipped = {k: v for k, v in content.items() if isinstance(v, Skipped)}
    for key, value in skipped.items():
        if value.is_tensor:
            raise CheckpointError(
                f"Expected finite real numbers in {path}, but {key} is stored as "
                f"{value.what!r}. {_USABLE}. Choose another file."
            )
    state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if any(not isinstance(key, str) for key in state):
        raise CheckpointError(
            f"Expected a name for each tensor in {path}, but some have numbers or "
            "other things in its place. Choose a file of model weights."
        )
    if not state:
        raise _without_tensors(skipped, path)
    return state


def _without_tensors(skipped: Mapping[Any, Skipped], path: Path) -> CheckpointError:
    objects = [value for key, value in skipped.items() if key in WRAPPERS]
    if objects:
        return CheckpointError(whole_object(objects[0], path))
    return CheckpointError(
        f"Expected the weights of a SAM network, but {path} holds no tensors. "
        "Choose another file."
    )


def _describe(
    found: Recognised, content: Mapping[str, Any], wrapper: str, path: Path
) -> Recognised:
    """Add what the dictionary around the tensors tells."""
    if wrapper == "model_state" and found.layout in ("sam", "mobile-sam"):
        found = replace(found, told="micro-sam")
    if "decoder_state" in content:
        note = f"The instance decoder in {path.name} is not used."
        found = replace(found, note=note)
    return found


def check_numbers(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise unless all tensors hold finite real numbers.

    Parameters
    ----------
    state : mapping of str to Tensor
        Tensors by key; counters of batches may be whole numbers.
    path : Path
        The file they come from.

    Raises
    ------
    CheckpointError
        If one does not, or has no numbers at all.
    """
    for key, tensor in state.items():
        problem = _problem_of(tensor, key.endswith(_COUNTER))
        if problem:
            raise CheckpointError(
                f"Expected finite real numbers in {path}, but {key} {problem}. "
                "Choose another file."
            )


def _problem_of(tensor: Tensor, is_counter: bool) -> str:
    """Say why the numbers of a tensor cannot be used; empty if they can."""
    if not tensor.numel():
        return "is empty"
    if tensor.layout != torch.strided or tensor.is_meta:
        return "has none that could be computed with"
    if tensor.ndim > MOST_DIMENSIONS:
        return f"has {tensor.ndim} dimensions"
    if not is_counter and tensor.dtype not in _FORMATS:
        kind = str(tensor.dtype).removeprefix("torch.")
        return f"is in {kind}. {_USABLE}"
    if not tensor.isfinite().all():
        return "has NaN or infinity"
    if tensor.dtype == torch.float64 and not tensor.float().isfinite().all():
        return "has some that are too large for float32"
    return ""


def as_float32(tensor: Tensor) -> Tensor:
    """Give numbers as the products of a network want them, wherever they come from.

    Parameters
    ----------
    tensor : Tensor
        Real numbers, in any order in memory.

    Returns
    -------
    Tensor
        In float32, row by row, at the beginning of their memory; on AVX2 the last bits
        of products are others elsewhere. A copy only where it has to be.
    """
    numbers = tensor.float().contiguous()
    return numbers.clone() if numbers.storage_offset() else numbers


def _without_classifier(state: State) -> State:
    """Leave out what MobileSAM stores of its pretraining and never uses."""
    unused = ("image_encoder.head.", "image_encoder.norm_head.")
    return {key: value for key, value in state.items() if not key.startswith(unused)}


def _same(state: State) -> State:
    return state


_ADAPTER_IN_BLOCK = re.compile(r"(image_encoder\.blocks\.\d+\.)(Adapter\.)")


def _adapter_beside_mlp(state: State) -> State:
    """SAM-Med2D: the adapter stands in the block's MLP, whose input it shares."""
    return {_ADAPTER_IN_BLOCK.sub(r"\1mlp.\2", key): v for key, v in state.items()}


_TINY_VIT = "image_encoder.patch_embed.seq."
_BEGINNINGS: dict[str, tuple[str, Callable[[State], State]]] = {
    "vision_encoder.": ("sam", from_hugging_face),
    _TINY_VIT: ("mobile-sam", _without_classifier),
    "prompt_encoder.bbox_": ("efficient-sam", efficient_sam.from_published),
    "image_encoder.prompt_generator.": ("sam-adapter", _same),
    "image_encoder.blocks.0.Adapter.": ("sam-med2d", _adapter_beside_mlp),
    "image_encoder.patch_embed.stride2.": ("small", _same),
}
"""How keys begin that only one layout has, the layout, and how to name its tensors."""


def _name_as_published(state: State) -> Recognised:
    state = {
        key: value if str(key).endswith(_COUNTER) else as_float32(value)
        for key, value in state.items()
    }
    for beginning, (layout, rename) in _BEGINNINGS.items():
        if any(str(key).startswith(beginning) for key in state):
            if beginning == _TINY_VIT and _has_lite_stem(state):
                layout = "lite-medsam"
            return Recognised(rename(state), layout)
    return Recognised(state, "sam")


def _has_lite_stem(state: State) -> bool:
    """LiteMedSAM's stem looks at single pixels, MobileSAM's at 3 x 3."""
    keys = (f"{_TINY_VIT}{place}.c.weight" for place in (0, 2))
    sides = [side for key in keys if key in state for side in state[key].shape[2:]]
    return bool(sides) and most_common(sides) == 1
