"""An opened image: its pixels and what its axes mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.composite import ChannelWindows, Composite
from napari_sam_adapter.image_io.image.lazy_array import LazyArray, check_unmasked
from napari_sam_adapter.image_io.image.levels import level_factors
from napari_sam_adapter.image_io.image.units import (
    NO_UNIT,
    in_one_unit,
    known_unit,
    spacing_of,
    unit_of,
    unknown_units,
)
from napari_sam_adapter.wording import counted, sized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.intensity import IntensityMapping

KNOWN_AXES = "tczyx"
SPARE_AXES = "ztuvw"
"""Letters for axes that a file does not name, nearest to the plane first."""
AXES_BY_NDIM = {ndim: SPARE_AXES[: ndim - 2][::-1] + "yx" for ndim in range(2, 6)}
"""Axes of labels, and of layers, that nobody named; they have no channels."""
COLOURS = (3, 4)
"""Lengths of a colour axis: RGB, RGBA."""


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """Pixels of an image or a label volume and the meaning of their axes.

    Parameters
    ----------
    data : LazyArray or array
        The pixels.
    axes : str
        One letter per axis of `data`: ``x``, ``y``, ``z``, ``t`` (time), ``c``
        (channel; as the last axis, of length 3 or 4, a colour). Axes that a file
        leaves unnamed are called ``z``, then ``t``, counted from the plane outwards.
    scale : tuple of float
        Distance between neighbours along every axis but a colour axis, in `units`.
    units : tuple of str
        One name per entry of `scale`; ``"pixel"`` where the file says nothing.
    name : str
        Name for messages and layers.
    affine : (4, 4) float array, optional
        Voxel (x, y, z) to world matrix of a NIfTI file, or of a DICOM series as NIfTI
        counts.
    levels : tuple of LazyArray or array
        The same with fewer and fewer pixels, if it is a pyramid.
    problem : str
        A sentence about levels, slices or units that cannot be used or trusted, or
        about images of the file that are not opened.
    window : (float, float), optional
        Values that the file wants shown black and white.
    parts : frozenset of Path
        Files of a series that make up this image; empty where it is one by itself.
    channel_windows : ChannelWindows, optional
        Through which channels became its colours.
    finer : tuple of LazyArray or array
        Levels before this one, from the full resolution on.
    """

    data: LazyArray | npt.NDArray[Any]
    axes: str
    scale: tuple[float, ...]
    units: tuple[str, ...]
    name: str = ""
    affine: npt.NDArray[np.float64] | None = None
    levels: tuple[LazyArray | npt.NDArray[Any], ...] = ()
    problem: str = ""
    window: tuple[float, float] | None = None
    parts: frozenset[Path] = frozenset()
    channel_windows: ChannelWindows | None = None
    finer: tuple[LazyArray | npt.NDArray[Any], ...] = ()

    def __repr__(self) -> str:
        what = f"{self.name} {self.axes} {sized(self.data.shape)} {self.data.dtype}"
        levels = (
            f", {counted(len(self.levels), 'coarser level')}" if self.levels else ""
        )
        return f"<OpenedImage {what}{levels}>"

    @property
    def is_colour(self) -> bool:
        """Whether the last axis holds RGB or RGBA."""
        return self.axes.endswith("c") and self.data.shape[-1] in COLOURS

    @property
    def label_axes(self) -> str:
        """Axes of labels of this image: all but a colour axis."""
        return self.axes[:-1] if self.is_colour else self.axes

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of labels of this image."""
        return tuple(self.data.shape[: len(self.label_axes)])

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distances along the axes of labels that count, see `spacing_of`."""
        return spacing_of(self.label_axes, self.scale, self.units)

    @property
    def unit(self) -> str:
        """Unit of `spacing` along z, y and x; ``"pixel"`` if there is none."""
        return unit_of(self.label_axes, self.units)

    @property
    def channels(self) -> int:
        """Number of channels that are not colours; 0 if there is no such axis."""
        axis = self.label_axes.find("c")
        return 0 if axis < 0 else int(self.data.shape[axis])

    def channel(self, number: int) -> OpenedImage:
        """Return one channel, without reading it.

        Parameters
        ----------
        number : int
            Index on the channel or colour axis.

        Returns
        -------
        OpenedImage
            Without the channel axis.

        Raises
        ------
        ImageError
            If there is no such channel.
        """
        axis = self.axes.find("c")
        count = 0 if axis < 0 else int(self.data.shape[axis])
        if not 0 <= number < count:
            there = f"from 0 to {count - 1}" if count else "of an image that has some"
            raise ImageError(
                f"Expected a channel {there}, got {number}: {self.name} has the axes "
                f"{self.axes!r}."
            )
        keep = [i for i, letter in enumerate(self.label_axes) if letter != "c"]
        return self._with_all(
            [LazyArray(each, self.name).take(axis, number) for each in self._all],
            axes=self.axes.replace("c", ""),
            scale=tuple(self.scale[i] for i in keep),
            units=tuple(self.units[i] for i in keep),
            channel_windows=None,
        )

    def composite(
        self,
        numbers: Sequence[int],
        windows: Sequence[IntensityMapping] | None = None,
    ) -> OpenedImage:
        """Return several channels as the colours of one image, without reading them.

        Parameters
        ----------
        numbers : sequence of int
            Two or three indices on the channel or colour axis: of three, red, green and
            blue; of two the first is yellow, the second blue.
        windows : sequence of IntensityMapping, optional
            Which values of each channel become black and full; default the 0.5 and 99.5
            percentiles of a few of its planes. If these are all one value, what is
            above it is full.

        Returns
        -------
        OpenedImage
            In 8 bits, with a colour axis in place of the channel axis.

        Raises
        ------
        ImageError
            If there is no such channel, not two or three of them or of the windows, or
            they are no real numbers.
        """
        parts = [self.channel(number) for number in numbers]
        levels = [part._all for part in parts]
        shared = ChannelWindows(levels, windows)
        colours = (Composite(level, shared) for level in zip(*levels, strict=True))
        return parts[0]._with_all(
            [LazyArray(each, self.name) for each in colours],
            axes=parts[0].axes + "c",
            channel_windows=shared,
        )

    def level(self, number: int) -> OpenedImage:
        """Return a level of a pyramid as an image of its own, without reading it.

        Parameters
        ----------
        number : int
            0 for this image, 1 for the next coarser level.

        Returns
        -------
        OpenedImage
            With the scale of its pixels, and the levels that are coarser still.

        Raises
        ------
        ImageError
            If there is no such level.
        """
        if not 0 <= number <= len(self.levels):
            known = f"0 to {len(self.levels)}" if self.levels else "only 0"
            raise ImageError(
                f"Expected a level that {self.name} has, {known}, got {number}. "
                f"{self.problem}".strip()
            )
        if number == 0:
            return self
        data = self.levels[number - 1]
        alike = [axis for axis, letter in enumerate(self.label_axes) if letter == "c"]
        shape = data.shape[: len(self.label_axes)]
        factors = level_factors(self.label_shape, shape, alike)
        scale = [s * f for s, f in zip(self.scale, factors, strict=True)]
        shifted = replace(self, finer=self._all[: len(self.finer) + number])
        return shifted._with_all(self._all, scale=tuple(scale))

    @property
    def _all(self) -> tuple[LazyArray | npt.NDArray[Any], ...]:
        return *self.finer, self.data, *self.levels

    def _with_all(self, pixels: Sequence[Any], **changes: Any) -> OpenedImage:
        here = len(self.finer)
        finer, (data, *levels) = tuple(pixels[:here]), pixels[here:]
        return replace(self, finer=finer, data=data, levels=tuple(levels), **changes)


def pixels_of(image: OpenedImage | npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the pixels of a picture.

    Parameters
    ----------
    image : OpenedImage or array
        The picture; is read.

    Returns
    -------
    array
        Of an opened picture without alpha.
    """
    if isinstance(image, OpenedImage):
        return np.asarray(image.data[..., :3] if image.is_colour else image.data)
    check_unmasked(image)
    return np.asarray(image)


