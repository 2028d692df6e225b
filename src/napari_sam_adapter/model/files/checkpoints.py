"""Weight files to networks: recognise, rename, check, load; save our own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.agreement import agreed
from napari_sam_adapter.model.families.efficient_sam import build_efficient_sam
from napari_sam_adapter.model.families.preparation import SAM, Family, choose_family
from napari_sam_adapter.model.families.sam_med2d import build_sam_med2d
from napari_sam_adapter.model.families.tiny_vit import (
    build_tiny_vit_sam,
    infer_tiny_vit,
)
from napari_sam_adapter.model.files.empty_networks import empty_sam, without_memory
from napari_sam_adapter.model.files.layouts import recognise, refuse_adapter
from napari_sam_adapter.model.files.weight_files import (
    file_hash,
    read_weights,
    too_large,
    write_weights,
)
from napari_sam_adapter.model.memory import tells_of_memory
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import VIT_B, infer_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from napari_sam_adapter.intensity import IntensityMapping

    Sizes = Mapping[str, tuple[int, ...]]

FORMAT_VERSION = "1"
PUBLISHED_RENAMES = {
    "pe_layer.positional_encoding_gaussian_matrix": (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    ),
    "no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
}
ADAPTER_PREFIX = "image_encoder.prompt_generator."


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
    family : Family
        How it wants its images and prompts.
    note : str
        What of the file is not used, or whether its adapter has learned nothing; empty
        for nothing to tell.
    intensity : IntensityMapping or None
        Window that its adapter was trained with, if that suits other images, too.
    learned_from : frozenset of str
        Fingerprints of labels that its adapter was trained on.
    """

    sam: Sam
    adapter: SamAdapter | None
    sha256: str
    family: Family = SAM
    note: str = ""
    intensity: IntensityMapping | None = None
    learned_from: frozenset[str] = frozenset()

    @property
    def image_encoder(self) -> nn.Module:
        """The encoder to use, with the adapter if there is one."""
        if self.adapter is None:
            encoder: nn.Module = self.sam.image_encoder
            return encoder
        return AdaptedImageEncoder(self.sam.image_encoder, self.adapter).eval()


def load_checkpoint(path: Path, preprocessing: str | None = None) -> Checkpoint:
    """Load any network of the SAM family.

    Parameters
    ----------
    path : Path
        The weight file; its tensors tell which network it is.
    preprocessing : str or None
        Name of the family, where the file does not tell it; see
        `families.PREPROCESSINGS`.

    Returns
    -------
    Checkpoint
        Ready to use.

    Raises
    ------
    CheckpointError
        If the file is broken, unsafe, of another architecture, or does not tell how
        the network wants its images.
    """
    content, header = read_weights(path)
    refuse_adapter(header, path)
    with reading(path):
        found = recognise(content, path)
        is_vit_b = _is_vit_b(found.state)
        sam, adapter = _build(found.state, found.layout, path)  # a broken file is told
        told = header.get("preprocessing") or found.told
        family = choose_family(found.layout, preprocessing, told, path.name, is_vit_b)
    return Checkpoint(sam.eval(), adapter, file_hash(path), family, found.note)


def _is_vit_b(state: Mapping[str, Tensor]) -> bool:
    positions = state.get("image_encoder.pos_embed")
    side, width = VIT_B.grid, VIT_B.width
    return positions is not None and positions.shape == (1, side, side, width)


def _build(
    state: dict[str, Tensor], layout: str, path: Path
) -> tuple[Sam, SamAdapter | None]:
    if layout == "sam-adapter":
        return _build_published(state, path)
    with without_memory():
        sam = _BUILDERS[layout](sizes_of(state))
    load_strictly(sam, state, path)
    return sam, None


_BUILDERS: dict[str, Callable[[Sizes], Sam]] = {
    "sam": lambda sizes: build_sam(infer_shape(sizes)),
    "small": lambda sizes: build_sam(infer_shape(sizes)),
    "mobile-sam": lambda sizes: build_tiny_vit_sam(infer_tiny_vit(sizes)),
    "lite-medsam": lambda sizes: build_tiny_vit_sam(infer_tiny_vit(sizes)),
    "efficient-sam": build_efficient_sam,
    "sam-med2d": build_sam_med2d,
}


def _build_published(
    state: dict[str, Tensor], path: Path
) -> tuple[Sam, SamAdapter | None]:
    adapter_state = {
        key.removeprefix(ADAPTER_PREFIX): state.pop(key)
        for key in list(state)
        if key.startswith(ADAPTER_PREFIX)
    }
    state = _complete_published(state)
    shape = infer_shape(sizes_of(state))
    sam = empty_sam(shape)
    load_strictly(sam, state, path)
    bottleneck = bottleneck_of(adapter_state)
    with without_memory():
        adapter = SamAdapter(
            shape.width, len(shape.windows), bottleneck, published_order=True
        )
    load_strictly(adapter, adapter_state, path, ADAPTER_PREFIX)
    return sam, adapter


def sizes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor.

    Parameters
    ----------
    state : mapping of str to Tensor
        Tensors by key.

    Returns
    -------
    dict of str to tuple of int
        Shapes by key.
    """
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def bottleneck_of(state: Mapping[str, Tensor]) -> int:
    """Return the inner width of an adapter.

    Parameters
    ----------
    state : mapping of str to Tensor
        Its tensors by key.

    Returns
    -------
    int
        What most of them say.
    """
    return agreed(
        sizes_of(state),
        ("shared_mlp.weight", 1),
        ("lightweight_mlp_*.0.weight", 0),
        ("lightweight_mlp_*.0.bias", 0),
    )


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
        For any error inside the block; it names the file.
    """
    try:
        yield
    except CheckpointError as error:
        if str(path) in str(error):
            raise
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:
        if tells_of_memory(error):
            raise CheckpointError(too_large(path)) from error
        reason = " ".join([type(error).__name__, *str(error).splitlines()[:1]])
        if isinstance(error, KeyError):  # of the tensors
            reason = " ".join([*map(str, error.args), "is missing"])
        raise CheckpointError(
            f"Expected weights of a supported network in {path}, but they cannot be "
            f"used ({reason}). Choose another file."
        ) from error


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


def _complete_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published SAM-Adapter's short keys and add what it lacks."""
    # the file has no embeddings for points, boxes and masks: they become zero, so
    # that a click is known by its position alone
    renamed = {PUBLISHED_RENAMES.get(key, key): value for key, value in state.items()}
    mask_branch = {"prompt_encoder.mask_downscaling.3.weight": (16, 4, 2, 2)}
    shape = infer_shape(sizes_of(renamed) | mask_branch)
    expected = empty_sam(shape).prompt_encoder.state_dict()
    for key, value in expected.items():
        full = f"prompt_encoder.{key}"
        renamed.setdefault(full, torch.zeros(value.shape))
    return renamed


def load_strictly(
    module: nn.Module, state: dict[str, Tensor], path: Path, prefix: str = ""
) -> None:
    """Give a module its tensors, for inference.

    Parameters
    ----------
    module : nn.Module
        The module; its parameters will need no gradients.
    state : dict of str to Tensor
        Exactly its tensors; used without a copy.
    path : Path
        The file they come from.
    prefix : str
        What comes before the keys in the file, for messages.

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
                f"{path} {problem} {prefix}{keys[0]}{more}. "
                "Choose a checkpoint of a supported network with all its tensors and "
                "no others."
            )
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(False)
