"""SAM's ViT image encoder.

References
----------
Kirillov et al., *Segment Anything*, 2023, section 3 and appendix A.
Li et al., *Exploring Plain Vision Transformer Backbones for Object Detection*, 2022,
for windows and decomposed relative positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.encoder.conv_stem import ConvStem, FinerMaps
from napari_sam_adapter.model.encoder.fast_block import can_run_fast, run_block
from napari_sam_adapter.model.encoder.gpu_block import can_run_on_gpu, run_on_gpu
from napari_sam_adapter.model.encoder.relative_positions import relative_positions
from napari_sam_adapter.model.layers import (
    ENCODER_EPS,
    MLPBlock,
    Window,
    make_neck,
)
from napari_sam_adapter.model.steady import steady_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam_adapter.model.shape import SamShape


class EncodedImage(NamedTuple):
    """What the encoder gives.

    Attributes
    ----------
    embedding : (B, 256, h, w) tensor
        The image embedding.
    skips : tuple of tensors
        Finer maps for the mask decoder, (B, 64, 2h, 2w) and (B, 32, 4h, 4w); empty
        for the published networks.
    sides : tuple of tensors
        The stem's maps at strides 8 and 4 that the finer maps were made of, or empty.
    """

    embedding: Tensor
    skips: tuple[Tensor, ...] = ()
    sides: tuple[Tensor, ...] = ()


class Started(NamedTuple):
    """What the transformer blocks of the encoder begin with.

    Attributes
    ----------
    tokens : (B, h, w, D) tensor
        With positions.
    sides : tuple of tensors
        The stem's maps at strides 8 and 4, or empty.
    prompts : iterable of (B, h, w, bottleneck) tensors
        Of an adapter, one for each block; empty without.
    """

    tokens: Tensor
    sides: tuple[Tensor, ...] = ()
    prompts: Iterable[Tensor] = ()


class PatchEmbed(nn.Module):
    """One convolution from pixels to tokens.

    Parameters
    ----------
    width : int
        Channels of a token.
    patch : int
        Side of a patch in pixels.
    """

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Turn (B, 3, H, W) into tokens (B, h, w, D) and no skips."""
        if image.is_cuda:
            return project_patches(self.proj, image), ()
        if image.device.type == "cpu" and torch.is_inference_mode_enabled():
            # channels last, so that the tokens are whole in memory
            image = image.contiguous(memory_format=torch.channels_last)
        return self.proj(image).permute(0, 2, 3, 1), ()


