"""How much of its convex hull an object fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.quiet import without_warnings

if TYPE_CHECKING:
    import numpy.typing as npt

HULL_VOXELS = 1 << 20
"""Around larger objects the hull is taken at lower resolution."""


def hull_share(mask: npt.NDArray[np.bool_]) -> float:
    """Return which share of its convex hull an object fills.

    Parameters
    ----------
    mask : bool array
        The object in the box around it.

    Returns
    -------
    float
        0 to 1; NaN for voxels on an oblique plane, which have no hull.
    """
    from skimage.morphology import convex_hull_image

    flat = mask.squeeze()
    if flat.ndim < 2:
        return float(flat.mean())
    step = int(np.ceil((flat.size / HULL_VOXELS) ** (1 / flat.ndim)))
    flat = flat[(slice(None, None, max(step, 1)),) * flat.ndim]
    with without_warnings():
        inside = convex_hull_image(flat)  # type: ignore[no-untyped-call]
        hull = int(inside.sum())
    return float(flat.sum() / hull) if hull else float("nan")
