"""One level of an image layer, what the network sees there, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from napari.utils.transforms import Affine
from psygnal import Signal

from napari_sam_adapter.image_io.image.composite import ChannelWindows, Composite
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.levels import fitting_levels, level_factors
from napari_sam_adapter.plugin.layers.prompt_layers import TRANSFORMS, transform_of
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Image, Layer
    from napari.utils.events import Event


class ImageLevel:
    """The pixels of an image layer at one level, and where they lie in the world.

    Parameters
    ----------
    image : Image
        The layer.
    number : int
        0 for the full resolution.
    partners : sequence of Image
        One or two channels that the network sees beside it, as colours, with pixels
        that `share_pixels`.

    Attributes
    ----------
    image, number, partners
        As given.
    data : array
        The pixels of the image.
    seen : sequence of arrays
        What the network sees: this level, and those with fewer pixels that fit.
    is_rgb : bool
        Whether the last axis of the image holds colours.
    problem : str
        A sentence about levels that cannot be used.
    frame : Layer
        Its data coordinates are pixels of the level. The image itself, or a layer
        that is in no viewer and follows the transform of the image.
    """

    replaced = Signal(object)
    """Emitted with a layer that got other pixels; those here stay as they were."""

    def __init__(
        self, image: Image, number: int = 0, partners: Sequence[Image] = ()
    ) -> None:
        levels, self.problem = levels_of(image)
        self.number = number
        self.image, self.partners = image, tuple(partners)
        self.data = levels[number]
        seen: Sequence[Any] = _as_colours(self.layers) if partners else levels
        self.seen = seen[number:]
        self.is_rgb = bool(image.rgb)
        self.frame: Layer = image
        self._factors = np.ones(image.ndim)
        for layer in self.layers:
            layer.events.data.connect(self._on_data)
        if number > 0:
            self._factors = np.array(_factors(image, levels[number]))
        self._has_frame = number > 0 or bool(partners)
        if self._has_frame:
            self.frame = self._build_frame()
            for name in TRANSFORMS:
                getattr(image.events, name).connect(self._follow)

    @property
    def layers(self) -> tuple[Image, ...]:
        """All layers whose pixels the network sees."""
        return self.image, *self.partners

    @property
    def has_colours(self) -> bool:
        """Whether the network sees colours."""
        return self.is_rgb or bool(self.partners)

    @property
    def is_alone(self) -> bool:
        """Whether the image has no other levels."""
        return not self.image.multiscale

    def reduction(self, axes: tuple[int, int]) -> float:
        """Return how many pixels of the level make one of the level in view.

        Parameters
        ----------
        axes : (int, int)
            Of the plane in view.

        Returns
        -------
        float
            At least 1, which it is for images of one level.
        """
        if self.is_alone:
            return 1.0
        in_view = self.image.downsample_factors[self.image.data_level]
        found = [float(in_view[axis] / self._factors[axis]) for axis in axes]
        return max(1.0, *found)

    def close(self) -> None:
        """Follow the image no longer, and tell nobody."""
        self.replaced.disconnect()
        for layer in self.layers:
            layer.events.data.disconnect(self._on_data)
        if self._has_frame:
            for name in TRANSFORMS:
                getattr(self.image.events, name).disconnect(self._follow)

    def _on_data(self, event: Event) -> None:
        self.replaced.emit(event.source)

    def _build_frame(self) -> Points:
        shape = np.array(self.data.shape[: self.image.ndim])
        return Points(
            np.stack([np.full(len(shape), -0.5), shape - 0.5]),
            name=self._name(),
            **self._transform(),
        )

    def _name(self) -> str:
        channels = " + ".join(layer.name for layer in self.layers)
        return f"{channels} {_title(self._factors)}" if self.number > 0 else channels

    def _transform(self) -> dict[str, Any]:
        """Return how the level lies: its pixels are blocks of pixels of the image."""
        transform = transform_of(self.image)
        parts = {
            name: transform[name] for name in ("scale", "translate", "rotate", "shear")
        }
        transform["translate"] = Affine(**parts)((self._factors - 1) / 2)
        transform["scale"] = np.asarray(transform["scale"]) * self._factors
        return transform

    def _follow(self, event: object = None) -> None:
        for name, value in self._transform().items():
            setattr(self.frame, name, value)


def levels_of(image: Image) -> tuple[list[Any], str]:
    """Return the levels of an image layer that can be used.

    Parameters
    ----------
    image : Image
        Multiscale or not.

    Returns
    -------
    levels : list of arrays
        The full resolution first.
    problem : str
        A sentence about those that do not fit; empty if all do.
    """
    if not image.multiscale:
        return [image.data], ""
    shapes = [level.shape for level in image.data]
    count, problem = fitting_levels(shapes, image.name, _alike(image))
    return list(image.data)[: count + 1], problem


def _as_colours(channels: Sequence[Image]) -> list[Composite]:
    """Return every level of a few channels as colours, through the same windows."""
    levels = [[LazyArray(level, c.name) for level in levels_of(c)[0]] for c in channels]
    windows = ChannelWindows(levels)
    return [Composite(level, windows) for level in zip(*levels, strict=True)]


def level_titles(image: Image) -> list[str]:
    """Return how the levels of an image layer are called.

    Parameters
    ----------
    image : Image
        Multiscale or not.

    Returns
    -------
    list of str
        Such as ``"1/2: 512 x 512"``, the full resolution first.
    """
    levels, _ = levels_of(image)
    sizes = [sized(level.shape[: image.ndim]) for level in levels]
    names = ["full", *(_title(_factors(image, level)) for level in levels[1:])]
    return [f"{name}: {size}" for name, size in zip(names, sizes, strict=True)]


def _title(factors: Sequence[float] | npt.NDArray[np.float64]) -> str:
    return f"1/{factors[-1]:g}"


def _factors(image: Image, level: Any) -> tuple[float, ...]:
    full = image.data[0].shape
    return level_factors(full, level.shape, _alike(image))[: image.ndim]


def _alike(image: Image) -> tuple[int, ...]:
    return (image.ndim,) if image.rgb else ()
