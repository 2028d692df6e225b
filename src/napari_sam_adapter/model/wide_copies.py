"""Copies of token maps in wide pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def copy_wide(target: Tensor, source: Tensor) -> None:
    """Copy, eight bytes at a time if possible: small numbers are copied slowly.

    Parameters
    ----------
    target, source : (..., n) tensors
        Of one shape and number format; each last axis lies together in memory.
    """
    each = 8 // source.element_size()
    numbers = (source.shape[-1], *source.stride()[:-1], *target.stride()[:-1])
    starts = source.storage_offset(), target.storage_offset()
    if not any(number % each for number in numbers + starts):
        source, target = source.view(torch.int64), target.view(torch.int64)
    target.copy_(source)


def split_wide(x: Tensor, side: int) -> Tensor:
    """Do what `split_windows` does.

    Parameters
    ----------
    x : (B, h, w, D) tensor
        Token maps.
    side : int
        Side of a window.

    Returns
    -------
    (B * windows, side, side, D) tensor
        Zero where padded.
    """
    batch, h, w, width = x.shape
    rows, columns = -(-h // side), -(-w // side)
    padded = x.new_zeros(batch, rows * side, columns * side, width)
    copy_wide(padded[:, :h, :w], x)
    cut = padded.view(batch, rows, side, columns, side, width).transpose(2, 3)
    windows = x.new_empty(cut.shape)
    copy_wide(windows, cut)
    return windows.view(-1, side, side, width)


def join_wide(windows: Tensor, side: int, like: Tensor) -> Tensor:
    """Do what `join_windows` does.

    Parameters
    ----------
    windows : (B * windows, side, side, D) tensor
        From `split_wide`.
    side : int
        Side of a window.
    like : (B, h, w, D) tensor
        What was split.

    Returns
    -------
    (B, h, w, D) tensor
        A view, without the padding.
    """
    batch, h, w, width = like.shape
    rows, columns = -(-h // side), -(-w // side)
    cut = windows.view(batch, rows, columns, side, side, width).transpose(2, 3)
    joined = windows.new_empty(cut.shape)
    copy_wide(joined, cut)
    return joined.view(batch, rows * side, columns * side, width)[:, :h, :w]
