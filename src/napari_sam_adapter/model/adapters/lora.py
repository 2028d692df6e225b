"""Low-rank changes of the encoder's attention, which can be merged into it.

References
----------
Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, 2021, section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.agreement import most_common
from napari_sam_adapter.model.encoder.image_encoder import Attention, ImageEncoder
from napari_sam_adapter.model.sam import Sam
from napari_sam_adapter.model.sharing import shared_copy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PARTS = ("q_down", "q_up", "v_down", "v_up")


class LoraLinear(nn.Module):
    """The layer that makes queries, keys and values, with low-rank additions.

    Queries become ``(W_q + B_q A_q) x``, values alike; keys stay as they are.

    Parameters
    ----------
    layer : nn.Linear
        From width to three times width; its tensors are shared, not copied.
    rank : int
        Rows of A and columns of B.

    Notes
    -----
    A starts at random and B at zero, so that a fresh layer changes nothing. Keys of
    the layer's own tensors stay the published ones.
    """

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        width, like = layer.in_features, layer.weight.detach()
        for part in ("q", "v"):
            down = torch.randn_like(like[:rank]) / width**0.5
            self.register_parameter(f"{part}_down", nn.Parameter(down))
            up = like.new_zeros(width, rank)
            self.register_parameter(f"{part}_up", nn.Parameter(up))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., 3 D)."""
        q, k, v = F.linear(x, self.weight, self.bias).chunk(3, dim=-1)
        return torch.cat(
            [q + self._addition(x, "q"), k, v + self._addition(x, "v")], -1
        )

    def merged(self) -> nn.Linear:
        """Return a plain layer of the same effect, with a weight of its own."""
        out, width = self.weight.shape
        plain = nn.Linear(width, out)
        q, k, v = self.weight.detach().double().chunk(3)
        changed = torch.cat([q + self._product("q"), k, v + self._product("v")])
        changed = changed.to(self.weight.dtype)
        plain.weight = nn.Parameter(changed, self.weight.requires_grad)
        plain.bias = self.bias
        return plain

    def _addition(self, x: Tensor, part: str) -> Tensor:
        down, up = (self.get_parameter(f"{part}_{end}") for end in ("down", "up"))
        return F.linear(F.linear(x, down), up)

    def _product(self, part: str) -> Tensor:
        down, up = (self.get_parameter(f"{part}_{end}") for end in ("down", "up"))
        return up.detach().double() @ down.detach().double()


def add_lora(sam: Sam, rank: int = 4) -> Sam:
    """Return a network with low-rank additions to queries and values.

    Parameters
    ----------
    sam : Sam
        The base, which is not changed.
    rank : int
        Rank of each addition, at least 1 and below the encoder's width.

    Returns
    -------
    Sam
        Shares every tensor of the base, with its `requires_grad`; the additions need
        gradients. Gives the same results until they are trained.

    Raises
    ------
    CheckpointError
        If the rank is out of range or the encoder is no ViT of SAM's kind.
    """
    encoder = _encoder_to_wrap(sam)
    width = encoder.pos_embed.shape[-1]
    if not 1 <= rank < width:
        raise CheckpointError(
            f"Expected a rank from 1 to {width - 1}, got {rank}. 4 is a good start."
        )
    for attention in _attentions(encoder):
        attention.add_module("qkv", LoraLinear(attention.qkv, rank))
    wrapped = Sam(encoder, sam.prompt_encoder, sam.mask_decoder)
    return wrapped.train(sam.training)


def lora_state(sam: Sam) -> dict[str, Tensor]:
    """Return the tensors of the additions.

    Parameters
    ----------
    sam : Sam
        A result of `add_lora`, or any network.

    Returns
    -------
    dict of str to Tensor
        By key of the network's state dict; empty without additions.
    """
    return {key: value for key, value in sam.state_dict().items() if is_lora(key)}


def is_lora(key: str) -> bool:
    """Tell whether a key of a state dict names a tensor of the additions."""
    return key.rpartition(".")[2] in _PARTS


def load_lora(sam: Sam, state: Mapping[str, Tensor]) -> Sam:
    """Put saved additions on a base.

    Parameters
    ----------
    sam : Sam
        The base, which is not changed.
    state : mapping of str to Tensor
        What `lora_state` gave.

    Returns
    -------
    Sam
        As of `add_lora`; the additions are used without a copy and need no gradients.

    Raises
    ------
    CheckpointError
        If they do not fit the base.
    """
    ranks = [v.shape[0] for k, v in state.items() if k.endswith("_down") and v.ndim]
    if not ranks:
        raise CheckpointError(
            "Expected low-rank additions of one rank, got none. Choose another adapter "
            "file."
        )
    wrapped = add_lora(sam, most_common(ranks))
    expected = {k: tuple(v.shape) for k, v in lora_state(wrapped).items()}
    found = {k: tuple(v.shape) for k, v in state.items()}
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            raise CheckpointError(
                f"Expected low-rank additions to this model's attention, {key} of the "
                f"shape {expected.get(key)}, got {found.get(key)}. Choose an adapter "
                "that was trained for this model."
            )
    wrapped.load_state_dict(dict(state), strict=False, assign=True)
    for key in state:
        wrapped.get_parameter(key).requires_grad_(False)
    return wrapped


def merge_lora(sam: Sam) -> Sam:
    """Return a plain network of the same effect.

    Parameters
    ----------
    sam : Sam
        A result of `add_lora`, trained or not; it is not changed.

    Returns
    -------
    Sam
        With SAM's published tensors only. Attention weights are its own, everything
        else is shared. Equal up to float rounding.
    """
    encoder = shared_copy(sam.image_encoder)
    for attention in _attentions(encoder):
        if isinstance(attention.qkv, LoraLinear):
            attention.add_module("qkv", attention.qkv.merged())
    merged = Sam(encoder, sam.prompt_encoder, sam.mask_decoder)
    return merged.train(sam.training)


def _encoder_to_wrap(sam: Sam) -> ImageEncoder:
    encoder = sam.image_encoder
    if not isinstance(encoder, ImageEncoder):
        raise CheckpointError(
            "Expected a SAM with a ViT encoder for LoRA, got "
            f"{type(encoder).__name__}. Choose tiny, vit_b, vit_l or vit_h."
        )
    if lora_state(sam):
        raise CheckpointError(
            "Expected a model without LoRA, got one that has it. Merge it first."
        )
    return shared_copy(encoder)


def _attentions(encoder: ImageEncoder) -> Iterator[Attention]:
    return (m for m in encoder.modules() if isinstance(m, Attention))
