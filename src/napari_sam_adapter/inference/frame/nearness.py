"""Where an object is looked for, in tokens of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.model.decoder.dense_prompts import PER_TOKEN
from napari_sam_adapter.model.decoder.near_masks import TokenBox

if TYPE_CHECKING:
    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.prompts import Prompts


def tokens_near(prompts: Prompts, frame: Frame) -> TokenBox | None:
    """Return the tokens around all that marks the object, if that is a box and a mask.

    Parameters
    ----------
    prompts : Prompts
        In pixels of the plane.
    frame : Frame
        How the plane lies in the square.

    Returns
    -------
    TokenBox or None
        None where the object may be anywhere: a box or a mask alone may be rough.
    """
    mask = prompts.boxed_mask
    if prompts.box is None or mask is None or not mask.pixels.size:
        return None
    low, high = np.reshape(mask.box, (2, 2))
    corners = np.concatenate([np.reshape(prompts.box, (2, 2)), [low, high - 1]])
    points, signs = prompts.all_points()
    token = PER_TOKEN * frame.mask_stride
    places = frame.to_xy(np.concatenate([corners, points[signs]])).flip(1) // token
    places = places.clamp(0, frame.size // token - 1).int()
    top, left = places.amin(0).tolist()
    bottom, right = (places.amax(0) + 1).tolist()
    return TokenBox(top, left, bottom, right)
