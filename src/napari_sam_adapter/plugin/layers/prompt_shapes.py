"""The Shapes layer for boxes, scribbles and outlines: what it shows, what it says.

Rectangles are boxes, open paths are scribbles, polygons are outlines. As in the Points
layer the `features` table counts; colours and signs only show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_sam_adapter.drawings import FEWEST_CORNERS, Polygon, Scribble
from napari_sam_adapter.plugin.layers.prompt_layers import (
    COLOURS,
    NEGATIVE,
    POSITIVE,
    axes_of,
    clipped,
    embed,
    last_axes,
    set_features_of_next,
    transform_of,
    written,
)
from napari_sam_adapter.volume.planes.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    from napari.layers import Layer

    from napari_sam_adapter.prompts import Prompts

RECTANGLE, PATH, POLYGON = "rectangle", "path", "polygon"
LINES = PATH, "line"
SIGNS = {POSITIVE: "+", NEGATIVE: "\N{MINUS SIGN}"}
SIGN_SIZE = 14
SMALLEST_BOX = 1.0
"""Shorter edges, in data pixels, are a click that was not meant as a box."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Drawn:
    """What is drawn on one plane.

    Parameters
    ----------
    box : (row_min, column_min, row_max, column_max) or None
        In pixels.
    scribbles : tuple of Scribble
        In the order of the layer.
    polygons : tuple of Polygon
        In the order of the layer.
    """

    box: Box | None = None
    scribbles: tuple[Scribble, ...] = ()
    polygons: tuple[Polygon, ...] = ()


def build_shapes_layer(image: Layer) -> Shapes:
    """Return an empty Shapes layer for what is drawn over an image.

    Parameters
    ----------
    image : Layer
        Where it shall lie.

    Returns
    -------
    Shapes
        Not yet in a viewer.
    """
    empty = np.zeros(0, dtype=object)
    layer = Shapes(
        ndim=image.ndim,
        name="SAM shapes",
        features={"polarity": empty, "sign": empty, "axes": empty},
        edge_color=COLOURS[POSITIVE],
        face_color="transparent",
        edge_width=_edge_width(image),
        text={"string": "{sign}", "size": SIGN_SIZE, "color": "white"},
        **transform_of(image),
    )
    set_next_shape(layer, True, last_axes(image))
    return layer


def set_next_shape(layer: Shapes, positive: bool, axes: tuple[int, int]) -> None:
    """Say what the next shape will be.

    Parameters
    ----------
    layer : Shapes
        From `build_shapes_layer`.
    positive : bool
        Whether it marks the object.
    axes : (int, int)
        Axes of the plane in view.
    """
    polarity = POSITIVE if positive else NEGATIVE
    sign = "" if layer.mode == "add_rectangle" else SIGNS[polarity]
    features = {"polarity": polarity, "sign": sign, "axes": written(axes)}
    set_features_of_next(layer, features)


def show_shapes(layer: Shapes, known: Mapping[Plane, Prompts]) -> None:
    """Make a layer show what was drawn and nothing else.

    Parameters
    ----------
    layer : Shapes
        From `build_shapes_layer`.
    known : mapping of Plane to Prompts
        What the session has for the object.
    """
    if layer.nshapes or not is_whole(layer):
        layer.data = []
    rows = [row for plane, prompts in known.items() for row in _rows(plane, prompts)]
    if not rows:
        return
    outlines, kinds, polarities, axes = zip(*rows, strict=True)
    layer.add(list(outlines), shape_type=list(kinds))
    pairs = zip(kinds, polarities, strict=True)
    signs = ["" if kind == RECTANGLE else SIGNS[sign] for kind, sign in pairs]
    columns = {"polarity": polarities, "sign": signs, "axes": axes}
    layer.features = {k: np.array(v, dtype=object) for k, v in columns.items()}
    layer.refresh_text()
    colour_shapes(layer)


def colour_shapes(layer: Shapes) -> None:
    """Give every shape the colour of its polarity.

    Parameters
    ----------
    layer : Shapes
        From `build_shapes_layer`.
    """
    if not is_whole(layer):
        return
    wanted = [COLOURS[polarity] for polarity in layer.features["polarity"]]
    shown = [_hex(colour) for colour in layer.edge_color]
    if shown != wanted:
        layer.edge_color = wanted


