"""One level of an image layer, and a layer that lies as the level does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from napari.utils.transforms import Affine
from psygnal import Signal

from napari_sam_adapter.image_io.levels import fitting_levels, level_factors
from napari_sam_adapter.plugin.layers.prompt_layers import TRANSFORMS, transform_of
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.layers import Image, Layer


class ImageLevel:
    """The pixels of an image layer at one level, and where they lie in the world.

    Parameters
    ----------
    image : Image
        The layer.
    number : int
        0 for the full resolution.

    Attributes
    ----------
    image : Image
        As given.
    number : int
        As given.
    data : array
        The pixels.
    coarser : sequence of arrays
        Levels with fewer pixels that fit.
    is_rgb : bool
        Whether the last axis holds colours.
    problem : str
        A sentence about levels that cannot be used.
    frame : Layer
        Its data coordinates are pixels of the level. The image itself, or a layer
        that is in no viewer and follows the transform of the image.
    """

    replaced = Signal()
    """Emitted when the layer was given other pixels; those here stay as they were."""

    def __init__(self, image: Image, number: int = 0) -> None:
        levels, self.problem = levels_of(image)
        self.number = number
        self.data, *self.coarser = levels[number:]
        self.is_rgb = bool(image.rgb)
        self.frame: Layer = image
        self.image = image
        self._factors = np.ones(image.ndim)
        image.events.data.connect(self._on_data)
        if number > 0:
            self._factors = np.array(_factors(image, levels[number]))
            self.frame = self._build_frame()
            for name in TRANSFORMS:
                getattr(image.events, name).connect(self._follow)

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
        self.image.events.data.disconnect(self._on_data)
        if self.number > 0:
            for name in TRANSFORMS:
                getattr(self.image.events, name).disconnect(self._follow)

    def _on_data(self, event: object) -> None:
        self.replaced.emit()

    def _build_frame(self) -> Points:
        shape = np.array(self.data.shape[: self.image.ndim])
        return Points(
            np.stack([np.full(len(shape), -0.5), shape - 0.5]),
            name=f"{self.image.name} {_title(self._factors)}",
            **self._transform(),
        )

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
