"""Image layers that are shown through a window for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam_adapter.intensity import IntensityMapping

Limits: TypeAlias = "tuple[float, float]"


class ShownThrough:
    """Sets contrasts of layers, and knows what they were before."""

    def __init__(self) -> None:
        self._limits: WeakKeyDictionary[Image, tuple[Limits, Limits]] = (
            WeakKeyDictionary()
        )

    def begin(self, image: Image, window: IntensityMapping) -> None:
        """Show a layer through a window, or through another one.

        Parameters
        ----------
        image : Image
            Of a viewer.
        window : IntensityMapping
            With limits.
        """
        self.end(image)
        before = _limits_of(image)
        image.contrast_limits = window.low, window.high
        self._limits[image] = before, _limits_of(image)

    def end(self, image: Image) -> None:
        """Give a layer the contrast from before, unless the user chose one meanwhile.

        Parameters
        ----------
        image : Image
            Any; one that is not shown through a window stays as it is.
        """
        before, given = self._limits.pop(image, (None, None))
        if given is not None and _limits_of(image) == given:
            image.contrast_limits = before


def _limits_of(image: Image) -> Limits:
    low, high = image.contrast_limits
    return float(low), float(high)
