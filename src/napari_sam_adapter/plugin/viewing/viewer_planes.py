"""Which plane of an image layer the viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import ImageError, PlaneError
from napari_sam_adapter.volume.planes.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pint
    from napari.components import ViewerModel
    from napari.layers import Layer

TOLERANCE = 1e-6
"""Largest part of a data axis that may leak into another one by rounding."""


def plane_in_view(viewer: ViewerModel, layer: Layer) -> Plane:
    """Return the plane of a layer that the viewer shows.

    The axes are given in array order also when the view is transposed: the pixels
    are the same, and so prompts and embeddings of both views are shared.

    Parameters
    ----------
    viewer : ViewerModel
        Its dims say which axes are shown and where.
    layer : Layer
        The image.

    Returns
    -------
    Plane
        In data coordinates of the layer.

    Raises
    ------
    PlaneError
        If the viewer is in 3-D, an axis of the image is not on the screen, or the
        view cuts the data obliquely.
    """
    if viewer.dims.ndisplay != 2:
        raise PlaneError(
            "Expected the 2-D view, got the 3-D view. Press the cube button of napari "
            "(Ctrl+Y) and click on a slice."
        )
    shown = _shown_axes(viewer, layer)
    world = np.asarray(viewer.dims.point, dtype=float)[-layer.ndim :]
    world = world * _unit_factors(viewer, layer)
    index = np.asarray(layer.world_to_data(world))
    _check_aligned(layer, world, index, shown)
    return Plane.from_index(shown, index.tolist())


def show_voxel(viewer: ViewerModel, layer: Layer, voxel: Sequence[int]) -> None:
    """Bring a voxel of a layer into view, along whichever axes are shown.

    Parameters
    ----------
    viewer : ViewerModel
        Its slices and its camera move; the zoom stays.
    layer : Layer
        Whose voxel it is.
    voxel : sequence of int
        One index per data axis of the layer.

    Raises
    ------
    ImageError
        If its slice cannot be read.
    """
    show_slice(viewer, layer, voxel)
    world = _in_world(viewer, layer, voxel)
    first = viewer.dims.ndim - layer.ndim
    shown = [axis - first for axis in viewer.dims.displayed]
    centre = [world[axis] if axis >= 0 else 0.0 for axis in shown]
    viewer.scene.camera.center = (0.0,) * (3 - len(centre)) + tuple(map(float, centre))


def show_slice(viewer: ViewerModel, layer: Layer, voxel: Sequence[int]) -> None:
    """Show the slice in which a voxel of a layer lies, along whichever axes are shown.

    Parameters
    ----------
    viewer : ViewerModel
        Its slices move; the camera stays.
    layer : Layer
        Whose voxel it is.
    voxel : sequence of int
        One index per data axis of the layer.

    Raises
    ------
    ImageError
        If the slice cannot be read.
    """
    offset = viewer.dims.ndim - layer.ndim
    hidden = [a for a in range(layer.ndim) if a + offset not in viewer.dims.displayed]
    _turn_to(viewer, layer, voxel, hidden)


def show_plane(viewer: ViewerModel, layer: Layer, plane: Plane) -> None:
    """Go to a plane of a layer.

    Parameters
    ----------
    viewer : ViewerModel
        Its slices move; which axes are shown stays.
    layer : Layer
        Whose plane it is.
    plane : Plane
        In pixels of the layer.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    voxel = [0] * plane.ndim
    for axis, index in zip(plane.other_axes, plane.position, strict=True):
        voxel[axis] = index
    _turn_to(viewer, layer, voxel, plane.other_axes)


def _turn_to(
    viewer: ViewerModel, layer: Layer, voxel: Sequence[int], axes: Sequence[int]
) -> None:
    world, offset = _in_world(viewer, layer, voxel), viewer.dims.ndim - layer.ndim
    try:
        for axis in axes:
            viewer.dims.set_point(axis + offset, float(world[axis]))
    except Exception as error:  # napari reads it; array libraries raise anything
        raise ImageError(
            f"Expected to show plane {tuple(voxel[axis] for axis in axes)}, got: "
            f"{str(error) or type(error).__name__}. Check the image file."
        ) from error


def _in_world(
    viewer: ViewerModel, layer: Layer, voxel: Sequence[int]
) -> npt.NDArray[np.float64]:
    return np.asarray(layer.data_to_world(voxel)) / _unit_factors(viewer, layer)


def _shown_axes(viewer: ViewerModel, layer: Layer) -> tuple[int, int]:
    # While layers come and go, napari may tell of a view of too few axes.
    offset = len(viewer.dims.point) - layer.ndim
    shown = sorted(axis - offset for axis in viewer.dims.displayed)
    if offset < 0 or len(shown) != 2 or shown[0] < 0 or shown[1] >= layer.ndim:
        raise PlaneError(
            f"Expected a view along two axes of {layer.name!r}, got one along an axis "
            "that it does not have. Change the order of the dimensions."
        )
    return shown[0], shown[1]


def _unit_factors(viewer: ViewerModel, layer: Layer) -> npt.NDArray[np.float64]:
    # How many units of the layer make one unit of the world, per axis.
    world_units = getattr(viewer.dims, "units", None)
    if world_units is None or len(world_units) < layer.ndim:
        return np.ones(layer.ndim)
    pairs = zip(world_units[-layer.ndim :], layer.units, strict=True)
    return np.array([_factor(world, own) for world, own in pairs])


def _factor(world_unit: pint.Unit, layer_unit: pint.Unit) -> float:
    if world_unit == layer_unit or not world_unit.is_compatible_with(layer_unit):
        return 1.0
    return float((1 * world_unit).to(layer_unit).magnitude)


def _check_aligned(
    layer: Layer,
    world: npt.NDArray[np.float64],
    index: npt.NDArray[np.float64],
    shown: tuple[int, int],
) -> None:
    # Moving in the view has to leave the other data axes alone.
    others = [axis for axis in range(layer.ndim) if axis not in shown]
    for axis in shown:
        moved = world.copy()
        moved[axis] += 1
        step = np.abs(np.asarray(layer.world_to_data(moved)) - index)
        if others and step[others].max() > TOLERANCE * step.max():
            raise PlaneError(
                f"Expected a view along two data axes of {layer.name!r}, but the layer "
                "is rotated out of the slice. Reset its rotation or resample it."
            )
