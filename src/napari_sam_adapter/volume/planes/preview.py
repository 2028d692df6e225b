"""A small picture of a plane as the predictor sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.intensity import PLANE, IntensityMapping
from napari_sam_adapter.volume.planes.planes import OVERVIEW_SIDE

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume


@dataclass(frozen=True, eq=False)
class Preview:
    """A small picture of a plane, and where its grey values come from.

    Parameters
    ----------
    pixels : (h, w, 3) uint8 array
        Colours.
    low, high : float
        Image values that are black and white.
    """

    pixels: npt.NDArray[np.uint8]
    low: float
    high: float

    @property
    def is_blank(self) -> bool:
        """Whether the window leaves nothing to see."""
        return bool(self.pixels.min() == self.pixels.max())


def preview_plane(volume: Volume, plane: Plane, side: int) -> Preview:
    """Return a plane as the predictor sees it, with pixels left out.

    Parameters
    ----------
    volume : Volume
        The image with its intensity window.
    plane : Plane
        Cut of the volume.
    side : int
        Longest side of the picture at most, in pixels.

    Returns
    -------
    Preview
        The picture.

    Raises
    ------
    PlaneError
        If the plane lies outside the volume.
    ImageError
        If the plane cannot be read or segmented.
    """
    pixels = volume.overview(plane, max(side, OVERVIEW_SIDE))
    mapping = volume.mapping_of(pixels)
    low, high = mapping.window(pixels)
    step = -(-max(pixels.shape[:2]) // side)
    if mapping.rule == PLANE:  # that of the whole plane, not of the pixels kept
        mapping = IntensityMapping("contrast_limits", low, high)
    seen = mapping.apply(pixels[::step, ::step])
    if seen.ndim == 2:
        seen = np.repeat(seen[..., None], 3, axis=-1)
    return Preview(np.ascontiguousarray(seen), low, high)
