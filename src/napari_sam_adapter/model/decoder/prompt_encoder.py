"""SAM's prompt encoder: points, boxes and masks to embeddings.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix A.
Tancik et al., *Fourier Features Let Networks Learn High Frequency Functions*, 2020.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.amp import is_autocast_available

from napari_sam_adapter.model.layers import LayerNorm2d, Window
from napari_sam_adapter.model.prompt_maps import MapEmbed, draw_maps
from napari_sam_adapter.model.prompt_tensors import PromptTensors

PADDING, BACKGROUND, FOREGROUND = -1, 0, 1
"""Labels of a point."""
TOP_LEFT, BOTTOM_RIGHT = 2, 3
"""The corners of a box, among the point embeddings."""


class PositionalEncoding(nn.Module):
    """Random Fourier features of positions in the unit square.

    Parameters
    ----------
    features : int
        Half of the encoding's width. The matrix is part of the weights.
    """

    def __init__(self, features: int = 128) -> None:
        super().__init__()
        self.positional_encoding_gaussian_matrix: Tensor
        self.register_buffer(
            "positional_encoding_gaussian_matrix",
            nn.init.normal_(torch.empty(2, features)),
        )

    def forward(self, positions_xy: Tensor) -> Tensor:
        """Encode (..., 2) positions in 0..1, x before y, as (..., 2 * features)."""
        matrix = self.positional_encoding_gaussian_matrix.float()
        with _in_full(matrix.device.type):
            angles = 2 * math.pi * ((2 * positions_xy.float() - 1) @ matrix)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def grid(self, h: int, w: int) -> Tensor:
        """Encode the centres of an h x w grid as (1, 2 * features, h, w)."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(h, device=device, dtype=torch.float32) + 0.5) / h
        x = (torch.arange(w, device=device, dtype=torch.float32) + 0.5) / w
        yy, xx = torch.meshgrid(y, x, indexing="ij")
        encoded: Tensor = self(torch.stack([xx, yy], dim=-1))
        return encoded.permute(2, 0, 1)[None]


def _in_full(device: str) -> AbstractContextManager[object]:
    """Leave half precision, in which positions would be other ones."""
    if is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


class EncodedPrompts(NamedTuple):
    """What the prompt encoder gives.

    Attributes
    ----------
    sparse : (N, T, 256) tensor
        One token per point, then two per box.
    dense : (N, 256, h, w) tensor
        To be added to the image embedding.
    maps : (N, 8, 4h, 4w) tensor or None
        The prompts drawn, for networks that use them.
    """

    sparse: Tensor
    dense: Tensor
    maps: Tensor | None


