"""EfficientSAM: a plain ViT, six points as prompts, and a decoder of its own kind.

References
----------
Xiong et al., *EfficientSAM: Leveraged Masked Image Pretraining for Efficient Segment
Anything*, 2024.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.agreement import agreed, count_of
from napari_sam_adapter.model.decoder.prompt_encoder import (
    BOTTOM_RIGHT,
    FOREGROUND,
    PADDING,
    TOP_LEFT,
    EncodedPrompts,
    PositionalEncoding,
)
from napari_sam_adapter.model.decoder.two_way_transformer import (
    TwoWayBlock,
    TwoWayTransformer,
)
from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder
from napari_sam_adapter.model.sam import Sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE_SIZE = 1024
POINTS = 6
"""Points that the network always gets; missing ones are padded."""
_PATCH, _HEAD_WIDTH = 16, 64
_GRID = IMAGE_SIZE // _PATCH
_WIDTH, _HEADS, _MASKS = 256, 8, 4
_POSITIONS, _POSITION_AXES = "image_encoder.pos_embed", 3
_LINEAR = re.compile(r"^(image_encoder\.blocks\.\d+\.mlp\.)fc(\d)\.")


class PointEncoder(nn.Module):
    """Points and boxes as at most six tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.image_size, self.grid = IMAGE_SIZE, _GRID
        self.pe_layer = PositionalEncoding(_WIDTH // 2)
        self.invalid_points = nn.Embedding(1, _WIDTH)
        self.point_embeddings = nn.Embedding(1, _WIDTH)
        self.bbox_top_left_embeddings = nn.Embedding(1, _WIDTH)
        self.bbox_bottom_right_embeddings = nn.Embedding(1, _WIDTH)

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None = None,
        boxes: Tensor | None = None,
        masks: None = None,
    ) -> EncodedPrompts:
        """Embed points, labels and boxes, as `PromptEncoder` takes them."""
        coordinates, labels = _as_points(points, boxes)
        encoded = self.pe_layer((coordinates + 0.5) / self.image_size)
        kinds = (
            (PADDING, self.invalid_points),
            (FOREGROUND, self.point_embeddings),
            (TOP_LEFT, self.bbox_top_left_embeddings),
            (BOTTOM_RIGHT, self.bbox_bottom_right_embeddings),
        )
        for label, embedding in kinds:
            encoded = encoded + (labels == label)[..., None] * embedding.weight
        nothing = encoded.new_zeros(len(encoded), encoded.shape[-1], 1, 1)
        return EncodedPrompts(encoded, nothing, None)

    def dense_positions(self) -> Tensor:
        """Return the positional encoding of the tokens, (1, 256, h, w)."""
        return self.pe_layer.grid(self.grid, self.grid)


