"""An image of any size, read one plane at a time."""

from __future__ import annotations

import contextlib
import copy
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import (
    PLANE,
    IntensityMapping,
    check_pixels,
    default_intensity,
    mapping_of_plane,
    places_across,
)
from napari_sam_adapter.volume.planes.axes import read_layout
from napari_sam_adapter.volume.planes.levels import coarsest_for, level_of
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.planes.source import Source
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage
    from napari_sam_adapter.volume.planes.windows import Window

__all__ = ["Plane", "Volume"]

OVERVIEW_SIDE = 512
"""Pixels along the longer side of a plane that are enough to estimate from."""


class Volume:
    """An image of 2 to 5 spatial axes, read one plane at a time.

    Parameters
    ----------
    data : array-like or OpenedImage
        NumPy, dask or zarr array, memory map, or anything with ``shape``, ``dtype``
        and basic indexing; only the planes asked for are ever loaded.
    axes : str
        One letter per axis, ``c`` for channels, or ``"auto"``: those of an opened
        image, else see `read_layout`.
    intensity : IntensityMapping or None
        Window to 8 bits; by default estimated from a few planes at first use.
    levels : sequence of array-like or None
        The same volume with fewer and fewer pixels, by default those of an opened
        image. Read instead of `data` where they show enough, see `read_uint8`.

    Attributes
    ----------
    spacing, unit : tuple of float or None, str
        Distance between neighbours on every axis, if an opened image tells it; of what.

    Raises
    ------
    ImageError
        If the array has no pixels, too few or too many axes, or is not numeric, or if
        a level does not fit to it.
    """

    def __init__(
        self,
        data: ArrayLike | OpenedImage,
        axes: str = "auto",
        intensity: IntensityMapping | None = None,
        levels: Sequence[ArrayLike] | None = None,
    ) -> None:
        source = Source.of(data, axes, levels)
        self._data = source.data
        self.spacing, self.unit = source.spacing, source.unit
        self._layout = read_layout(source.data.shape, source.axes)
        self.dtype = np.dtype(source.data.dtype)
        if self.dtype.kind not in "buif":
            raise ImageError(
                f"Expected an image of real numbers, got {self.dtype}. Convert it "
                "first, for example to its magnitude."
            )
        full, channel = source.data.shape, self._layout.channel
        self._levels = tuple(level_of(part, full, channel) for part in source.levels)
        self._intensity = self._chosen = intensity
        self._estimating = threading.Lock()

    def __repr__(self) -> str:
        size = f"{sized(self.shape)}{' RGB' if self.is_rgb else ''}"
        return f"<Volume {size} {self.dtype}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape, without the channels."""
        return self._layout.shape

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    @property
    def letters(self) -> str:
        """One letter per spatial axis, or none if the axes were not told."""
        return self._layout.letters

    @property
    def is_rgb(self) -> bool:
        """Whether planes have three colours."""
        return self._layout.is_rgb

    @property
    def intensity(self) -> IntensityMapping:
        """Window to 8 bits; estimated on first use, then fixed."""
        with self._estimating:
            if self._intensity is None:
                self._intensity = self.default_intensity()
            return self._intensity

    @property
    def chosen_intensity(self) -> IntensityMapping | None:
        """Window to 8 bits that it was given, or None if it is estimated."""
        return self._chosen

    @property
    def known_intensity(self) -> IntensityMapping | None:
        """Window to 8 bits, or None while it would have to be estimated first."""
        return self._intensity

    def with_intensity(self, intensity: IntensityMapping) -> Volume:
        """Return the same image seen through another window.

        Parameters
        ----------
        intensity : IntensityMapping
            Window to 8 bits.

        Returns
        -------
        Volume
            Shares the data with this one.
        """
        other = copy.copy(self)
        other._intensity = other._chosen = intensity
        return other

    @property
    def level_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Spatial shapes of the coarser levels, from fine to coarse."""
        return tuple(level.shape for level in self._levels)

    def without_levels(self) -> Volume:
        """Return the same image, of which only the full resolution is read."""
        other = copy.copy(self)
        other._levels = ()
        return other

    def check(self, plane: Plane) -> None:
        """Raise unless a plane lies inside this volume.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.

        Raises
        ------
        PlaneError
            If the number of axes differs or a position is outside.
        """
        Plane.require(plane).check(self.shape)

    def read(
        self, plane: Plane, window: Window | None = None, side: int | None = None
    ) -> npt.NDArray[Any]:
        """Load one plane, or a part of it, and nothing else.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        window : Window or None
            The part; None for all of it.
        side : int or None
            As in `read_uint8`; counts for a part only.

        Returns
        -------
        (H, W) or (H, W, 3) array
            Values of the image; alpha is dropped.

        Raises
        ------
        PlaneError
            If the plane lies outside the volume.
        ImageError
            If the array behind the volume cannot deliver it.
        """
        self.check(plane)
        level = window and side and coarsest_for(self._levels, plane, window, side)
        if not (level and window):
            return self._cut(self._data, plane, window)
        return self._cut(level.data, level.plane(plane), level.window(plane, window))

    def overview(self, plane: Plane, side: int) -> npt.NDArray[Any]:
        """Load a plane in as few pixels as are enough to look at.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        side : int
            The longer side has at least so many pixels, if the plane has.

        Returns
        -------
        (h, w) or (h, w, 3) array
            From the coarsest level that will do, the nearest slice of it.

        Raises
        ------
        PlaneError, ImageError
            As `read`.
        """
        self.check(plane)
        longest = max(plane.shape(self.shape))
        for level in reversed(self._levels):
            if 1 < level.reduction(plane) <= longest / side:
                return self._cut(level.data, level.plane(plane))
        return self.read(plane)

    def _cut(
        self, data: ArrayLike, plane: Plane, window: Window | None = None
    ) -> npt.NDArray[Any]:
        """Cut a plane, or a part of it, out of the full resolution or a level."""
        index, channel = list(plane.index()), self._layout.channel
        if window is not None:
            for axis, part in zip(plane.axes, window.slices, strict=True):
                index[axis] = part
        if channel is not None:
            index.insert(channel, slice(None) if self.is_rgb else 0)
        try:
            cut = np.asarray(data[tuple(index)])
        except ImageError as error:
            raise ImageError(f"Cannot read plane {plane.position}: {error}") from error
        except Exception as error:  # array libraries raise anything on broken chunks
            raise ImageError(
                f"Expected to read plane {plane.position}, got: "
                f"{str(error) or type(error).__name__}. "
                "Check the image file."
            ) from error
        if self.is_rgb:
            place = sum(axis < (channel or 0) for axis in plane.axes)
            cut = np.moveaxis(cut, place, -1)[..., :3]
        return cut.swapaxes(0, 1) if plane.axes[0] > plane.axes[1] else cut

    def read_uint8(
        self, plane: Plane, window: Window | None = None, side: int | None = None
    ) -> npt.NDArray[np.uint8]:
        """Load one plane, or a part of it, as the predictor sees it.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        window : Window or None
            The part; None for all of it.
        side : int or None
            Pixels along the longer side that are enough: a coarser level with at least
            so many is read instead, if it has every slice of this plane.

        Returns
        -------
        (H, W) or (H, W, 3) uint8 array
            The plane through the intensity window.

        Raises
        ------
        PlaneError
            If the plane lies outside the volume.
        ImageError
            If the plane cannot be read, is one pixel wide, constant, or without a
            finite value.
        """
        if window is None:
            return self.to_uint8(self.read(plane))
        if self.intensity.rule != PLANE:
            return self.to_uint8(self.read(plane, window, side))
        whole = self.overview(plane, OVERVIEW_SIDE)
        check_pixels(whole)
        mapping = IntensityMapping("contrast_limits", *self.intensity.window(whole))
        return mapping.apply(self.read(plane, window, side))

    def to_uint8(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Return a plane that was read as the predictor sees it.

        Parameters
        ----------
        pixels : (H, W) or (H, W, 3) array
            From `read`.

        Returns
        -------
        (H, W) or (H, W, 3) uint8 array
            The plane through the intensity window.

        Raises
        ------
        ImageError
            If the plane is one pixel wide, constant, or without a finite value.
        """
        return self.mapping_of(pixels).apply(pixels)

    def mapping_of(self, pixels: npt.NDArray[Any]) -> IntensityMapping:
        """Return how a plane that was read becomes 8 bits.

        Parameters
        ----------
        pixels : (H, W) or (H, W, 3) array
            From `read`.

        Returns
        -------
        IntensityMapping
            That of the volume, unless it tells nothing apart.

        Raises
        ------
        ImageError
            If the plane is one pixel wide, constant, or without a finite value.
        """
        return mapping_of_plane(self.intensity, pixels)

    def default_intensity(self) -> IntensityMapping:
        """Estimate the window to 8 bits from a few planes."""
        axes = self.ndim - 2, self.ndim - 1
        places = places_across(self.shape[:-2])
        planes = self._readable(Plane(axes, place) for place in places)
        return default_intensity(self.dtype, self.is_rgb, planes)

    def _readable(self, planes: Iterable[Plane]) -> Iterator[npt.NDArray[Any]]:
        # One broken plane must not make the others useless.
        for plane in planes:
            with contextlib.suppress(ImageError):
                yield self.overview(plane, OVERVIEW_SIDE)