class PromptEncoder(nn.Module):
    """Points, boxes and low-resolution masks to sparse and dense embeddings.

    Parameters
    ----------
    image_size : int
        Side of the padded square image in pixels.
    grid : int
        Side of the token grid.
    width : int
        Width of an embedding.
    mask_channels : int
        Inner channels of the mask branch.
    draws_maps : bool
        Whether prompts are also drawn as maps, as for the small model.
    """

    def __init__(
        self,
        image_size: int,
        grid: int,
        width: int = 256,
        mask_channels: int = 16,
        draws_maps: bool = False,
    ) -> None:
        super().__init__()
        self.image_size, self.grid = image_size, grid
        self.pe_layer = PositionalEncoding(width // 2)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        quarter = mask_channels // 4
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, quarter, 2, stride=2),
            LayerNorm2d(quarter),
            nn.GELU(),
            nn.Conv2d(quarter, mask_channels, 2, stride=2),
            LayerNorm2d(mask_channels),
            nn.GELU(),
            nn.Conv2d(mask_channels, width, 1),
        )
        self.map_embed = MapEmbed(width) if draws_maps else None

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        batch: int = 1,
        window: Window | None = None,
        corners: Tensor | None = None,
    ) -> EncodedPrompts:
        """Embed the prompts of `batch` objects.

        Parameters
        ----------
        points : ((N, K, 2) float tensor, (N, K) int tensor) or None
            Positions (x, y) in pixels of the padded image, and labels: 1 foreground,
            0 background, -1 padding.
        boxes : (N, 4) float tensor or None
            Corners x, y, x, y in pixels of the padded image.
        masks : (N, 1, 4h, 4w) float tensor or None
            Logits of an earlier prediction.
        batch : int
            N, where there is no prompt to tell it.
        window : Window or None
            The part of the frame that coordinates refer to; None for all of it.
        corners : (N, 2) tensor or None
            First corner x, y of a part for each object, of the size of `window`; None
            if the window is that of all.

        Returns
        -------
        EncodedPrompts
            Of N objects.
        """
        asked = PromptTensors(points, boxes, masks)
        count = asked.count(batch)
        window = window or Window(0, 0, self.image_size)
        if corners is None:
            corner = window.left, window.top
            corners = self.no_mask_embed.weight.new_tensor([corner])
        sparse = [corners.new_zeros(count, 0, self.width)]
        if points is not None:
            points_xy, labels = points
            pad = boxes is None
            sparse.append(self._embed_points(points_xy + corners[:, None], labels, pad))
        if boxes is not None:
            sparse.append(self._embed_boxes(boxes + corners.repeat(1, 2)))
        dense, maps = self._embed_masks(masks, count, window), None
        if self.map_embed is not None:
            maps = draw_maps(asked, count, window, corners.device)
            if torch.is_inference_mode_enabled():  # faster convolutions on the CPU
                maps = maps.contiguous(memory_format=torch.channels_last)
            dense = self.map_embed(maps) + dense  # in the layout of the first
        return EncodedPrompts(torch.cat(sparse, dim=1), dense, maps)

    @property
    def width(self) -> int:
        """Width of an embedding."""
        return self.no_mask_embed.embedding_dim

    @property
    def patch(self) -> int:
        """Side of a token in pixels."""
        return self.image_size // self.grid

    def dense_positions(self, window: Window | None = None) -> Tensor:
        """Return the positional encoding of the tokens, (1, 256, h, w)."""
        rows, columns = (window or Window(0, 0, self.image_size)).tokens(self.patch)
        return self.pe_layer.grid(self.grid, self.grid)[..., rows, columns]

    def _embed_points(self, points_xy: Tensor, labels: Tensor, pad: bool) -> Tensor:
        points_xy = points_xy + 0.5  # from pixel index to pixel centre
        if pad:
            points_xy = torch.cat([points_xy, torch.zeros_like(points_xy[:, :1])], 1)
            padding = torch.full_like(labels[:, :1], PADDING)
            labels = torch.cat([labels, padding], dim=1)
        encoded = self.pe_layer(points_xy / self.image_size)
        label = labels[..., None]
        encoded = torch.where(label == PADDING, torch.zeros_like(encoded), encoded)
        kinds = (
            (PADDING, self.not_a_point_embed.weight),
            (BACKGROUND, self._kind(BACKGROUND)),
            (FOREGROUND, self._kind(FOREGROUND)),
        )
        for value, vector in kinds:
            encoded = encoded + (label == value) * vector
        return encoded

    def _kind(self, number: int) -> Tensor:
        return self.point_embeddings.get_parameter(f"{number}.weight")

    def _embed_boxes(self, boxes_xy: Tensor) -> Tensor:
        corners = (boxes_xy + 0.5).reshape(-1, 2, 2)
        kind = torch.cat([self._kind(TOP_LEFT), self._kind(BOTTOM_RIGHT)])
        encoded: Tensor = self.pe_layer(corners / self.image_size) + kind
        return encoded

    def _embed_masks(self, masks: Tensor | None, count: int, window: Window) -> Tensor:
        if masks is not None:
            embedded: Tensor = self.mask_downscaling(masks)
            return embedded
        none = self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        side = window.size // self.patch
        return none.expand(count, -1, side, side)
