"""A transformer block of the image encoder on a CUDA GPU, without gradients.

The same numbers as `Block` up to rounding. What is copied is in the number format of
the products, and in wide pieces; attention makes no matrix of queries times keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam_adapter.model.encoder.folded_positions import Tables, attend_folded
from napari_sam_adapter.model.wide_copies import join_wide, split_wide

if TYPE_CHECKING:
    from napari_sam_adapter.model.encoder.image_encoder import Block


def can_run_on_gpu(block: Block, x: Tensor) -> bool:
    """Tell whether `run_on_gpu` may stand for the block.

    Parameters
    ----------
    block : Block
        With linear layers of any kind.
    x : (B, h, w, D) tensor
        Its input.

    Returns
    -------
    bool
        True for relative positions on a CUDA device in inference mode. On a CPU
        `run_block` does it.
    """
    has_positions = block.attn.side is not None
    return has_positions and x.is_cuda and torch.is_inference_mode_enabled()


def run_on_gpu(block: Block, x: Tensor) -> Tensor:
    """Do what `block` does.

    Parameters
    ----------
    block : Block
        The layers.
    x : (B, h, w, D) tensor
        Tokens in float32. Under autocast, products are made in its number format; sums
        and norms stay in float32.

    Returns
    -------
    (B, h, w, D) tensor
        A new one.
    """
    normed = _as_multiplied(block.norm1(x))
    if block.window:
        windows = split_wide(normed, block.window)
        attended = join_wide(_attend(block, windows), block.window, normed)
    else:
        attended = _attend(block, normed)
    x = x + attended
    out: Tensor = x + block.mlp(block.norm2(x))
    return out


def _as_multiplied(x: Tensor) -> Tensor:
    """Turn to what autocast multiplies in: half as many bytes to copy."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        return x.to(torch.get_autocast_dtype(kind))
    return x


def _attend(block: Block, x: Tensor) -> Tensor:
    """Attend within (B, h, w, D)."""
    attention = block.attn
    qkv = attention.qkv(x).reshape(*x.shape[:3], 3, attention.heads, -1)
    tables = Tables(attention.rel_pos_h, attention.rel_pos_w)
    attended: Tensor = attention.proj(attend_folded(qkv, tables))
    return attended