def is_whole(layer: Shapes) -> bool:
    """Whether every shape has its row in the table.

    Parameters
    ----------
    layer : Shapes
        From `build_shapes_layer`.

    Returns
    -------
    bool
        False after a lasso that was too short: napari drops it, the last shape, but not
        its features and colours. The layer has to be drawn anew.
    """
    return bool(layer.nshapes == len(layer.features))


def finish_drawing(layer: Shapes) -> None:
    """End what is being drawn, as napari does when another tool is taken.

    Parameters
    ----------
    layer : Shapes
        Left in its mode.
    """
    mode = layer.mode
    if mode.startswith("add_"):
        layer.mode = "pan_zoom"
        layer.mode = mode


def read_shapes(layer: Shapes, shape: tuple[int, ...]) -> dict[Plane, Drawn]:
    """Return what is drawn, plane by plane; the last box of a plane counts.

    Parameters
    ----------
    layer : Shapes
        From `build_shapes_layer`. An ellipse counts as its bounding box; a box that is
        too small, and an outline of fewer than three corners, not at all.
    shape : tuple of int
        Spatial shape of the image; what reaches beyond is clipped.

    Returns
    -------
    dict of Plane to Drawn
        In pixels of the planes.
    """
    found: dict[Plane, Drawn] = {}
    table = zip(  # not strict: see `is_whole`
        layer.data, layer.shape_type, axes_of(layer), layer.features["polarity"],
        strict=False,
    )  # fmt: skip
    for corners, kind, axes, polarity in table:
        plane = Plane.from_index(axes, corners.min(axis=0).tolist())
        known = found.get(plane, Drawn())
        flat = clipped(np.asarray(corners[:, list(axes)], dtype=float), axes, shape)
        found[plane] = _with_shape(known, flat, kind, polarity != NEGATIVE)
    return found


def count_shapes(prompts: Prompts) -> int:
    """Return how many shapes show these prompts.

    Parameters
    ----------
    prompts : Prompts
        Of one plane.

    Returns
    -------
    int
        Boxes, scribbles and polygons.
    """
    drawn = len(prompts.scribbles) + len(prompts.polygons)
    return drawn + (prompts.box is not None)


def _with_shape(
    drawn: Drawn, corners: npt.NDArray[np.float64], kind: str, positive: bool
) -> Drawn:
    box, scribbles, polygons = drawn.box, drawn.scribbles, drawn.polygons
    if kind in LINES:
        scribbles = (*scribbles, Scribble(corners, positive))
    elif kind == POLYGON:
        if len(corners) >= FEWEST_CORNERS:
            polygons = (*polygons, Polygon(corners, positive))
    else:
        low, high = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        if min(high[0] - low[0], high[1] - low[1]) >= SMALLEST_BOX:
            box = low[0], low[1], high[0], high[1]
    return Drawn(box, scribbles, polygons)


def _rows(plane: Plane, prompts: Prompts) -> Iterator[tuple[Any, str, str, str]]:
    # outline in the volume, kind, polarity, axes
    axes = written(plane.axes)
    if prompts.box is not None:
        yield _corners(plane, prompts.box), RECTANGLE, POSITIVE, axes
    for scribble in prompts.scribbles:
        sign = POSITIVE if scribble.positive else NEGATIVE
        yield _embedded(plane, scribble.path), PATH, sign, axes
    for polygon in prompts.polygons:
        sign = POSITIVE if polygon.positive else NEGATIVE
        yield _embedded(plane, polygon.corners), POLYGON, sign, axes


def _embedded(plane: Plane, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # napari has no path of a single vertex
    if len(points) == 1:
        points = np.repeat(points, 2, axis=0)
    return np.array([embed(plane, point) for point in points])


def _corners(plane: Plane, box: Box) -> npt.NDArray[np.float64]:
    row_min, column_min, row_max, column_max = box
    ring = [
        (row_min, column_min),
        (row_min, column_max),
        (row_max, column_max),
        (row_max, column_min),
    ]
    return _embedded(plane, np.array(ring))


def _hex(colour: npt.NDArray[np.floating[Any]]) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour[:3])


def _edge_width(image: Layer) -> float:
    # A line width in data pixels that is visible and not clumsy.
    rows = np.ptp(image.extent.data, axis=0)[list(last_axes(image))]
    return float(max(0.5, rows.max() / 250))
