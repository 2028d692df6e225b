"""Our own adapter files: what adapter training changes, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.lora import is_lora, load_lora, lora_state
from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder
from napari_sam_adapter.model.families.preparation import SAM_ADAPTER, Family, sibling
from napari_sam_adapter.model.files.adapter_header import AdapterHeader, AdapterNotes
from napari_sam_adapter.model.files.checkpoints import (
    Checkpoint,
    bottleneck_of,
    load_strictly,
    reading,
)
from napari_sam_adapter.model.files.empty_networks import without_memory
from napari_sam_adapter.model.files.layouts import as_float32, check_numbers
from napari_sam_adapter.model.files.weight_files import read_weights, write_weights
from napari_sam_adapter.model.sam import Sam
from napari_sam_adapter.model.sharing import shared_copy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.model.adapters.task_information import ImageFilter

_PREFIX, _DECODER = "adapter.", "mask_decoder."
_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_NO_MASK = "prompt_encoder.no_mask_embed.weight"


def save_adapter(
    adapter: SamAdapter | None,
    sam: Sam,
    path: Path,
    base: str,
    base_sha256: str,
    notes: AdapterNotes | None = None,
    half: bool = False,
) -> None:
    """Save what adapter training changes: adapter, LoRA, decoder, no-mask embedding.

    Parameters
    ----------
    adapter : SamAdapter or None
        The trained adapter; None for LoRA or the decoder alone.
    sam : Sam
        The network it was trained with; of its encoder only LoRA is saved.
    path : Path
        The safetensors file.
    base : str
        Name of the base model.
    base_sha256 : str
        Hash of the base model's file; loading refuses another base.
    notes : AdapterNotes or None
        Intensity mapping, configuration, data, metrics and licence.
    half : bool
        Whether to save in half precision.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind.
    """
    state = {} if adapter is None else adapter.state_dict()
    tensors = {_PREFIX + key: value for key, value in state.items()}
    tensors |= lora_state(sam) | _tuned_state(sam)
    if half:
        tensors = {key: tensor.half() for key, tensor in tensors.items()}
    header = AdapterHeader.of(adapter, base, base_sha256, notes or AdapterNotes())
    write_weights(path, tensors, header.to_text())


def check_adapter(
    content: Mapping[str, Tensor], text: Mapping[str, str], path: Path
) -> AdapterHeader:
    """Raise unless a file has what an adapter for any base needs.

    Parameters
    ----------
    content : mapping of str to Tensor
        The tensors of the file.
    text : mapping of str to str
        Its header.
    path : Path
        For messages.

    Returns
    -------
    AdapterHeader
        What the file says of itself.

    Raises
    ------
    CheckpointError
        If the header is malformed, or numbers are missing or not finite.
    """
    header = AdapterHeader.from_text(text, path)
    with reading(path):
        check_numbers(content, path)
    for part in (_PREFIX, _DECODER) if header.sources else (_DECODER,):
        if not any(key.startswith(part) for key in content):
            raise CheckpointError(
                f"Expected an adapter at {path}, but it has no tensor of "
                f"{part.rstrip('.')!r}. Copy the file again or choose another adapter."
            )
    return header


def load_adapter(
    path: Path,
    base: Checkpoint,
    base_name: str,
    functions: Mapping[str, ImageFilter] | None = None,
) -> Checkpoint:
    """Put a saved adapter on a base model.

    Parameters
    ----------
    path : Path
        File of `save_adapter`.
    base : Checkpoint
        The base. All it has is shared and nothing of it is changed, so that any number
        of adapters can be used on one base at once.
    base_name : str
        How messages call the base.
    functions : mapping of str to callable, optional
        Sources of task information that are not built in, by name.

    Returns
    -------
    Checkpoint
        With the adapter, and the decoder that was trained with it.

    Raises
    ------
    CheckpointError
        If the file is no adapter, was made for another base or for images that the
        base cannot take, or needs a function that is not given.
    """
    content, text = read_weights(path)
    header = check_adapter(content, text, path)
    if header.base_sha256 != base.sha256:
        raise CheckpointError(
            f"Adapter {path} was trained for the model {header.base!r}, but the "
            f"loaded model is {base_name!r} or another version of it. Load that model "
            "or choose another adapter."
        )
    with reading(path):
        tuned = {key: as_float32(tensor) for key, tensor in content.items()}
        parts = {key: tuned.pop(key) for key in content if key.startswith(_PREFIX)}
        additions = {key: tuned.pop(key) for key in list(tuned) if is_lora(key)}
        is_vit = isinstance(base.sam.image_encoder, ImageEncoder)
        if (parts or additions) and not is_vit:
            raise CheckpointError(
                f"Expected a model with SAM's ViT encoder, because {path} is for one, "
                f"got {base_name!r}. Choose another model, or no adapter."
            )
        adapter = _adapter_like(parts, base.sam, header, path, functions)
        sam = load_lora(base.sam, additions) if additions else base.sam
        sam = _with_tuned(sam, tuned, path)
    return replace(
        base,
        sam=sam,
        adapter=adapter or base.adapter,
        family=_family_of(header, base.family, path),
        note=f"{base.note} {_note_on(header, path)}".strip(),
        intensity=_window_of(header),
        learned_from=header.notes.learned_from,
    )


def _note_on(header: AdapterHeader, path: Path) -> str:
    if not header.notes.has_learned_nothing:
        return ""
    return (
        f"{path.name} has learned nothing in its training, which was stopped too early "
        "or found nothing better: it is as before the first step."
    )


def _window_of(header: AdapterHeader) -> IntensityMapping | None:
    """Return the window to see other images through, if they do not have their own."""
    intensity = header.notes.intensity
    return intensity if intensity is not None and intensity.suits_others else None


def _family_of(header: AdapterHeader, base: Family, path: Path) -> Family:
    """Return how images and prompts are wanted once the adapter is in."""
    asked = header.notes.preprocessing or base.name
    trained = base if asked == base.name else sibling(base, asked)
    if trained is None:
        raise CheckpointError(
            f"Expected {path} to be trained on images prepared for {base.name!r} like "
            f"those of its base, got {asked!r}. Choose another adapter."
        )
    base = trained
    family = SAM_ADAPTER if header.published_order else base
    # the base's embeddings of points and masks stay in use
    trusted = header.notes.score_is_trusted
    capabilities = replace(base.capabilities, score_is_trusted=trusted)
    family = replace(family, capabilities=capabilities)
    share = header.notes.training.get("prompted_share")
    if isinstance(share, int | float):
        family = replace(family, marks_objects=share < 1)
    if not trusted and family.answers == "by_ambiguity":
        # the masks for ambiguous prompts were not trained along either
        family = replace(family, answers="first")
    return family


def _adapter_like(
    parts: dict[str, Tensor],
    sam: Sam,
    header: AdapterHeader,
    path: Path,
    functions: Mapping[str, ImageFilter] | None,
) -> SamAdapter | None:
    if not parts and not header.sources:
        return None
    state = {key.removeprefix(_PREFIX): value for key, value in parts.items()}
    learned = header.learned_weights
    fixed = {} if learned != "none" else cast("dict[str, float]", header.weights)
    with without_memory():
        adapter = SamAdapter(
            sam.image_encoder.pos_embed.shape[-1],
            len(sam.image_encoder.blocks),
            bottleneck_of(state),
            fixed,
            sam.prompt_encoder.patch,
            header.published_order,
            sources=header.sources,
            functions=functions,
            learned_weights=learned,
        )
    load_strictly(adapter, state, path, _PREFIX)
    return adapter.eval()


def _with_tuned(sam: Sam, tuned: dict[str, Tensor], path: Path) -> Sam:
    """Return a network that shares what was not tuned and owns what was."""
    own = Sam(
        sam.image_encoder,
        shared_copy(sam.prompt_encoder),
        shared_copy(sam.mask_decoder),
    )
    expected = set(_tuned_state(sam))
    missing, unknown = sorted(expected - set(tuned)), sorted(set(tuned) - expected)
    if missing or unknown:
        problem = f"lacks {missing[0]}" if missing else f"has unknown {unknown[0]}"
        raise CheckpointError(
            f"Adapter {path} {problem}. Copy the file again, or choose another one."
        )
    for part in ("prompt_encoder", "mask_decoder"):
        module = own.get_submodule(part)
        named = {k.removeprefix(f"{part}."): tuned[k] for k in tuned if part in k}
        load_strictly(module, module.state_dict() | named, path, f"{part}.")
    return own.eval()


def _tuned_state(sam: Sam) -> dict[str, Tensor]:
    return {
        key: value
        for key, value in sam.state_dict().items()
        if key.startswith(_DECODER) or key in (_NO_MASK, _POSITIONS)
    }
