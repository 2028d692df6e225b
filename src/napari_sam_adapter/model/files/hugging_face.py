"""The tensors of transformers' SamModel under SAM's published names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_ENCODER = {
    r"layers\.(\d+)\.layer_norm": r"blocks.\1.norm",
    r"layers\.": "blocks.",
    r"patch_embed\.projection\.": "patch_embed.proj.",
    r"neck\.conv1\.": "neck.0.",
    r"neck\.layer_norm1\.": "neck.1.",
    r"neck\.conv2\.": "neck.2.",
    r"neck\.layer_norm2\.": "neck.3.",
}
_PROMPTS = {
    r"mask_embed\.conv1\.": "mask_downscaling.0.",
    r"mask_embed\.layer_norm1\.": "mask_downscaling.1.",
    r"mask_embed\.conv2\.": "mask_downscaling.3.",
    r"mask_embed\.layer_norm2\.": "mask_downscaling.4.",
    r"mask_embed\.conv3\.": "mask_downscaling.6.",
    r"point_embed\.": "point_embeddings.",
}
_HEAD = r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\."
_DECODER = {
    r"upscale_conv1\.": "output_upscaling.0.",
    r"upscale_layer_norm\.": "output_upscaling.1.",
    r"upscale_conv2\.": "output_upscaling.3.",
    _HEAD + r"proj_in\.": r"\1.layers.0.",
    _HEAD + r"layers\.0\.": r"\1.layers.1.",
    _HEAD + r"proj_out\.": r"\1.layers.2.",
    r"(transformer\.(?:.*\.)?)layer_norm": r"\1norm",
}
_PARTS = {
    "vision_encoder.": ("image_encoder.", _ENCODER),
    "prompt_encoder.": ("prompt_encoder.", _PROMPTS),
    "mask_decoder.": ("mask_decoder.", _DECODER),
}
_SHARED = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)


def from_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a SamModel.

    Parameters
    ----------
    state : dict of str to Tensor
        Its state dict; the positional matrix may be in it once or twice.

    Returns
    -------
    dict of str to Tensor
        The same tensors; names that SamModel does not have stay as they are.

    Notes
    -----
    The two-way transformer keeps SAM's LayerNorm epsilon, 1e-5, with which the weights
    were trained; transformers uses 1e-6 there, which moves logits by some 1e-4.
    """
    return {_renamed(key): tensor for key, tensor in state.items()}


def _renamed(key: str) -> str:
    if key in _SHARED:
        return _POSITIONS
    for prefix, (new_prefix, rules) in _PARTS.items():
        if key.startswith(prefix):
            rest = key.removeprefix(prefix)
            return new_prefix + _first_match(rest, rules)
    return key


def _first_match(name: str, rules: dict[str, str]) -> str:
    for pattern, new in rules.items():
        changed, count = re.subn(f"^{pattern}", new, name)
        if count:
            return changed
    return name
