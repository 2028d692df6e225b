"""What training learns from: an image and its reference masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.intensity import IntensityMapping


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
    prior : (H, W) int array or None
        The first layer on a neighbouring plane of the same volume, same numbers.
    name : str
        For messages and reports.
    group : str
        Samples of one group are alike, as planes of a volume are, and are not divided
        between training and validation.
    weight : float
        How often it is drawn, relative to the others.
    intensity : IntensityMapping or None
        The window that made its 8 bits, where that is known.
    """

    image: npt.NDArray[np.uint8]
    layers: tuple[npt.NDArray[Any], ...]
    prior: npt.NDArray[Any] | None = None
    name: str = ""
    group: str = ""
    weight: float = 1.0
    intensity: IntensityMapping | None = None

    def transformed(
        self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    ) -> Sample:
        """Return a copy with image, layers and prior changed alike."""
        return replace(
            self,
            image=change(self.image),
            layers=tuple(change(layer) for layer in self.layers),
            prior=None if self.prior is None else change(self.prior),
        )
