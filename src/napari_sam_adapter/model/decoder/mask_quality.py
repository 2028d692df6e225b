"""How the small model judges its masks: what they look like tells how good they are.

SAM tells the IoU of a mask by one of its tokens, which takes far more training than the
small model has. A mask whose logits rise steeply at its rim, and that changes little
when the threshold moves, is a good one more often than not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOW, HIGH = 1.0, 3.0
"""Distances of the two pairs of thresholds from 0, in logits."""
_LARGEST = 30.0
"""Logits beyond say no more."""
_HIDDEN = 32
_TYPICAL = (5.5, 0.5, 0.25, 3.2, 9.0, 2.1, 3.0, 0.33, 0.5)
_SPREAD = (1.2, 0.3, 0.25, 2.4, 4.0, 1.2, 3.8, 0.6, 0.1)
"""Mean and deviation of the measures, and of SAM's own estimate, on training images."""


class MaskQuality(nn.Module):
    """A small MLP from measures of a mask, and SAM's own estimate, to its IoU.

    Parameters
    ----------
    masks : int
        Masks of the decoder.
    """

    def __init__(self, masks: int) -> None:
        super().__init__()
        self.measures = nn.Linear(len(_TYPICAL), _HIDDEN)
        self.of_mask = nn.Parameter(torch.zeros(masks, _HIDDEN))
        self.estimate = nn.Linear(_HIDDEN, 1)

    def forward(self, logits: Tensor, scores: Tensor, masks: slice) -> Tensor:
        """Estimate the IoU of masks with what was asked for.

        Parameters
        ----------
        logits : (..., M, h, w) tensor
            Of the decoder; no gradient goes back to them.
        scores : (..., M) tensor
            SAM's own estimate.
        masks : slice
            Which M of the decoder's masks these are.

        Returns
        -------
        (..., M) float32 tensor
            0 to 1, also where other layers compute in half precision.
        """
        measured = measures_of(logits.detach()), scores[..., None].float()
        with torch.autocast(logits.device.type, enabled=False):
            told = torch.cat(measured, dim=-1)
            typical, spread = told.new_tensor((_TYPICAL, _SPREAD))
            hidden = self.measures((told - typical) / spread)
            hidden = F.relu(hidden + self.of_mask[masks])
            estimate: Tensor = self.estimate(hidden)[..., 0].sigmoid()
        return estimate


def measures_of(logits: Tensor) -> Tensor:
    """Measure masks.

    Parameters
    ----------
    logits : (..., h, w) tensor
        Before the threshold at 0.

    Returns
    -------
    (..., 8) tensor
        Logarithm of the area; areas above two thresholds by those below 0 as far from
        it; mean and greatest logit inside; length of the rim, as of squares 1; step of
        the logits across it; length along the edge of the frame.
    """
    logits = logits.float().clamp(-_LARGEST, _LARGEST)
    inside = logits > 0
    area = _count(inside)
    side = area.clamp(min=1).sqrt()
    rim, steps = _across_rim(logits, inside)
    edges = inside[..., 0, :], inside[..., -1, :], inside[..., 0], inside[..., -1]
    return torch.stack(
        [
            (area + 1).log(),
            *(
                _count(logits > offset) / _count(logits > -offset).clamp(min=1)
                for offset in (LOW, HIGH)
            ),
            (logits * inside).sum((-2, -1)) / area.clamp(min=1),
            logits.amax((-2, -1)),
            rim / (4 * side),
            steps / rim.clamp(min=1),
            sum(edge.sum(-1) for edge in edges) / side,
        ],
        dim=-1,
    )


def _count(cells: Tensor) -> Tensor:
    return cells.sum((-2, -1)).float()


def _across_rim(logits: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of neighbours of which one is inside, and their differences."""
    length, steps = logits.new_zeros(()), logits.new_zeros(())
    for dim in (-2, -1):
        count = inside.shape[dim] - 1
        first, second = (inside.narrow(dim, start, count) for start in (0, 1))
        low, high = (logits.narrow(dim, start, count) for start in (0, 1))
        rim = first ^ second
        length = length + _count(rim)
        steps = steps + ((high - low).abs() * rim).sum((-2, -1))
    return length, steps
