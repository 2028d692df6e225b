"""Two layers with the outlines of two candidate masks."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes

from napari_sam_adapter.plugin.layers.prompt_layers import transform_of
from napari_sam_adapter.plugin.torch_import import no_collections

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_sam_adapter.volume.planes.planes import Plane

    Line = npt.NDArray[np.float64]

COLOURS = ("#4c9be8", "#ff9f43")
TITLES = ("in use", "other")
CONTOURS = "skimage.measure._find_contours"
"""What is imported with the first outline, and much of SciPy with it."""
ROUGHNESS = 0.3
"""How far a drawn outline may be from the mask's, in pixels."""


class OutlineLayers:
    """Outlines of two masks over an image; made when needed, taken away at the end.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._image: Layer | None = None
        self.layers: list[Shapes] = []

    def show(
        self,
        image: Layer,
        plane: Plane,
        outlines: tuple[list[Line], ...],
        names: tuple[str, ...],
        side: int,
    ) -> None:
        """Draw the outlines of two masks on a plane and nothing else.

        Parameters
        ----------
        image : Layer
            What they lie over.
        plane : Plane
            Cut of the image.
        outlines : two lists of (N, 2) float arrays
            From `borders`.
        names : two str
            For the titles of the layers.
        side : int
            The longer one of the plane, in pixels.
        """
        if self._image is not image or not all(map(self._is_there, self.layers)):
            self.remove()
            self._build(image)
        self._lift()
        width = max(0.5, side / 250)
        for number, layer in enumerate(self.layers):
            layer.name = f"{TITLES[number]}: {names[number]}"
            _empty(layer)
            lines = [_embedded(plane, line) for line in outlines[number]]
            if lines:
                layer.add_paths(lines, edge_color=COLOURS[number], edge_width=width)

    def clear(self) -> None:
        """Draw nothing."""
        for layer in filter(self._is_there, self.layers):
            _empty(layer)

    def remove(self) -> None:
        """Take the layers away that are still there."""
        for layer in filter(self._is_there, self.layers):
            self._viewer.layers.remove(layer)
        self.layers, self._image = [], None

    def _build(self, image: Layer) -> None:
        active = self._viewer.layers.selection.active
        for _ in TITLES:
            layer = Shapes(ndim=image.ndim, **transform_of(image))
            self._viewer.add_layer(layer)
            self.layers.append(layer)
        self._viewer.layers.selection.active = active
        self._image = image

    def _lift(self) -> None:
        """Lay the outlines over all that came after them, such as those of candidates.

        A layer that moves has napari draw its panels, so what is on top stays.
        """
        layers = self._viewer.layers
        if list(layers[-len(self.layers) :]) != self.layers:
            for layer in self.layers:
                layers.move(layers.index(layer), len(layers))

    def _is_there(self, layer: Shapes) -> bool:
        return layer in self._viewer.layers


def _empty(layer: Shapes) -> None:
    layer.remove(list(range(layer.nshapes)))


def borders(mask: npt.NDArray[np.bool_]) -> list[Line]:
    """Return the border lines of a mask, also those of its holes.

    Parameters
    ----------
    mask : (H, W) bool array
        On the worker thread: the first one imports for a second or two.

    Returns
    -------
    list of (N, 2) float array
        In (row, column) pixels.
    """
    with contextlib.nullcontext() if CONTOURS in sys.modules else no_collections():
        from skimage.measure import approximate_polygon, find_contours
    padded = np.pad(mask, 1).astype(np.float32)
    return [
        approximate_polygon(line - 1, ROUGHNESS)  # type: ignore[no-untyped-call]
        for line in find_contours(padded, 0.5)  # type: ignore[no-untyped-call]
    ]


def _embedded(plane: Plane, line: Line) -> Line:
    """Return (N, 2) pixels of a plane as (N, D) points of the volume."""
    points = np.empty((len(line), plane.ndim))
    points[:, list(plane.other_axes)] = plane.position
    points[:, list(plane.axes)] = line
    return points
