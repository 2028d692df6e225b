"""How near the outlines of two volumes lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import ndimage

if TYPE_CHECKING:
    import numpy as np


def surface_dice(
    mask: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...]
) -> float:
    """Share of both outlines that lies within one pixel of the other."""
    if not mask.any():
        return 0.0
    borders = [part & ~ndimage.binary_erosion(part) for part in (mask, truth)]
    tolerance = max(spacing[1:])
    near = 0
    for border, other in (borders, borders[::-1]):
        away = ndimage.distance_transform_edt(~other, sampling=spacing)
        near += int((away[border] <= tolerance).sum())
    return near / sum(int(border.sum()) for border in borders)
