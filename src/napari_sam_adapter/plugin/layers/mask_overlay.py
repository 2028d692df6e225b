"""Masks to look at that are no labels: a small layer over a part of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils import DirectLabelColormap
from napari.utils.transforms import Affine
from scipy import ndimage

from napari_sam_adapter.boxed_mask import NOWHERE, common_box
from napari_sam_adapter.plugin.layers.prompt_layers import transform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.plugin.layers.image_level import ImageLevel
    from napari_sam_adapter.volume.planes.plane import Plane

    Mask = npt.NDArray[np.bool_]

FILL, FIRST_LINE = 1, 2
FILL_OPACITY = 0.25
LINES_ACROSS = 120
"""Side of a mask, in widths of its outline."""
STEPS = "scale", "units"
"""Of a layer: how far apart its pixels are."""
SMALLEST_SIDE = 512
"""Of the layer in pixels, where the image is as large."""


class MaskOverlay:
    """Outlines of masks on one plane, in a layer that is made when it is needed.

    The layer has about the size of the masks and not of the image, and its array is
    written in place: what napari does for new data takes three times as long. It stays
    where it is while the masks fit in, because napari draws all its panels for a move.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer lives.
    name : str
        Of the layer.
    colours : sequence of str
        One for the outline of each mask, as ``"#rrggbb"``.
    """

    def __init__(self, viewer: ViewerModel, name: str, colours: Sequence[str]) -> None:
        self.layer: Labels | None = None
        self.is_shown = False
        """Whether there is anything to see on its plane."""
        self._start = 0, 0
        self._viewer = viewer
        self._name = name
        self._image: Layer | None = None
        self._colours: dict[int | None, str] = {None: "transparent"}
        self._colours[FILL] = f"{colours[0]}{round(255 * FILL_OPACITY):02x}"
        for number, colour in enumerate(colours):
            self._colours[FIRST_LINE + number] = colour

    def prepare(self, level: ImageLevel) -> Labels:
        """Have the layer in the viewer, because napari needs long to make one.

        Parameters
        ----------
        level : ImageLevel
            What it will lie over.

        Returns
        -------
        Labels
            With the axes of the image.
        """
        layer = self.layer
        is_here = layer is not None and layer in self._viewer.layers
        if layer is None or not is_here or layer.ndim != level.frame.ndim:
            self.close()
            layer = self.layer = self._build(level.frame)
        self._follow(level.frame)
        self._lift(layer, level.image)
        return layer

    def show(
        self,
        level: ImageLevel,
        plane: Plane,
        masks: Sequence[BoxedMask],
        is_filled: bool = False,
    ) -> None:
        """Show masks on a plane instead of those before.

        Parameters
        ----------
        level : ImageLevel
            What they lie over.
        plane : Plane
            Where.
        masks : sequence of BoxedMask
            The first lies on top.
        is_filled : bool
            Whether the inside of the first mask is tinted.
        """
        box = top, left, bottom, right = common_box(masks)
        if box == NOWHERE:
            self.hide()
            return
        shape = masks[0].shape
        pixels = _drawn([mask.window(box) for mask in masks], is_filled)
        layer = self._layer_for(level, plane, pixels.shape, shape)
        height, width = (layer.data.shape[axis] for axis in plane.axes)
        self._start = start = (
            _start_of(top, bottom, height, shape[0], self._start[0]),
            _start_of(left, right, width, shape[1], self._start[1]),
        )
        canvas = np.zeros((height, width), dtype=np.uint8)
        row, column = top - start[0], left - start[1]
        canvas[row : row + pixels.shape[0], column : column + pixels.shape[1]] = pixels
        layer.data[...] = np.expand_dims(canvas, plane.other_axes)
        _move(layer, level.frame, plane, start)
        layer.refresh(thumbnail=False, highlight=False, extent=False)
        self.is_shown = True

    def hide(self) -> None:
        """Show nothing; the layer stays."""
        if self.layer is not None and self.is_shown:
            self.is_shown = False
            self.layer.data[...] = 0
            self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def close(self) -> None:
        """Take the layer out of the viewer."""
        layer, self.layer, self.is_shown = self.layer, None, False
        self._follow(None)
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _follow(self, image: Layer | None) -> None:
        """Have the layer steps as long as those of an image from now on."""
        if image is not self._image:
            for name in STEPS:
                if self._image is not None:
                    getattr(self._image.events, name).disconnect(self._on_steps)
                if image is not None:
                    getattr(image.events, name).connect(self._on_steps)
            self._image = image

    def _on_steps(self, event: Any) -> None:
        self.hide()  # it lies where pixels were before
        for name in STEPS:
            setattr(self.layer, name, getattr(self._image, name))

    def _lift(self, layer: Labels, image: Layer) -> None:
        """Lay the layer over an image that came after it."""
        layers = self._viewer.layers
        if image in layers and layers.index(layer) < layers.index(image):
            layers.move(layers.index(layer), len(layers))

    def _layer_for(
        self,
        level: ImageLevel,
        plane: Plane,
        needed: tuple[int, ...],
        most: tuple[int, ...],
    ) -> Labels:
        """Return a layer with room for so many pixels of a plane of some shape."""
        layer = self.prepare(level)
        present = layer.data.shape
        fits = all(
            room <= present[axis] <= limit
            for axis, room, limit in zip(plane.axes, needed, most, strict=True)
        ) and all(present[axis] == 1 for axis in plane.other_axes)
        if not fits:
            side = 1 << (max(*needed, SMALLEST_SIDE) - 1).bit_length()
            room = np.zeros([min(side, limit) for limit in most], dtype=np.uint8)
            layer.data = np.expand_dims(room, plane.other_axes)
        return layer

    def _build(self, image: Layer) -> Labels:
        colours = DirectLabelColormap(color_dict=self._colours)
        nothing = np.zeros((1,) * image.ndim, dtype=np.uint8)
        layer = Labels(
            nothing,
            name=self._name,
            colormap=colours,
            opacity=1,
            **transform_of(image),
        )
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        layer.editable = False
        # The tool in hand stays in hand.
        self._viewer.layers.selection.active = active
        return layer


def _drawn(masks: Sequence[Mask], is_filled: bool) -> npt.NDArray[np.uint8]:
    pixels = np.zeros(masks[0].shape, dtype=np.uint8)
    if is_filled:
        pixels[masks[0]] = FILL
    width = max(1, round(max(pixels.shape) / LINES_ACROSS))
    for number in reversed(range(len(masks))):
        mask = np.pad(masks[number], 1)
        inside = ndimage.binary_erosion(mask, iterations=width)
        pixels[(mask & ~inside)[1:-1, 1:-1]] = FIRST_LINE + number
    return pixels


def _start_of(first: int, end: int, room: int, length: int, present: int) -> int:
    """Return where to begin so that a range fits in; where it is now, if it can be."""
    if present <= first and end <= present + room <= length:
        return present
    middle = (first + end - room) // 2
    return min(max(middle, 0), length - room)


def _move(layer: Labels, image: Layer, plane: Plane, start: tuple[int, int]) -> None:
    """Lay the first pixel of a layer over a pixel of an image."""
    corner = np.zeros(plane.ndim)
    corner[list(plane.other_axes)] = plane.position
    corner[list(plane.axes)] = start
    transform = transform_of(image)
    parts = {
        name: transform[name] for name in ("scale", "translate", "rotate", "shear")
    }
    transform["translate"] = Affine(**parts)(corner)
    for name, value in transform.items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)
