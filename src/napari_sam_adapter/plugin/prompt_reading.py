"""What the user put into the prompt layers, compared with what the session has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.plugin.prompt_layers import NEGATIVE
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    from napari.layers import Points, Shapes

SMALLEST_BOX = 1.0
"""Shorter edges, in data pixels, are a click that was not meant as a box."""

Box = tuple[float, float, float, float]


def read_points(
    layer: Points,
) -> dict[Plane, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]:
    """Return the points of a layer, plane by plane.

    Parameters
    ----------
    layer : Points
        From `build_points_layer`.

    Returns
    -------
    dict of Plane to (points, polarities)
        (N, 2) pixels as (row, column) and (N,) bool, in the order of the layer.
    """
    found: dict[Plane, tuple[list[Any], list[bool]]] = {}
    polarities = layer.features["polarity"]
    for point, axes, polarity in zip(layer.data, _axes(layer), polarities, strict=True):
        plane = Plane.from_index(axes, point.tolist())
        points, signs = found.setdefault(plane, ([], []))
        points.append(point[list(axes)])
        signs.append(polarity != NEGATIVE)
    return {plane: (np.array(p), np.array(s)) for plane, (p, s) in found.items()}


def read_boxes(layer: Shapes) -> dict[Plane, Box]:
    """Return the box of every plane; the last one drawn counts.

    Parameters
    ----------
    layer : Shapes
        From `build_boxes_layer`. A shape that is no rectangle counts as its bounding
        box, one that is too small not at all.

    Returns
    -------
    dict of Plane to box
        (row_min, column_min, row_max, column_max) in pixels.
    """
    found: dict[Plane, Box] = {}
    for corners, axes in zip(layer.data, _axes(layer), strict=True):
        low, high = corners.min(axis=0), corners.max(axis=0)
        edges = (high - low)[list(axes)]
        if edges.min() < SMALLEST_BOX:
            continue
        row, column = axes
        plane = Plane.from_index(axes, low.tolist())
        found[plane] = (
            float(low[row]),
            float(low[column]),
            float(high[row]),
            float(high[column]),
        )
    return found


def merge(
    points: Points | None, boxes: Shapes | None, known: Mapping[Plane, Prompts]
) -> dict[Plane, Prompts]:
    """Return the prompts that the layers show now and that differ from the known.

    Parameters
    ----------
    points, boxes : layer or None
        The prompt layers; one that is gone leaves the known prompts as they are.
    known : mapping of Plane to Prompts
        What the session has for the object.

    Returns
    -------
    dict of Plane to Prompts
        Only planes where something changed; empty prompts where all was removed.
    """
    on_points = None if points is None else read_points(points)
    on_boxes = None if boxes is None else read_boxes(boxes)
    planes = {*known, *(on_points or ()), *(on_boxes or ())}
    changed = {}
    for plane in planes:
        old = new = known.get(plane, Prompts())
        if on_points is not None:
            new = _with_points(new, on_points.get(plane))
        if on_boxes is not None:
            new = _with_box(new, on_boxes.get(plane))
        if not _same(old, new):
            changed[plane] = new
    return changed


def shows_more(
    points: Points | None, boxes: Shapes | None, known: Mapping[Plane, Prompts]
) -> bool:
    """Return whether the layers show something that is no prompt.

    Parameters
    ----------
    points, boxes : layer or None
        The prompt layers.
    known : mapping of Plane to Prompts
        What the session has for the object.

    Returns
    -------
    bool
        True after a prompt was refused, or a box replaced by another one.
    """
    point_count = sum(len(prompts.points) for prompts in known.values())
    box_count = sum(prompts.box is not None for prompts in known.values())
    return (points is not None and len(points.data) != point_count) or (
        boxes is not None and boxes.nshapes != box_count
    )


def _with_points(
    prompts: Prompts,
    found: tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None,
) -> Prompts:
    points, polarities = found or (np.zeros((0, 2)), np.zeros(0, dtype=bool))
    return replace(prompts, points=points, polarities=polarities)


def _with_box(prompts: Prompts, box: Box | None) -> Prompts:
    # Shapes are kept in single precision: a box that only lost digits is the same.
    known = prompts.box
    if known is not None and box is not None and np.allclose(known, box):
        return prompts
    return replace(prompts, box=box)


def _same(one: Prompts, other: Prompts) -> bool:
    return len(one.points) == len(other.points) and one.extends(other)


def _axes(layer: Points | Shapes) -> Iterator[tuple[int, int]]:
    for text in layer.features["axes"]:
        row, column = text.split()
        yield int(row), int(column)
