"""The decomposed relative positions of the image encoder's attention.

References
----------
Li et al., *Exploring Plain Vision Transformer Backbones for Object Detection*, 2022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relative_positions(table: Tensor, side: int) -> Tensor:
    """Look up the vector of every (query, key) distance along one axis.

    Parameters
    ----------
    table : (2S - 1, d) tensor
        One vector per distance; stretched linearly if made for another side.
    side : int
        Tokens along the axis.

    Returns
    -------
    (side, side, d) tensor
        Entry (i, j) belongs to the distance i - j.
    """
    table = fitting_table(table, side)
    index = torch.arange(side, device=table.device)
    return table[index[:, None] - index[None, :] + side - 1]


def fitting_table(table: Tensor, side: int) -> Tensor:
    """Return one vector per distance along an axis of a length.

    Parameters
    ----------
    table : (2S - 1, d) tensor
        Made for the length S.
    side : int
        Tokens along the axis.

    Returns
    -------
    (2 * side - 1, d) tensor
        The table; stretched linearly if S is another length.
    """
    if table.shape[0] == 2 * side - 1:
        return table
    columns = table.T[None]
    return F.interpolate(columns, size=2 * side - 1, mode="linear")[0].T
