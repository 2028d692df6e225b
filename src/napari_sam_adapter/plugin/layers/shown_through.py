"""Image layers that are shown through a window for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam_adapter.intensity import IntensityMapping

Limits: TypeAlias = "tuple[float, float]"


class _Contrast(NamedTuple):
    limits: Limits
    range: Limits
    """How far the slider of the limits goes."""


class ShownThrough:
    """Sets contrasts of layers, and knows what they were before."""

    def __init__(self) -> None:
        self._limits: WeakKeyDictionary[Image, tuple[_Contrast, Limits]] = (
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
        before = self._before(image)
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
        if before is not None and _limits_of(image) == given:
            image.contrast_limits = before.limits
            image.contrast_limits_range = before.range

    def _before(self, image: Image) -> _Contrast:
        limits = _limits_of(image)
        for before, given in self._limits.values():
            if given == limits:  # it came from a layer that this one is linked to
                return before
        low, high = image.contrast_limits_range
        return _Contrast(limits, (float(low), float(high)))


def _limits_of(image: Image) -> Limits:
    low, high = image.contrast_limits
    return float(low), float(high)
