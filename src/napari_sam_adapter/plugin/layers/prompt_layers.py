"""The Points layer that shows the prompts of one object; for drawings `prompt_shapes`.

Both layers are views of the session: they show the object under work on all planes
and are rebuilt from the session when the object changes or a step is undone. What
counts is the `features` table; colours and symbols only show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    from napari.layers import Layer, Shapes

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.planes import Plane

TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What a layer of ours takes over from its image."""

POSITIVE, NEGATIVE = "positive", "negative"
COLOURS = {POSITIVE: "#2fd36b", NEGATIVE: "#ff4d5e"}
SYMBOLS = {POSITIVE: "disc", NEGATIVE: "cross"}
POINT_SIZE_ON_SCREEN = 8, 14
"""Smallest and largest diameter in screen pixels, at any zoom."""


def transform_of(image: Layer) -> dict[str, Any]:
    """Return the keywords that lay a new layer over an image.

    Parameters
    ----------
    image : Layer
        The image.

    Returns
    -------
    dict
        Keywords of a layer's constructor.
    """
    return {name: getattr(image, name) for name in TRANSFORMS}


def build_points_layer(image: Layer) -> Points:
    """Return an empty Points layer for the prompts of an image.

    Parameters
    ----------
    image : Layer
        Where it shall lie.

    Returns
    -------
    Points
        Not yet in a viewer.
    """
    empty = np.zeros(0, dtype=object)
    layer = Points(
        np.zeros((0, image.ndim)),
        ndim=image.ndim,
        name="SAM points",
        features={"polarity": empty, "axes": empty},
        face_color="polarity",
        face_color_cycle=COLOURS,
        border_color="white",
        border_width=0.1,
        size=10,
        canvas_size_limits=POINT_SIZE_ON_SCREEN,
        **transform_of(image),
    )
    layer.feature_defaults = {"polarity": POSITIVE, "axes": written(last_axes(image))}
    return layer


def last_axes(image: Layer) -> tuple[int, int]:
    """Return the axes that napari shows first.

    Parameters
    ----------
    image : Layer
        An image.

    Returns
    -------
    (int, int)
        Its last two axes.
    """
    return image.ndim - 2, image.ndim - 1


def set_next_point(layer: Points, positive: bool, axes: tuple[int, int]) -> None:
    """Say what the next point will be.

    Parameters
    ----------
    layer : Points
        From `build_points_layer`.
    positive : bool
        Whether it marks the object.
    axes : (int, int)
        Axes of the plane in view.
    """
    polarity = POSITIVE if positive else NEGATIVE
    set_features_of_next(layer, {"polarity": polarity, "axes": written(axes)})


def clipped(
    places: npt.NDArray[np.float64], axes: tuple[int, int], shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Move to the image's border what was put a little beside it.

    Parameters
    ----------
    places : (N, 2) float array
        (row, column) of one point, or the vertices of one shape.
    axes : (int, int)
        Axes of the plane.
    shape : tuple of int
        Spatial shape of the image.

    Returns
    -------
    (N, 2) float array
        Unchanged if all lies beside the image, which is to be refused. Nothing else may
        reach beyond the outermost pixels: napari would begin its steps along these
        axes there, between the slices.
    """
    last = np.array([shape[axis] - 1 for axis in axes])
    touches = (places.max(axis=0) >= -0.5) & (places.min(axis=0) <= last + 0.5)
    return np.clip(places, 0, last) if touches.all() else places


def set_features_of_next(layer: Points | Shapes, features: dict[str, str]) -> None:
    """Give the next point or shape its features.

    Parameters
    ----------
    layer : Points or Shapes
        A prompt layer.
    features : dict of str to str
        One value for each column.
    """
    present = layer.feature_defaults
    if any(present[name][0] != value for name, value in features.items()):
        layer.feature_defaults = features


def show_points(layer: Points, known: Mapping[Plane, Prompts]) -> None:
    """Make a layer show these prompts and nothing else.

    Parameters
    ----------
    layer : Points
        From `build_points_layer`.
    known : mapping of Plane to Prompts
        What the session has for the object.
    """
    rows = [
        (embed(plane, point), POSITIVE if sign else NEGATIVE, written(plane.axes))
        for plane, prompts in known.items()
        for point, sign in zip(prompts.points, prompts.signs, strict=True)
    ]
    layer.selected_data = set()
    if not rows and not len(layer.data):
        return  # every change makes napari draw thumbnail, colours and panels anew
    following = {key: values[0] for key, values in layer.feature_defaults.items()}
    layer.data = np.array([row[0] for row in rows]).reshape(-1, layer.ndim)
    if not (layer.visible and layer.loaded):
        layer.set_view_slice()  # napari would look for points that are gone
    layer.features = {
        "polarity": np.array([row[1] for row in rows], dtype=object),
        "axes": np.array([row[2] for row in rows], dtype=object),
    }
    set_features_of_next(layer, following)  # an empty table takes them away
    layer.refresh_colors()
    decorate(layer)


def decorate(layer: Points) -> None:
    """Give every point the symbol of its polarity.

    Parameters
    ----------
    layer : Points
        From `build_points_layer`.
    """
    symbols = [SYMBOLS[polarity] for polarity in layer.features["polarity"]]
    if symbols != [symbol.value for symbol in layer.symbol]:
        layer.symbol = symbols


def embed(plane: Plane, point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a pixel of a plane as a point of the volume.

    Parameters
    ----------
    plane : Plane
        Where it lies.
    point : (row, column)
        In pixels.

    Returns
    -------
    (D,) float array
        In data coordinates.
    """
    full = np.empty(plane.ndim)
    full[list(plane.other_axes)] = plane.position
    full[list(plane.axes)] = point
    return full


def axes_of(layer: Points | Shapes) -> Iterator[tuple[int, int]]:
    """Return the axes of the plane of each point or shape.

    Parameters
    ----------
    layer : Points or Shapes
        A prompt layer.

    Yields
    ------
    (int, int)
        In the order of the layer.
    """
    for text in layer.features["axes"]:
        row, column = text.split()
        yield int(row), int(column)


def written(axes: tuple[int, int]) -> str:
    """Return axes as the `features` table holds them.

    Parameters
    ----------
    axes : (int, int)
        Of a plane.

    Returns
    -------
    str
        For `axes_of`.
    """
    return f"{axes[0]} {axes[1]}"
