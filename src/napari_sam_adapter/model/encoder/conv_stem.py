"""The convolutions of the small model: pixels to tokens and two finer maps."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from napari_sam_adapter.model.fast_convolution import convolved, with_convolved
from napari_sam_adapter.model.layers import ConvBlock

STEM_CHANNELS = (32, 48, 96)
"""Channels of the small model's stem at strides 2, 4 and 8."""
SKIP_CHANNELS = (64, 32)
"""Channels of its finer maps at strides 8 and 4."""


class _Downsample(nn.Sequential):
    """A convolution that halves the sides, and a ReLU."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        layer = cast("nn.Conv2d", self[0])
        return convolved(layer, x, is_cut=True)


class ConvStem(nn.Module):
    """Convolutions from pixels to tokens of 16 x 16 pixels, keeping two finer maps.

    Parameters
    ----------
    width : int
        Channels of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half, quarter, eighth = STEM_CHANNELS
        self.stride2 = _Downsample(3, half)
        self.stride4 = nn.Sequential(_Downsample(half, quarter), ConvBlock(quarter))
        self.stride8 = nn.Sequential(
            _Downsample(quarter, eighth), ConvBlock(eighth), ConvBlock(eighth)
        )
        self.proj = nn.Conv2d(eighth, width, kernel_size=2, stride=2)

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Turn (B, 3, H, W) into tokens (B, h, w, D) and the maps at strides 8, 4."""
        eighth, quarter = self.sides(image)
        return convolved(self.proj, eighth).permute(0, 2, 3, 1), (eighth, quarter)

    def sides(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (B, 3, H, W) into the maps at strides 8 and 4."""
        quarter: Tensor = self.stride4(self.stride2(image))
        return self.stride8(quarter), quarter


class FinerMaps(nn.Module):
    """Join the embedding with the stem's finer maps, coarse to fine."""

    def __init__(self) -> None:
        super().__init__()
        _, quarter, eighth = STEM_CHANNELS
        self.up8 = nn.ConvTranspose2d(256, SKIP_CHANNELS[0], 2, stride=2)
        self.side8 = nn.Conv2d(eighth, SKIP_CHANNELS[0], 1)
        self.block8 = ConvBlock(SKIP_CHANNELS[0])
        self.up4 = nn.ConvTranspose2d(*SKIP_CHANNELS, 2, stride=2)
        self.side4 = nn.Conv2d(quarter, SKIP_CHANNELS[1], 1)
        self.block4 = ConvBlock(SKIP_CHANNELS[1])

    def forward(
        self, embedding: Tensor, sides: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Return the maps (B, 64, 2h, 2w) and (B, 32, 4h, 4w)."""
        eighth, quarter = sides
        x8 = with_convolved(self.up8(embedding), self.side8, eighth)
        x8 = self.block8(x8)
        x4 = with_convolved(self.up4(x8), self.side4, quarter)
        return x8, self.block4(x4)
