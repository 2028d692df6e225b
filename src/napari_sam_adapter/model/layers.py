"""Small layers that several networks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.fast_convolution import convolved, with_convolved
from napari_sam_adapter.model.products import projected

if TYPE_CHECKING:
    from napari_sam_adapter.model.spare import Spare

ENCODER_EPS = 1e-6
"""LayerNorm epsilon of the image encoder and of every LayerNorm2d in SAM."""


class Window(NamedTuple):
    """A square part of the network's frame; training looks at such parts.

    Attributes
    ----------
    top, left : int
        Position in the frame in pixels, multiples of the patch size.
    size : int
        Side in pixels.
    """

    top: int
    left: int
    size: int

    def tokens(self, patch: int) -> tuple[slice, slice]:
        """Return the rows and columns of tokens that lie in the window."""
        top, left, side = (value // patch for value in self)
        return slice(top, top + side), slice(left, left + side)


_VECTOR_FUNCTIONS = (
    torch.sqrt,
    torch.rsqrt,
    torch.sin,
    torch.cos,
    torch.exp,
    torch.log,
    torch.erf,
    torch.tanh,
)


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of a channels-first map.

    Parameters
    ----------
    channels : int
        Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = ENCODER_EPS

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over C."""
        rows = x.permute(0, 2, 3, 1)
        rows = F.layer_norm(rows, self.weight.shape, self.weight, self.bias, self.eps)
        return rows.permute(0, 3, 1, 2)


def make_neck(width: int) -> nn.Sequential:
    """Make the convolutions from the last map of an encoder to the embedding.

    Parameters
    ----------
    width : int
        Channels of that map.

    Returns
    -------
    nn.Sequential
        From (B, width, h, w) to (B, 256, h, w).
    """
    return nn.Sequential(
        nn.Conv2d(width, 256, 1, bias=False),
        LayerNorm2d(256),
        nn.Conv2d(256, 256, 3, padding=1, bias=False),
        LayerNorm2d(256),
    )


class ConvBlock(nn.Module):
    """Residual block of two 3 x 3 convolutions, without normalisation.

    Parameters
    ----------
    channels : int
        Channels of the map.

    Notes
    -----
    A norm over the channels of each pixel would take away how bright a pixel is, and
    with it the borders in dark images.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(
        self, x: Tensor, is_cut: bool = False, spare: Spare | None = None
    ) -> Tensor:
        """Map (B, C, H, W) to the same shape; it may be overwritten.

        Parameters
        ----------
        x : (B, C, H, W) tensor
            That nobody needs any more.
        is_cut : bool
            Whether negative values of the answer become zero.
        spare : Spare or None
            Memory for what is between the convolutions.

        Returns
        -------
        (B, C, H, W) tensor
            The refined map.
        """
        if spare is None:
            hidden = convolved(self.first, x, is_cut=True)
        else:
            rows = spare.tensor(f"hidden {x.shape[1]}", x.permute(0, 2, 3, 1))
            nothing = rows.zero_().permute(0, 3, 1, 2)
            hidden = with_convolved(nothing, self.first, x, is_cut=True)
        return with_convolved(x, self.second, hidden, is_cut)


class MLPBlock(nn.Module):
    """Two linear layers with an activation between them.

    Parameters
    ----------
    width, hidden : int
        Outer and inner width.
    activation : type of nn.Module
        GELU in the encoder, ReLU in the decoder.
    """

    def __init__(
        self, width: int, hidden: int, activation: type[nn.Module] = nn.GELU
    ) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        return projected(self.lin2, self.act(projected(self.lin1, x)))


def warm_up_vector_math() -> None:
    """Call each vectorised function once from one thread.

    Notes
    -----
    The CPU maths library may pick a low-accuracy kernel when its very first call
    comes from several threads at once (pytorch/pytorch issue 188792); constants
    computed then, such as the dense positional encoding, would stay wrong.
    """
    for function in _VECTOR_FUNCTIONS:
        function(torch.ones(1))
