"""SAM's mask decoder: embeddings to masks and predicted quality.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix A.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.decoder.mask_quality import MaskQuality
from napari_sam_adapter.model.decoder.two_way_transformer import (
    TwoWayBlock,
    TwoWayTransformer,
)
from napari_sam_adapter.model.fast_convolution import with_convolved
from napari_sam_adapter.model.layers import ConvBlock, LayerNorm2d
from napari_sam_adapter.model.prompt_maps import MAP_CHANNELS

if TYPE_CHECKING:
    from napari_sam_adapter.model.spare import Spare

HEADS = 8
"""Of the attention between tokens and image."""


class HeadMLP(nn.Module):
    """A ReLU MLP for the hyper-networks and the quality head.

    Parameters
    ----------
    widths : ints
        Width of the input, of each hidden layer and of the output.
    """

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(a, b) for a, b in itertools.pairwise(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., widths[0]) to (..., widths[-1])."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        out: Tensor = last(x)
        return out


class MapRefiner(nn.Module):
    """Convolutions that bring drawn prompts into the upscaling.

    Parameters
    ----------
    coarse, fine : int
        Channels at stride 8 and at stride 4.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.maps8 = nn.Conv2d(MAP_CHANNELS, coarse, 4, stride=2, padding=1)
        self.block8 = ConvBlock(coarse)
        self.maps4 = nn.Conv2d(MAP_CHANNELS, fine, 3, padding=1)
        self.block4 = ConvBlock(fine)

    def coarse(self, x: Tensor, maps: Tensor, spare: Spare | None = None) -> Tensor:
        """Refine (N, C, 2h, 2w), which may be overwritten, by maps (N, 8, 4h, 4w)."""
        x = with_convolved(x, self.maps8, maps)
        refined: Tensor = self.block8(x, is_cut=True, spare=spare)
        return refined

    def fine(self, x: Tensor, maps: Tensor, spare: Spare | None = None) -> Tensor:
        """Refine (N, C, 4h, 4w), which may be overwritten, by maps (N, 8, 4h, 4w)."""
        x = with_convolved(x, self.maps4, maps)
        refined: Tensor = self.block4(x, is_cut=True, spare=spare)
        return refined


class MaskDecoder(nn.Module):
    """Four masks for each prompt: one for clear prompts, three for ambiguous ones.

    Parameters
    ----------
    width : int
        Width of image and prompt embeddings.
    mlp_width : int
        MLP width of the transformer.
    masks : int
        Number of mask tokens.
    takes_maps : bool
        Whether drawn prompts join the upscaling, as in the small model.
    judges_masks : bool
        Whether masks are judged by what they look like, too, as in the small model.
    """

    def __init__(
        self,
        width: int = 256,
        mlp_width: int = 2048,
        masks: int = 4,
        takes_maps: bool = False,
        judges_masks: bool = False,
    ) -> None:
        super().__init__()
        blocks = [TwoWayBlock(width, HEADS, mlp_width, i == 0) for i in range(2)]
        self.transformer = TwoWayTransformer(blocks, width, HEADS)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(masks, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            HeadMLP(width, width, width, width // 8) for _ in range(masks)
        )
        self.iou_prediction_head = HeadMLP(width, width, width, masks)
        self.refiner = MapRefiner(width // 4, width // 8) if takes_maps else None
        self.quality = MaskQuality(masks) if judges_masks else None

    def forward(
        self,
        image_embedding: Tensor,
        image_pe: Tensor,
        sparse: Tensor,
        dense: Tensor,
        skips: tuple[Tensor, ...] = (),
        maps: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Decode all masks for N prompts.

        Parameters
        ----------
        image_embedding : (B, C, h, w) tensor
            Embeddings of B images; N must be a multiple of B, prompts of one image
            stand together.
        image_pe : (1, C, h, w) tensor
            Positions of the grid.
        sparse : (N, T, C) tensor
            Point and box tokens.
        dense : (N, C, h, w) tensor
            Embedded mask prompts.
        skips : tuple of tensors
            Finer maps of the small model's encoder; may be empty.
        maps : (N, 8, 4h, 4w) tensor or None
            Drawn prompts of the small model.

        Returns
        -------
        masks : (N, M, 4h, 4w) tensor
            Logits; mask 0 serves clear prompts, the others ambiguous ones.
        scores : (N, M) tensor
            Predicted IoU of each mask, of which `Sam.judged` makes the final one.
        """
        count, h, w = sparse.shape[0], *image_embedding.shape[-2:]
        per_image = count // image_embedding.shape[0]
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([output.expand(count, -1, -1), sparse], dim=1)
        image = _per_prompt(image_embedding, per_image) + dense
        tokens, keys = self.transformer(image, image_pe, tokens)
        image = keys.transpose(1, 2).reshape(count, -1, h, w)
        skips = tuple(_per_prompt(s, per_image) for s in skips)
        upscaled = self._upscale(image, skips, maps)
        scores: Tensor = self.iou_prediction_head(tokens[:, 0])
        return self._apply_hypernetworks(tokens, upscaled), scores

    def _upscale(
        self, image: Tensor, skips: tuple[Tensor, ...], maps: Tensor | None
    ) -> Tensor:
        first, norm, gelu, second, _ = self.output_upscaling
        x = norm(first(image))
        if self.refiner is None or maps is None:
            upscaled: Tensor = gelu(second(gelu(x)))
            return upscaled
        coarse, fine = skips
        x = self.refiner.coarse(gelu(x + coarse), maps)
        return self.refiner.fine(gelu(second(x) + fine), maps)

    def _apply_hypernetworks(self, tokens: Tensor, upscaled: Tensor) -> Tensor:
        weights = [
            mlp(tokens[:, 1 + i])
            for i, mlp in enumerate(self.output_hypernetworks_mlps)
        ]
        return torch.einsum("nmc,nchw->nmhw", torch.stack(weights, dim=1), upscaled)


def _per_prompt(x: Tensor, per_image: int) -> Tensor:
    return x if per_image == 1 else x.repeat_interleave(per_image, dim=0)