def describe(
    data: LazyArray,
    axes: str,
    sizes: Mapping[str, tuple[float, str]],
    path: Path,
    affine: npt.NDArray[np.float64] | None = None,
) -> OpenedImage:
    """Put an array from a file into the order and the words of this package.

    Axes of length 1 other than y and x go, a colour axis moves to the end, and every
    axis gets one of the letters that `OpenedImage` explains.

    Parameters
    ----------
    data : LazyArray
        Pixels as they are in the file.
    axes : str
        What the file calls its axes, one letter each; ``s`` for colours.
    sizes : mapping of str to (float, str)
        Distance between neighbours and its unit, by axis letter.
    path : Path
        The file.
    affine : (4, 4) float array, optional
        Voxel to world matrix.

    Returns
    -------
    OpenedImage
        The image; nothing is read.

    Raises
    ------
    ImageError
        If fewer than two axes remain.
    """
    if data.ndim < 2:
        raise ImageError(
            f"Expected an image of 2 to 5 dimensions, got {data.ndim} from {path}. "
            "Give a file with rows and columns."
        )
    letters = axes.lower()
    for axis in reversed(range(len(letters))):
        if data.shape[axis] == 1 and letters[axis] not in "yx":
            data = data.take(axis, 0)
            letters = letters[:axis] + letters[axis + 1 :]
    if "s" in letters:
        colour = letters.index("s")
        data = data.moved([*(i for i in range(data.ndim) if i != colour), colour])
        letters = letters.replace("s", "") + "c"
    letters = _name_axes(letters)
    if len(letters.removesuffix("c")) < 2 or 0 in data.shape:
        raise ImageError(
            f"Expected an image with rows and columns, got the shape {data.shape} "
            f"from {path}."
        )
    return _with_sizes(data, letters, sizes, path, affine)


def _with_sizes(
    data: LazyArray,
    letters: str,
    sizes: Mapping[str, tuple[float, str]],
    path: Path,
    affine: npt.NDArray[np.float64] | None,
) -> OpenedImage:
    image = OpenedImage(data, letters, (), (), path.name, affine)
    known = [sizes.get(letter, (1.0, NO_UNIT)) for letter in image.label_axes]
    scale = [size if 0 < size < float("inf") else 1.0 for size, _ in known]
    words = [unit for _, unit in known]
    problem = unknown_units(image.label_axes, words, path.name)
    named = [known_unit(word) for word in words]
    scale, named = in_one_unit(image.label_axes, scale, named)
    return replace(image, scale=tuple(scale), units=tuple(named), problem=problem)


def _name_axes(letters: str) -> str:
    # Unknown and repeated axes are renamed, from the last to the first.
    named = ""
    for letter in reversed(letters):
        if letter not in KNOWN_AXES or letter in named:
            taken = named + letters.replace(letter, "")
            letter = next((s for s in SPARE_AXES if s not in taken), letter)
        named = letter + named
    return named
