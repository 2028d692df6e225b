"""Two layers with the outlines of two candidate masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes

from napari_sam_adapter.plugin.prompt_layers import transform_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_sam_adapter.volume.planes import Plane

    Line = npt.NDArray[np.float64]

COLOURS = ("#4c9be8", "#ff9f43")
TITLES = ("in use", "other")
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
        self.layers: list[Shapes] = []

    def show(
        self,
        image: Layer,
        plane: Plane,
        masks: tuple[npt.NDArray[np.bool_], ...],
        names: tuple[str, ...],
    ) -> None:
        """Draw two masks on a plane and nothing else.

        Parameters
        ----------
        image : Layer
            What they lie over.
        plane : Plane
            Cut of the image.
        masks : two (H, W) bool arrays
            Of the plane.
        names : two str
            For the titles of the layers.
        """
        self.remove()
        active = self._viewer.layers.selection.active
        for number, (mask, name) in enumerate(zip(masks, names, strict=True)):
            layer = _outlines(image, plane, mask, COLOURS[number])
            layer.name = f"{TITLES[number]}: {name}"
            self._viewer.add_layer(layer)
            self.layers.append(layer)
        self._viewer.layers.selection.active = active

    def remove(self) -> None:
        """Take the layers away that are still there."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.layers = []


def _outlines(
    image: Layer, plane: Plane, mask: npt.NDArray[np.bool_], colour: str
) -> Shapes:
    """Return a layer with the border lines of a mask."""
    layer = Shapes(ndim=image.ndim, **transform_of(image))
    lines = [_embedded(plane, border) for border in _borders(mask)]
    if lines:
        width = max(0.5, max(mask.shape) / 250)
        layer.add_paths(lines, edge_color=colour, edge_width=width)
    layer.mode = "pan_zoom"
    return layer


def _borders(mask: npt.NDArray[np.bool_]) -> list[Line]:
    """Return the (N, 2) border lines of a mask, also those of its holes."""
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