def _as_points(
    points: tuple[Tensor, Tensor] | None, boxes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return points and corners of boxes, (N, 6, 2), and their labels (N, 6)."""
    parts = [] if points is None else [points]
    if boxes is not None:
        corners = torch.tensor([[TOP_LEFT, BOTTOM_RIGHT]], device=boxes.device)
        parts.append((boxes.reshape(-1, 2, 2), corners.expand(len(boxes), -1)))
    coordinates = torch.cat([xy for xy, _ in parts], dim=1)
    labels = torch.cat([label for _, label in parts], dim=1)
    missing = POINTS - labels.shape[1]
    return (
        F.pad(coordinates, (0, 0, 0, missing), value=-1.0),
        F.pad(labels, (0, missing), value=PADDING),
    )


class FeedForward(nn.Module):
    """Linear layers with GELU between them.

    Parameters
    ----------
    widths : ints
        Width of the input, of each hidden layer and of the output.
    """

    def __init__(self, *widths: int) -> None:
        super().__init__()
        *hidden, last = itertools.pairwise(widths)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(*sizes), nn.GELU()) for sizes in hidden
        )
        self.fc = nn.Linear(*last)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., widths[0]) to (..., widths[-1])."""
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.fc(x)
        return out


class TwoWayLayer(TwoWayBlock):
    """SAM's two-way block, but with a residual around every self-attention.

    Parameters
    ----------
    hidden : int
        Width of the MLP.
    is_first : bool
        Later layers add the positions to the tokens for good.
    """

    def __init__(self, hidden: int, is_first: bool) -> None:
        super().__init__(_WIDTH, _HEADS, hidden, is_first)
        self.add_module("mlp", FeedForward(_WIDTH, hidden, _WIDTH))

    def look_at_each_other(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        """Let tokens (N, T, C) attend to one another."""
        if not self.is_first:
            tokens = tokens + token_pe
        looked: Tensor = self.norm1(tokens + self.self_attn(tokens, tokens, tokens))
        return looked


class EfficientDecoder(nn.Module):
    """Masks and their predicted quality.

    Parameters
    ----------
    hidden : int
        MLP width of the transformer.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        layers = [TwoWayLayer(hidden, i == 0) for i in range(2)]
        self.transformer = TwoWayTransformer(layers, _WIDTH, _HEADS)
        self.iou_token = nn.Embedding(1, _WIDTH)
        self.mask_tokens = nn.Embedding(_MASKS, _WIDTH)
        half, quarter = _WIDTH // 4, _WIDTH // 8
        first = nn.ConvTranspose2d(_WIDTH, half, 2, stride=2)
        second = nn.ConvTranspose2d(half, quarter, 2, stride=2)
        self.final_output_upscaling_layers = nn.ModuleList(
            [
                nn.Sequential(first, nn.GroupNorm(1, half), nn.GELU()),
                nn.Sequential(second, nn.GELU()),
            ]
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            FeedForward(_WIDTH, _WIDTH, _WIDTH, quarter) for _ in range(_MASKS)
        )
        self.iou_prediction_head = FeedForward(_WIDTH, _WIDTH, _WIDTH, _MASKS)

    def forward(
        self,
        image_embedding: Tensor,
        image_pe: Tensor,
        sparse: Tensor,
        dense: Tensor,
        skips: tuple[Tensor, ...] = (),
        maps: None = None,
    ) -> tuple[Tensor, Tensor]:
        """Decode all masks, with inputs and outputs of `MaskDecoder`."""
        count, h, w = sparse.shape[0], *image_embedding.shape[-2:]
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([output.expand(count, -1, -1), sparse], dim=1)
        per_image = count // image_embedding.shape[0]
        image = image_embedding.repeat_interleave(per_image, dim=0) + dense
        tokens, keys = self.transformer(image, image_pe, tokens)
        upscaled = keys.transpose(1, 2).reshape(count, -1, h, w)
        for layer in self.final_output_upscaling_layers:
            upscaled = layer(upscaled)
        mlps = enumerate(self.output_hypernetworks_mlps, start=1)
        weights = torch.stack([mlp(tokens[:, i]) for i, mlp in mlps], dim=1)
        masks = torch.einsum("nmc,nchw->nmhw", weights, upscaled)
        return masks, self.iou_prediction_head(tokens[:, 0])


def build_efficient_sam(sizes: Mapping[str, tuple[int, ...]]) -> Sam:
    """Make an EfficientSAM with fresh weights.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shape of every tensor by key, as `from_published` gives them.

    Returns
    -------
    Sam
        That the tensors fit.

    Raises
    ------
    ValueError
        If the width cannot be shared among heads.
    """
    lin1, lin2 = (f"image_encoder.blocks.*.mlp.lin{i}." for i in (1, 2))
    hidden = agreed(
        sizes, (f"{lin1}weight", 0), (f"{lin1}bias", 0), (f"{lin2}weight", 1)
    )
    width = agreed(sizes, (f"{lin1}weight", 1), (f"{lin2}bias", 0), (_POSITIONS, -1))
    depth = count_of(sizes, "image_encoder.blocks.")
    heads = max(1, width // _HEAD_WIDTH)
    if width % heads:
        raise ValueError(f"{heads} heads for a width of {width}")
    shape = SamShape(IMAGE_SIZE, width, heads, (0,) * depth, hidden, use_rel_pos=False)
    decoder = "mask_decoder.transformer.layers.*.mlp."
    mlp = agreed(sizes, (f"{decoder}fc.weight", 1), (f"{decoder}layers.0.0.bias", 0))
    return Sam(ImageEncoder(shape), PointEncoder(), EfficientDecoder(mlp))


def from_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the encoder's tensors as SAM does, and stretch its positions.

    Parameters
    ----------
    state : dict of str to Tensor
        Of a published file.

    Returns
    -------
    dict of str to Tensor
        With (1, 64, 64, D) positions; published are a class token and 14 x 14.
    """
    renamed = {_LINEAR.sub(r"\1lin\2.", key): value for key, value in state.items()}
    positions = renamed.get(_POSITIONS, torch.zeros(0))
    side = math.isqrt(positions.shape[1] - 1) if positions.ndim == _POSITION_AXES else 0
    if not side or positions.shape[:2] != (1, 1 + side**2):
        return renamed  # missing or wrong: loading will name it
    positions = positions[:, 1:]
    grid = positions.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    stretched = F.interpolate(grid, (_GRID, _GRID), mode="bicubic")
    return renamed | {_POSITIONS: stretched.permute(0, 2, 3, 1).contiguous()}
