"""The Points and the Shapes layer that show the prompts of one object.

Both layers are views of the session: they show the object under work on all planes
and are rebuilt from the session when the object changes or a step is undone. What
counts is the `features` table; colours and symbols only show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from napari.layers import Layer

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes import Plane

TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What a layer of ours takes over from its image."""

POSITIVE, NEGATIVE = "positive", "negative"
COLOURS = {POSITIVE: "#2fd36b", NEGATIVE: "#ff4d5e"}
SYMBOLS = {POSITIVE: "disc", NEGATIVE: "cross"}
BOX_COLOUR = "#ffd23f"
POINT_SIZE_ON_SCREEN = 8, 14
"""Smallest and largest diameter in screen pixels, at any zoom."""

Box = tuple[float, float, float, float]


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
    layer.feature_defaults = {"polarity": POSITIVE, "axes": _written(last_axes(image))}
    return layer


def build_boxes_layer(image: Layer) -> Shapes:
    """Return an empty Shapes layer for the boxes of an image.

    Parameters
    ----------
    image : Layer
        Where it shall lie.

    Returns
    -------
    Shapes
        Not yet in a viewer.
    """
    layer = Shapes(
        ndim=image.ndim,
        name="SAM boxes",
        features={"axes": np.zeros(0, dtype=object)},
        edge_color=BOX_COLOUR,
        face_color="transparent",
        edge_width=_edge_width(image),
        **transform_of(image),
    )
    layer.feature_defaults = {"axes": _written(last_axes(image))}
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


def set_defaults(layer: Points | Shapes, positive: bool, axes: tuple[int, int]) -> None:
    """Say what the next point or box of a layer will be.

    Parameters
    ----------
    layer : Points or Shapes
        A prompt layer.
    positive : bool
        Whether the next point marks the object.
    axes : (int, int)
        Axes of the plane in view.
    """
    defaults = {"axes": _written(axes)}
    if isinstance(layer, Points):
        defaults["polarity"] = POSITIVE if positive else NEGATIVE
    present = layer.feature_defaults
    if any(present[name][0] != value for name, value in defaults.items()):
        layer.feature_defaults = defaults


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
        (_embed(plane, point), POSITIVE if sign else NEGATIVE, _written(plane.axes))
        for plane, prompts in known.items()
        for point, sign in zip(prompts.points, prompts.signs, strict=True)
    ]
    layer.selected_data = set()
    # After an empty table napari's defaults are None, which cannot be sorted.
    layer.feature_defaults = {"polarity": POSITIVE, "axes": rows[0][2] if rows else ""}
    layer.data = np.array([row[0] for row in rows]).reshape(-1, layer.ndim)
    layer.features = {
        "polarity": np.array([row[1] for row in rows], dtype=object),
        "axes": np.array([row[2] for row in rows], dtype=object),
    }
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


def show_boxes(layer: Shapes, known: Mapping[Plane, Prompts]) -> None:
    """Make a layer show these boxes and nothing else.

    Parameters
    ----------
    layer : Shapes
        From `build_boxes_layer`.
    known : mapping of Plane to Prompts
        What the session has for the object.
    """
    layer.remove(list(range(layer.nshapes)))
    boxes = [(plane, p.box) for plane, p in known.items() if p.box is not None]
    if not boxes:
        return
    layer.add([_corners(plane, box) for plane, box in boxes], shape_type="rectangle")
    layer.features = {
        "axes": np.array([_written(plane.axes) for plane, _ in boxes], dtype=object)
    }


def _embed(plane: Plane, point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # A (row, column) pixel of a plane as a point of the volume.
    full = np.empty(plane.ndim)
    full[list(plane.other_axes)] = plane.position
    full[list(plane.axes)] = point
    return full


def _corners(plane: Plane, box: Box) -> npt.NDArray[np.float64]:
    row_min, column_min, row_max, column_max = box
    ring = [
        (row_min, column_min),
        (row_min, column_max),
        (row_max, column_max),
        (row_max, column_min),
    ]
    return np.array([_embed(plane, np.array(corner)) for corner in ring])


def _written(axes: tuple[int, int]) -> str:
    return f"{axes[0]} {axes[1]}"


def _edge_width(image: Layer) -> float:
    # A line width in data pixels that is visible and not clumsy.
    shape = np.asarray(image.level_shapes[0] if image.multiscale else image.data.shape)
    rows = shape[list(last_axes(image))]
    return float(max(0.5, rows.max() / 250))
