"""SAM's two-way transformer between prompt tokens and image tokens.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix A, figure 14.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.layers import MLPBlock
from napari_sam_adapter.model.products import projected

if TYPE_CHECKING:
    from collections.abc import Sequence


class DownsampledAttention(nn.Module):
    """Attention whose inner width is a fraction of the outer one.

    Parameters
    ----------
    width, heads : int
        Outer width and number of heads.
    downsample : int
        Outer width divided by inner width.
    """

    def __init__(self, width: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        inner = width // downsample
        self.heads = heads
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    @property
    def is_cross(self) -> bool:
        """Whether this attends between tokens and image, at reduced width."""
        return self.q_proj.out_features < self.q_proj.in_features

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from (B, T, C) queries to (B, S, C) keys and values."""
        q, k, v = (
            self._split(projected(layer, x))
            for layer, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        )
        out = F.scaled_dot_product_attention(q, k, v)
        return projected(self.out_proj, out.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP, image to tokens.

    Parameters
    ----------
    width, heads, hidden : int
        Width, heads, MLP width.
    is_first : bool
        The first block has no positions and no residual in its self-attention.
    """

    def __init__(self, width: int, heads: int, hidden: int, is_first: bool) -> None:
        super().__init__()
        self.self_attn = DownsampledAttention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = DownsampledAttention(width, heads, 2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLPBlock(width, hidden, nn.ReLU)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = DownsampledAttention(width, heads, 2)
        self.is_first = is_first

    def forward(
        self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (N, T, C) and image tokens (N, S, C)."""
        tokens = self.look_at_each_other(tokens, token_pe)
        placed_image = image + image_pe
        attended = self.cross_attn_token_to_image(
            tokens + token_pe, placed_image, image
        )
        tokens = self.norm2(tokens + attended)
        tokens = self.norm3(tokens + self.mlp(tokens))
        attended = self.cross_attn_image_to_token(
            placed_image, tokens + token_pe, tokens
        )
        return tokens, self.norm4(image + attended)

    def look_at_each_other(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        """Let tokens (N, T, C) attend to one another."""
        if self.is_first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + self.self_attn(placed, placed, tokens)
        looked: Tensor = self.norm1(tokens)
        return looked


class TwoWayTransformer(nn.Module):
    """Layers one after the other and a last look from tokens to image.

    Parameters
    ----------
    layers : sequence of nn.Module
        `TwoWayBlock`, or others with its inputs and outputs.
    width, heads : int
        Of the last look.
    """

    def __init__(self, layers: Sequence[nn.Module], width: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.final_attn_token_to_image = DownsampledAttention(width, heads, 2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(
        self, image: Tensor, image_pe: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let tokens and image exchange information.

        Parameters
        ----------
        image : (N, C, h, w) tensor
            Image embedding plus dense prompt.
        image_pe : (1, C, h, w) tensor
            Positions of the grid.
        tokens : (N, T, C) tensor
            Output tokens and sparse prompts; also their own positions.

        Returns
        -------
        tokens : (N, T, C) tensor
            Updated tokens.
        image : (N, h * w, C) tensor
            Updated image tokens.
        """
        keys = image.flatten(2).transpose(1, 2)
        key_pe = image_pe.flatten(2).transpose(1, 2)
        queries = tokens
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, key_pe)
        attended = self.final_attn_token_to_image(queries + tokens, keys + key_pe, keys)
        return self.norm_final_attn(queries + attended), keys
