"""How two masks agree: IoU, Dice, surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]


def iou(mask: Mask, truth: Mask) -> float:
    """Return intersection over union.

    Parameters
    ----------
    mask, truth : bool arrays
        Of one shape.

    Returns
    -------
    float
        0 to 1; 1 if both are empty.
    """
    union = np.count_nonzero(mask | truth)
    return float(np.count_nonzero(mask & truth) / union) if union else 1.0


def dice(mask: Mask, truth: Mask) -> float:
    """Return twice the intersection over the sum of sizes.

    Parameters
    ----------
    mask, truth : bool arrays
        Of one shape.

    Returns
    -------
    float
        0 to 1; 1 if both are empty.
    """
    total = np.count_nonzero(mask) + np.count_nonzero(truth)
    shared = np.count_nonzero(mask & truth)
    return float(2 * shared / total) if total else 1.0


def surface_dice(mask: Mask, truth: Mask, tolerance: float = 1.0) -> float:
    """Return the share of both surfaces that lies near the other one.

    Parameters
    ----------
    mask, truth : bool arrays
        Of one shape; the border of the array counts as outside.
    tolerance : float
        Largest distance in voxels that counts as near.

    Returns
    -------
    float
        0 to 1; 1 if both are empty, 0 if one is.

    References
    ----------
    Nikolov et al., *Deep learning to achieve clinically applicable segmentation of
    head and neck anatomy for radiotherapy*, 2018; here with surfaces made of voxels.
    """
    if not (mask.any() and truth.any()):
        return float(mask.any() == truth.any())
    box = ndimage.find_objects((mask | truth).astype(np.int8))[0]
    surfaces = [_surface(np.pad(m[box], 1)) for m in (mask, truth)]
    near = [
        ndimage.distance_transform_edt(~other)[own] <= tolerance
        for own, other in (surfaces, surfaces[::-1])
    ]
    return float(np.concatenate(near).mean())


def _surface(mask: Mask) -> Mask:
    surface: Mask = mask & ~ndimage.binary_erosion(mask)
    return surface
