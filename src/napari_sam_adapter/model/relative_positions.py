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
    if table.shape[0] != 2 * side - 1:
        columns = table.T[None]
        table = F.interpolate(columns, size=2 * side - 1, mode="linear")[0].T
    index = torch.arange(side, device=table.device)
    return table[index[:, None] - index[None, :] + side - 1]
