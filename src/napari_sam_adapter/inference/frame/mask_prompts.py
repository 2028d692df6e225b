"""A mask that stands for a prompt, as logits of low resolution, from its box alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.prompts import Prompts

CERTAIN = 8.0
"""Logit of a mask prompt that the user drew."""
_PIXELS = 512
"""Pixels whose weights are computed together."""


def to_mask_prompt(prompts: Prompts, frame: Frame) -> Tensor:
    """Turn the mask of prompts into logits of the square.

    Parameters
    ----------
    prompts : Prompts
        With a mask.
    frame : Frame
        How the plane lies in the square.

    Returns
    -------
    (1, h, w) tensor
        The mask is scaled to the square with antialiasing, and averaged over the pixels
        of each logit.
    """
    mask = prompts.boxed_mask
    assert mask is not None
    side = frame.size // frame.mask_stride
    low = torch.full((1, side, side), -CERTAIN)
    if not mask.pixels.size:
        return low
    top, left, bottom, right = mask.box
    part = mask.pixels.astype(np.float32)
    rows, columns = _weights(frame)
    tall, wide = rows[:, top:bottom], columns[:, left:right]
    y, x = (_reached(weights) for weights in (tall, wide))
    share = tall[y] @ torch.from_numpy(part) @ wide[x].T
    low[0, y, x] = 2 * CERTAIN * (share - 0.5)
    return low


def _reached(weights: Tensor) -> slice:
    """Return the logits that depend on any of the pixels."""
    where = weights.any(dim=1).nonzero()
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0)


@lru_cache(maxsize=2)
def _weights(frame: Frame) -> tuple[Tensor, Tensor]:
    """Return how much each pixel counts for each logit, (h, rows) and (w, columns)."""
    rows, columns = (
        torch.cat(
            [
                _weights_of(slice(start, start + _PIXELS), original, resized, frame)
                for start in range(0, original, _PIXELS)
            ],
            dim=1,
        )
        for original, resized in zip(frame.original, frame.resized, strict=True)
    )
    return rows, columns


def _weights_of(pixels: slice, original: int, resized: int, frame: Frame) -> Tensor:
    ones = torch.eye(original)[:, pixels].contiguous()  # a picture of each pixel
    size = resized, ones.shape[1]
    scaled = F.interpolate(ones[None, None], size, mode="bilinear", antialias=True)
    square = F.pad(scaled[0, 0], (0, 0, 0, frame.size - resized))
    return square.view(-1, frame.mask_stride, ones.shape[1]).mean(dim=1)
