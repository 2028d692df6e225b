"""What training learns from: an image and its reference masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Sample:
    """One image with its objects.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8 array
        Pixels as the network will see them.
    layers : tuple of (H, W) int arrays
        Label images, 0 for background. Objects of one layer are disjoint; objects of
        two layers may nest, as nuclei do in cells.
    """

    image: npt.NDArray[np.uint8]
    layers: tuple[npt.NDArray[Any], ...]
