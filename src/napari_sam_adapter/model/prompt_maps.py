"""Prompts drawn as maps, for networks that look at them with convolutions.

References
----------
Sofiiuk et al., *Reviving Iterative Training with Mask Guidance for Interactive
Segmentation*, 2021, for clicks and earlier masks as input channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.fast_convolution import convolved
from napari_sam_adapter.model.layers import ConvBlock

if TYPE_CHECKING:
    from napari_sam_adapter.model.layers import Window
    from napari_sam_adapter.model.prompt_tensors import PromptTensors

MAP_CHANNELS = 8
"""Near and far from clicks on the object, and beside it; inside and outside of the box;
earlier mask, and whether there is one."""
MAP_STRIDE = 4
"""Input pixels per cell of a map."""
NEAR, FAR = 5.0, 40.0
"""Radius of a click's two bumps, in input pixels."""
MASK_SCALE = 4.0
"""Logits of an earlier mask are divided by this and squashed."""


def draw_maps(
    prompts: PromptTensors, count: int, window: Window, device: torch.device
) -> Tensor:
    """Draw the prompts of each object.

    Parameters
    ----------
    prompts : PromptTensors
        Positions (x, y) in pixels of the window.
    count : int
        Number N of objects.
    window : Window
        Its size is that of the input.
    device : torch.device
        Where to draw.

    Returns
    -------
    (N, 8, S / 4, S / 4) tensor
        Values from -1 to 1; all zero without prompts.
    """
    cells = window.size // MAP_STRIDE
    maps = torch.zeros(count, MAP_CHANNELS, cells, cells, device=device)
    axis = (torch.arange(cells, device=device) + 0.5) * MAP_STRIDE - 0.5
    if prompts.points is not None:
        points, labels = prompts.points
        for first, sign in ((0, 1), (2, 0)):
            maps[:, first : first + 2] = _bumps(points, labels == sign, axis)
    if prompts.boxes is not None:
        inside = _inside(prompts.boxes, axis)
        maps[:, 4], maps[:, 5] = inside, 1 - inside
    if prompts.masks is not None:
        maps[:, 6] = torch.tanh(prompts.masks[:, 0] / MASK_SCALE)
        maps[:, 7] = 1
    return maps


def _bumps(points: Tensor, used: Tensor, axis: Tensor) -> Tensor:
    """Draw (N, 2, S, S): the nearest of the used points, sharp and wide."""
    dx = axis - points[..., :1]  # (N, K, S)
    dy = axis - points[..., 1:]
    squared = dx[:, :, None, :] ** 2 + dy[:, :, :, None] ** 2
    nearest = squared.masked_fill(~used[..., None, None], torch.inf).amin(dim=1)
    return torch.stack([torch.exp(-nearest / (2 * r**2)) for r in (NEAR, FAR)], dim=1)


def _inside(boxes: Tensor, axis: Tensor) -> Tensor:
    """Draw (N, S, S): share of each cell within the box, edges blurred by a cell."""
    half = MAP_STRIDE / 2
    near = (axis - boxes[:, :2, None] + half + 0.5) / MAP_STRIDE
    far = (boxes[:, 2:, None] - axis + half + 0.5) / MAP_STRIDE
    covered = torch.minimum(near, far).clamp(0, 1)  # (N, 2, S), x then y
    return covered[:, 0, None, :] * covered[:, 1, :, None]


class MapEmbed(nn.Module):
    """Convolutions from drawn prompts to the grid of the image embedding.

    Parameters
    ----------
    width : int
        Width of an embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stride8 = nn.Conv2d(MAP_CHANNELS, 32, 4, stride=2, padding=1)
        self.block = ConvBlock(32)
        self.stride16 = nn.Conv2d(32, width, 2, stride=2)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (N, 8, 4h, 4w) into (N, C, h, w)."""
        hidden = convolved(self.stride8, maps, is_cut=True)
        return convolved(self.stride16, self.block(hidden, is_cut=True))
