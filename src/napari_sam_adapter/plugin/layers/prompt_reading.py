"""What the user put into the prompt layers, compared with what the session has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam_adapter.drawings import Polygon, Scribble
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.plugin.layers.prompt_layers import NEGATIVE, axes_of, clipped
from napari_sam_adapter.plugin.layers.prompt_shapes import (
    Drawn,
    count_shapes,
    is_whole,
    read_shapes,
)
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.document.objects import same_prompts
from napari_sam_adapter.volume.planes.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    from napari.layers import Points, Shapes

Line = TypeVar("Line", Scribble, Polygon)


def read_points(
    layer: Points, shape: tuple[int, ...]
) -> dict[Plane, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]:
    """Return the points of a layer, plane by plane.

    Parameters
    ----------
    layer : Points
        From `build_points_layer`.
    shape : tuple of int
        Spatial shape of the image.

    Returns
    -------
    dict of Plane to (points, polarities)
        (N, 2) pixels as (row, column) and (N,) bool, in the order of the layer.
    """
    found: dict[Plane, tuple[list[Any], list[bool]]] = {}
    polarities = layer.features["polarity"]
    for point, axes, polarity in zip(
        layer.data, axes_of(layer), polarities, strict=True
    ):
        plane = Plane.from_index(axes, point.tolist())
        points, signs = found.setdefault(plane, ([], []))
        points.append(clipped(point[None, list(axes)], axes, shape)[0])
        signs.append(polarity != NEGATIVE)
    return {plane: (np.array(p), np.array(s)) for plane, (p, s) in found.items()}


def merge(
    points: Points | None,
    shapes: Shapes | None,
    known: Mapping[Plane, Prompts],
    shape: tuple[int, ...],
) -> dict[Plane, Prompts]:
    """Return the prompts that the layers show now and that differ from the known.

    Parameters
    ----------
    points, shapes : layer or None
        The prompt layers; one that is gone leaves the known prompts as they are.
    known : mapping of Plane to Prompts
        What the session has for the object.
    shape : tuple of int
        Spatial shape of the image.

    Returns
    -------
    dict of Plane to Prompts
        Only planes where something changed; empty prompts where all was removed.

    Raises
    ------
    PromptError
        If the user clicked or drew beside the image.
    """
    on_points = None if points is None else read_points(points, shape)
    on_shapes = None if shapes is None else read_shapes(shapes, shape)
    planes = {*known, *(on_points or ()), *(on_shapes or ())}
    changed = {}
    for plane in planes:
        old = new = known.get(plane, Prompts())
        if on_points is not None:
            new = _with_points(new, on_points.get(plane), plane, shape)
        if on_shapes is not None:
            new = _with_shapes(new, on_shapes.get(plane, Drawn()), plane, shape)
        if not same_prompts(old, new):
            _check_inside(new, plane, shape)
            changed[plane] = new
    return changed


def shows_more(
    points: Points | None,
    shapes: Shapes | None,
    known: Mapping[Plane, Prompts],
    shape: tuple[int, ...],
) -> bool:
    """Return whether the layers show something that is no prompt.

    Parameters
    ----------
    points, shapes : layer or None
        The prompt layers.
    known : mapping of Plane to Prompts
        What the session has for the object.
    shape : tuple of int
        Spatial shape of the image.

    Returns
    -------
    bool
        True after a prompt was refused or clipped, or a box replaced by another one.
    """
    point_count = sum(len(prompts.points) for prompts in known.values())
    shape_count = sum(map(count_shapes, known.values()))
    if points is not None and len(points.data) != point_count:
        return True
    if shapes is not None and (shapes.nshapes != shape_count or not is_whole(shapes)):
        return True
    drawn = [] if shapes is None else list(shapes.data)
    drawn += [] if points is None else [points.data]
    last = np.subtract(shape, 1)
    return any(_reach_out(places, last) for places in drawn) and not any(
        _reach_out(places, last[list(plane.axes)])
        for plane, prompts in known.items()
        for places in _places(prompts)
    )


def _check_inside(prompts: Prompts, plane: Plane, shape: tuple[int, ...]) -> None:
    if len(prompts.points_outside(plane.shape(shape))):
        raise PromptError(
            "Expected a click or a line inside the image, got one beside it. Click "
            "inside the image."
        )


def _reach_out(places: npt.NDArray[Any], last: npt.NDArray[Any]) -> bool:
    return bool(np.any(places < 0) or np.any(places > last))


def _places(prompts: Prompts) -> Iterator[npt.NDArray[np.float64]]:
    """Yield all places of prompts that came from elsewhere than the window."""
    yield prompts.points
    yield from (_vertices(line) for line in prompts.scribbles)
    yield from (_vertices(line) for line in prompts.polygons)
    if prompts.box is not None:
        yield np.reshape(prompts.box, (2, 2))


def _with_points(
    prompts: Prompts,
    found: tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None,
    plane: Plane,
    shape: tuple[int, ...],
) -> Prompts:
    points, polarities = found or (np.zeros((0, 2)), np.zeros(0, dtype=bool))
    points = np.array(points, dtype=np.float64)
    for number, known in enumerate(prompts.points[: len(points)]):
        if np.allclose(clipped(known[None], plane.axes, shape)[0], points[number]):
            points[number] = known
    return replace(prompts, points=points, polarities=polarities)


def _with_shapes(
    prompts: Prompts, drawn: Drawn, plane: Plane, shape: tuple[int, ...]
) -> Prompts:
    # Shapes are kept in single precision: what only lost digits is the same.
    box, known = drawn.box, prompts.box
    if known is not None and box is not None:
        seen = clipped(np.reshape(known, (2, 2)), plane.axes, shape)
        box = known if np.allclose(seen.ravel(), box) else box

    def keep(known: tuple[Line, ...], found: tuple[Line, ...]) -> tuple[Line, ...]:
        return tuple(
            known[i] if i < len(known) and is_like(known[i], line) else line
            for i, line in enumerate(found)
        )

    def is_like(known: Line, found: Line) -> bool:
        seen = clipped(_vertices(known), plane.axes, shape)
        other = _vertices(found)
        is_same = known.positive == found.positive and seen.shape == other.shape
        return is_same and np.allclose(seen, other)

    return replace(
        prompts,
        box=box,
        scribbles=keep(prompts.scribbles, drawn.scribbles),
        polygons=keep(prompts.polygons, drawn.polygons),
    )


def _vertices(line: Scribble | Polygon) -> npt.NDArray[np.float64]:
    return line.path if isinstance(line, Scribble) else line.corners
