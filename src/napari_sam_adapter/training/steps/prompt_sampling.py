"""Simulate a user's clicks and boxes from reference masks.

All coordinates are (x, y) in pixels of the padded network input, as the prompt encoder
takes them. Masks may be coarser than the input; `stride` is the ratio.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.inference.frame.mask_prompts import CERTAIN

BOX_NOISE = 0.1
"""Largest shift of a box side, as a share of the side."""
MAX_BOX_NOISE = 20.0
"""Largest shift of a box side in pixels."""


def sample_points(region: Tensor, stride: int, inwards: float = 0.0) -> Tensor:
    """Draw one point of each region.

    Parameters
    ----------
    region : (N, H, W) bool tensor
        Where the point may lie; an empty region gives a point anywhere.
    stride : int
        Input pixels per region pixel.
    inwards : float
        0 draws uniformly; larger values prefer pixels far from the border.

    Returns
    -------
    (N, 2) float tensor
        Points (x, y) in input pixels.
    """
    weight = region.float()
    depth = F.avg_pool2d(weight[:, None], 9, stride=1, padding=4)[:, 0]
    luck = torch.rand_like(weight) + inwards * depth + 10 * weight
    index = luck.flatten(1).argmax(dim=1)
    y, x = index // region.shape[2], index % region.shape[2]
    corner = torch.stack([x, y], dim=1) * float(stride)
    return corner + torch.rand(len(corner), 2, device=region.device) * (stride - 1)


def sample_boxes(masks: Tensor, stride: int, noisy: bool = True) -> Tensor:
    """Return the box round each mask, its sides shifted a little.

    Parameters
    ----------
    masks : (N, H, W) bool tensor
        Reference masks; an empty one gives the whole image.
    stride : int
        Input pixels per mask pixel.
    noisy : bool
        Whether to shift the sides.

    Returns
    -------
    (N, 4) float tensor
        Corners x, y, x, y in input pixels.
    """
    size = masks.shape[-1]
    (x0, x1), (y0, y1) = (_extent(masks.any(dim=axis), size) for axis in (1, 2))
    boxes = torch.stack([x0, y0, x1 + 1, y1 + 1], dim=1).float() * stride
    boxes[:, 2:] -= 1
    if noisy:
        sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        reach = (BOX_NOISE * sides).clamp(max=MAX_BOX_NOISE)
        boxes = boxes + (2 * torch.rand_like(boxes) - 1) * reach
    return boxes.clamp(0, size * stride - 1)


def sample_corrections(
    masks: Tensor, truth: Tensor, stride: int
) -> tuple[Tensor, Tensor]:
    """Draw one point of each prediction's errors.

    Parameters
    ----------
    masks, truth : (N, H, W) bool tensors
        Predicted and reference masks.
    stride : int
        Input pixels per mask pixel.

    Returns
    -------
    points : (N, 2) float tensor
        Points (x, y) in input pixels; inside the object where nothing is wrong.
    labels : (N,) int tensor
        1 on the object, 0 beside it.
    """
    errors = masks ^ truth
    right = ~errors.flatten(1).any(dim=1)
    region = torch.where(right[:, None, None], truth, errors)
    points = sample_points(region, stride)
    cell = (points / stride).long()
    index = torch.arange(len(truth), device=truth.device)
    labels = truth[index, cell[:, 1], cell[:, 0]].long()
    return points, labels


def rough_logits(masks: Tensor, keep: Tensor) -> Tensor:
    """Imitate the logits of an object on a neighbouring slice.

    Parameters
    ----------
    masks : (N, h, w) float tensor
        Masks at the resolution of a mask prompt.
    keep : (N,) bool tensor
        Masks that come from a neighbouring slice and need not be moved.

    Returns
    -------
    (N, 1, h, w) float tensor
        Shifted, grown or shrunk, blurred masks as logits.
    """
    shift = [int(s) for s in torch.randint(-2, 3, (2,))]
    moved = torch.roll(masks, shift, dims=(1, 2))
    moved = torch.where(keep[:, None, None], masks, moved)[:, None]
    soft = F.avg_pool2d(moved, 5, stride=1, padding=2)
    level, scale = (
        masks.new_empty(len(masks), 1, 1, 1).uniform_(*bounds)
        for bounds in ((0.25, 0.75), (0.5, 1.5))
    )
    most = 2 * CERTAIN
    return (most * scale * (soft - level)).clamp(-most, most)


def _extent(occupied: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the first and last True of each row of (N, size)."""
    index = torch.arange(size, device=occupied.device)
    first = torch.where(occupied, index, size).amin(dim=1)
    last = torch.where(occupied, index, -1).amax(dim=1)
    empty = last < 0
    return first.masked_fill(empty, 0), last.masked_fill(empty, size - 1)