def project_patches(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """Convolve by one matrix product, which GPUs do much faster.

    Parameters
    ----------
    layer : nn.Conv2d
        Its patches do not overlap.
    image : (B, 3, H, W) tensor
        The network input.

    Returns
    -------
    (B, h, w, D) tensor
        Channels last.
    """
    (rows, columns), batch = layer.kernel_size, len(image)
    patches = image.unfold(2, rows, rows).unfold(3, columns, columns)
    patches = patches.permute(0, 2, 3, 1, 4, 5)  # (B, h, w, 3, rows, columns)
    h, w = patches.shape[1:3]
    flat = patches.reshape(batch, h, w, -1)
    return F.linear(flat, layer.weight.flatten(1), layer.bias)


class Attention(nn.Module):
    """Multi-head self-attention of a token map, with decomposed relative positions.

    Parameters
    ----------
    width, heads : int
        Token width and number of heads.
    side : int or None
        Side of the token map that the relative-position tables serve; None for none.
    """

    def __init__(self, width: int, heads: int, side: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.side = side
        if side is not None:
            table = (2 * side - 1, width // heads)
            self.rel_pos_h = nn.Parameter(torch.zeros(table))
            self.rel_pos_w = nn.Parameter(torch.zeros(table))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within (B, h, w, D)."""
        batch, h, w, width = x.shape
        qkv = self.qkv(x).reshape(batch, h * w, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, h*w, d)
        if self.side is None:
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            out = self._attend_with_positions(q, k, v, (h, w))
        out = out.transpose(1, 2).reshape(batch, h, w, width)
        projected: Tensor = self.proj(out)
        return projected

    def _attend_with_positions(
        self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Attend head by head, so that one bias matrix is alive at a time."""
        h, w = size
        table_h = relative_positions(self.rel_pos_h, h)  # (h, h, d)
        table_w = relative_positions(self.rel_pos_w, w)  # (w, w, d)
        heads = []
        for i in range(self.heads):
            grid = q[:, i].reshape(-1, h, w, q.shape[-1])
            rel_h = torch.einsum("bhwc,hkc->bhwk", grid, table_h)
            rel_w = torch.einsum("bhwc,wkc->bhwk", grid, table_w)
            bias = rel_h[..., :, None] + rel_w[..., None, :]
            bias = bias.reshape(-1, h * w, h * w)
            heads.append(
                F.scaled_dot_product_attention(q[:, i], k[:, i], v[:, i], bias)
            )
        return torch.stack(heads, dim=1)


class Block(nn.Module):
    """Transformer block, global or in windows.

    Parameters
    ----------
    width, heads, hidden : int
        Token width, heads and MLP width.
    window : int
        Side of a window in tokens; 0 attends over the whole map.
    side : int or None
        See `Attention`.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, window: int, side: int | None
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=ENCODER_EPS)
        self.attn = Attention(width, heads, side)
        self.norm2 = nn.LayerNorm(width, eps=ENCODER_EPS)
        self.mlp = MLPBlock(width, hidden)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, h, w, D) to the same shape."""
        if can_run_fast(self, x):
            return run_block(self, x)
        if can_run_on_gpu(self, x):
            return run_on_gpu(self, x)
        normed = self.norm1(x)
        if self.window:
            windows = split_windows(normed, self.window)
            attended = join_windows(self.attn(windows), self.window, normed.shape)
        else:
            attended = self.attn(normed)
        x = x + attended
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def split_windows(x: Tensor, window: int) -> Tensor:
    """Cut (B, h, w, D) into windows, padded with zeros right and below.

    Parameters
    ----------
    x : (B, h, w, D) tensor
        Token map.
    window : int
        Side of a window.

    Returns
    -------
    (B * windows, window, window, D) tensor
        Padding is not masked in the attention: SAM lets it take part.
    """
    batch, h, w, width = x.shape
    x = F.pad(x, (0, 0, 0, -w % window, 0, -h % window))
    rows, columns = x.shape[1] // window, x.shape[2] // window
    x = x.reshape(batch, rows, window, columns, window, width)
    return x.transpose(2, 3).reshape(-1, window, window, width)


def join_windows(windows: Tensor, window: int, shape: Sequence[int]) -> Tensor:
    """Undo `split_windows`.

    Parameters
    ----------
    windows : (B * windows, window, window, D) tensor
        Windows in the order of `split_windows`.
    window : int
        Side of a window.
    shape : (B, h, w, D)
        Shape before the cut.

    Returns
    -------
    (B, h, w, D) tensor
        The map without padding.
    """
    batch, h, w, width = shape
    rows, columns = -(-h // window), -(-w // window)
    x = windows.reshape(batch, rows, columns, window, window, width)
    x = x.transpose(2, 3).reshape(batch, rows * window, columns * window, width)
    return x[:, :h, :w]


class ImageEncoder(nn.Module):
    """SAM's image encoder; its shape says which.

    Parameters
    ----------
    shape : SamShape
        Sizes of the network.
    """

    def __init__(self, shape: SamShape) -> None:
        super().__init__()
        width, grid = shape.width, shape.grid
        self.patch_embed: PatchEmbed | ConvStem = (
            ConvStem(width) if shape.conv_stem else PatchEmbed(width, shape.patch)
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, width))
        self.blocks = nn.ModuleList(
            Block(width, shape.heads, shape.mlp_width, window, shape.table_side(window))
            for window in shape.windows
        )
        self.neck = make_neck(width)
        self.finer = FinerMaps() if shape.conv_stem else None

    def forward(self, image: Tensor, window: Window | None = None) -> EncodedImage:
        """Encode a normalised, padded image (B, 3, H, W), or a window of one."""
        return self.complete(self.start(image, window))

    def start(self, image: Tensor, window: Window | None = None) -> Started:
        """Do what comes before the blocks."""
        tokens, sides = self.patch_embed(image)
        return Started(self.add_position(tokens, window), sides)

    def complete(self, started: Started) -> EncodedImage:
        """Run the blocks and what comes after them; the part that takes long."""
        tokens = started.tokens
        for block in self.blocks:
            with steady_step(tokens.device):
                tokens = block(tokens)
        return self.finish(tokens, started.sides)

    def add_position(self, tokens: Tensor, window: Window | None = None) -> Tensor:
        """Add the position of each token to (B, h, w, D)."""
        position: Tensor = self.pos_embed
        if window is not None:
            rows, columns = window.tokens(window.size // tokens.shape[1])
            position = position[:, rows, columns]
        return tokens + position

    def finish(self, tokens: Tensor, sides: tuple[Tensor, ...]) -> EncodedImage:
        """Turn the last tokens (B, h, w, D) and the stem's maps into the result."""
        embedding: Tensor = self.neck(tokens.permute(0, 3, 1, 2))
        if self.finer is None:
            return EncodedImage(embedding)
        return EncodedImage(embedding, self.finer(embedding, sides), sides)
