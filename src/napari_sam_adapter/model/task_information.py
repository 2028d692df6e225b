"""What a SAM-Adapter is told about the image: the sources F_j.

References
----------
Chen et al., *SAM Fails to Segment Anything? SAM-Adapter*, 2023, section 3.
Liu et al., *Explicit Visual Prompting for Low-Level Structure Segmentations*, 2023.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

REMOVED_AREA = 0.25
"""Share of the spectrum's area that the high-pass filter removes."""


def high_frequencies(
    image: Tensor, valid: tuple[int, int] | None = None, rate: float = REMOVED_AREA
) -> Tensor:
    """Return the magnitude of an image's high-frequency part.

    Parameters
    ----------
    image : (B, C, H, W) float tensor
        Normalised pixels.
    valid : (rows, columns) or None
        The part at the top left that is not padding. Only that part is filtered,
        because the step at its edge is not part of the image; None takes all.
    rate : float
        Area of the low-frequency square, as a share of the spectrum.

    Returns
    -------
    (B, C, H, W) float tensor
        Zero where padded.

    Notes
    -----
    The removed square is half-open, from -L to L - 1 around frequency 0, so it is not
    symmetric and the filtered image has a small imaginary part, which is dropped. That
    equals filtering with the mean of the square and its mirror image.
    """
    rows, columns = valid or (image.shape[-2], image.shape[-1])
    part = image[..., :rows, :columns].float()
    keep = 1 - _low_square(rows, columns, rate, part.device)
    mirrored = torch.roll(keep.flip(0, 1), (1, 1), (0, 1))
    symmetric = (keep + mirrored) / 2
    spectrum = torch.fft.rfft2(part) * symmetric[:, : columns // 2 + 1]
    filtered = torch.fft.irfft2(spectrum, s=(rows, columns)).abs()
    padding = (0, image.shape[-1] - columns, 0, image.shape[-2] - rows)
    return F.pad(filtered, padding)


def _low_square(rows: int, columns: int, rate: float, device: torch.device) -> Tensor:
    """Return 1 in the removed square and 0 elsewhere, frequency 0 first."""
    reach = int(math.sqrt(rows * columns * rate) // 2)
    square = torch.zeros(rows, columns, device=device)
    row, column = rows // 2, columns // 2
    square[
        max(0, row - reach) : row + reach, max(0, column - reach) : column + reach
    ] = 1
    shifted: Tensor = torch.fft.ifftshift(square)
    return shifted
