"""What is asked where a user corrects a mask that was followed to a plane."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.predictions import Capabilities
    from napari_sam_adapter.prompts import Prompts

CORNERS = 2
"""Points that a box counts."""


def corrected(
    prompts: Prompts, followed: BoxedMask, capabilities: Capabilities
) -> Prompts:
    """Return clicks on a followed plane together with what was followed there.

    Parameters
    ----------
    prompts : Prompts
        What the user gave.
    followed : BoxedMask
        The mask of the propagation, not empty.
    capabilities : Capabilities
        What the predictor understands.

    Returns
    -------
    Prompts
        With the mask and a box, as far as they are understood. A box or a mask of the
        user says where the object is, and stands alone.

    Notes
    -----
    A click and a mask without a box are little to `tiny`: it answers with the
    surroundings of the click. The box holds the mask, and reaches as far beyond each
    click on the object as that lies outside of the mask's own box.
    """
    if prompts.boxed_mask is not None or prompts.box is not None:
        return prompts
    points, signs = prompts.all_points()
    mask = followed if capabilities.mask_prompts else None
    most = capabilities.max_points
    if most is not None and len(points) + CORNERS > most:
        return replace(prompts, mask=mask)
    return replace(prompts, mask=mask, box=_box(followed, points[signs]))


def _box(
    mask: BoxedMask, points: npt.NDArray[np.float64]
) -> tuple[float, float, float, float]:
    low, high = np.reshape(mask.box, (2, 2)) - 0.5
    below = 2 * np.minimum(points, low) - low
    above = 2 * np.maximum(points, high) - high
    low = np.vstack([low, below]).min(axis=0).clip(-0.5)
    high = np.vstack([high, above]).max(axis=0).clip(max=np.array(mask.shape) - 0.5)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
