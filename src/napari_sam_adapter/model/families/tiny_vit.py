"""TinyViT, the image encoder of MobileSAM and LiteMedSAM.

References
----------
Wu et al., *TinyViT: Fast Pretraining Distillation for Small Vision Transformers*, 2022.
Zhang et al., *Faster Segment Anything: Towards Lightweight SAM for Mobile
Applications*, 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_sam_adapter.model.agreement import (
    agreed,
    count_of,
    lengths,
    most_common,
)
from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
from napari_sam_adapter.model.decoder.prompt_encoder import PromptEncoder
from napari_sam_adapter.model.encoder.image_encoder import EncodedImage
from napari_sam_adapter.model.families.tiny_vit_blocks import (
    ConvStageBlock,
    Merging,
    Stem,
    WindowBlock,
)
from napari_sam_adapter.model.layers import make_neck
from napari_sam_adapter.model.sam import Sam
from napari_sam_adapter.model.steady import steady_step

if TYPE_CHECKING:
    from collections.abc import Mapping

GRID = 64
"""Tokens along a side of the last map."""
MOBILE_SIZE, LITE_SIZE = 1024, 256
"""Side of the input in pixels, for a stem that halves twice and one that does not."""
_STRIDES = 2, 2, 1
"""Of the mergings between the four stages."""
_WINDOWS, _HEAD_WIDTH = (0, 7, 14, 7), 32
"""Of the attention in the published networks."""


class Stage(nn.Module):
    """Blocks of one width, and the merging after them.

    Parameters
    ----------
    blocks : list of nn.Module
        At least one.
    downsample : Merging or None
        None after the last stage.
    """

    def __init__(self, blocks: list[nn.Module], downsample: Merging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        for block in self.blocks:
            with steady_step(x.device):
                x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x


@dataclass(frozen=True)
class StageShape:
    """Sizes of one stage.

    Parameters
    ----------
    width, depth, hidden : int
        Channels, blocks, and inner width of the blocks.
    heads, window : int
        Of the attention; 0 in the first stage, which has none.
    """

    width: int
    depth: int
    hidden: int
    heads: int = 0
    window: int = 0

    def blocks(self) -> list[nn.Module]:
        """Return the blocks with fresh weights."""
        if not self.heads:
            return [ConvStageBlock(self.width, self.hidden) for _ in range(self.depth)]
        sizes = self.width, self.heads, self.window, self.hidden
        return [WindowBlock(*sizes) for _ in range(self.depth)]


@dataclass(frozen=True)
class TinyVitShape:
    """Everything that fixes the tensors of a TinyViT.

    Parameters
    ----------
    stem_width, stem_kernel : int
        Channels and kernel of the stem's first convolution.
    stages : tuple of StageShape
        The first is convolutional.
    """

    stem_width: int
    stem_kernel: int
    stages: tuple[StageShape, ...]

    @property
    def image_size(self) -> int:
        """Side of the input in pixels."""
        return MOBILE_SIZE if self.stem_kernel > 1 else LITE_SIZE


class TinyVit(nn.Module):
    """The image encoder.

    Parameters
    ----------
    shape : TinyVitShape
        Its sizes.
    """

    def __init__(self, shape: TinyVitShape) -> None:
        super().__init__()
        widths = [stage.width for stage in shape.stages]
        self.patch_embed = Stem(shape.stem_width, widths[0], shape.stem_kernel)
        mergings = [
            Merging(*sizes)
            for sizes in zip(widths[:-1], widths[1:], _STRIDES, strict=True)
        ]
        self.layers = nn.ModuleList(
            Stage(stage.blocks(), merging)
            for stage, merging in zip(shape.stages, [*mergings, None], strict=True)
        )
        self.neck = make_neck(widths[-1])

    def forward(self, image: Tensor) -> EncodedImage:
        """Encode a normalised, padded image (B, 3, S, S)."""
        x = self.patch_embed(image)
        for stage in self.layers:
            x = stage(x)
        return EncodedImage(self.neck(x))


def build_tiny_vit_sam(shape: TinyVitShape) -> Sam:
    """Make a MobileSAM or LiteMedSAM with fresh weights.

    Parameters
    ----------
    shape : TinyVitShape
        Sizes of the encoder.

    Returns
    -------
    Sam
        With SAM's prompt encoder and mask decoder.
    """
    prompt_encoder = PromptEncoder(shape.image_size, GRID)
    return Sam(TinyVit(shape), prompt_encoder, MaskDecoder())


def infer_tiny_vit(sizes: Mapping[str, tuple[int, ...]]) -> TinyVitShape:
    """Read the shape of a TinyViT off its tensors.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shape of every tensor by its published key.

    Returns
    -------
    TinyVitShape
        Errors of strange sizes are left to the caller.
    """
    stem = "image_encoder.patch_embed.seq."
    first, second = f"{stem}0.c.weight", f"{stem}2.c.weight"
    width = agreed(sizes, (first, 0), (f"{stem}0.bn.weight", 0), (second, 1))
    kernel = agreed(sizes, (first, -2), (second, -1), (second, -2))
    stages = tuple(_stage_shape(sizes, number) for number in range(len(_STRIDES) + 1))
    return TinyVitShape(width, kernel, stages)


def _stage_shape(sizes: Mapping[str, tuple[int, ...]], number: int) -> StageShape:
    blocks = f"image_encoder.layers.{number}.blocks."
    depth, any_block = count_of(sizes, blocks), f"{blocks}*."
    if number == 0:
        conv1, conv3 = f"{any_block}conv1.c.weight", f"{any_block}conv3.c.weight"
        hidden = agreed(sizes, (conv1, 0), (conv3, 1), (f"{any_block}conv1.bn.bias", 0))
        width = agreed(sizes, (conv1, 1), (conv3, 0), (f"{any_block}conv3.bn.bias", 0))
        return StageShape(width, depth, hidden)
    mlp, biases = f"{any_block}mlp.", f"{any_block}attn.attention_biases"
    hidden = agreed(
        sizes, (f"{mlp}fc1.weight", 0), (f"{mlp}fc1.bias", 0), (f"{mlp}fc2.weight", 1)
    )
    width = agreed(
        sizes, (f"{mlp}fc1.weight", 1), (f"{mlp}norm.weight", 0), (f"{mlp}fc2.bias", 0)
    )
    # two blocks of a stage may disagree: then the published sizes decide
    heads = most_common([*lengths(sizes, (biases, 0)), width // _HEAD_WIDTH])
    distances = most_common([*lengths(sizes, (biases, 1)), _WINDOWS[number] ** 2])
    if not heads or width % heads:
        raise ValueError(f"{heads} heads for a width of {width}")
    return StageShape(width, depth, hidden, heads, math.isqrt(distances))
