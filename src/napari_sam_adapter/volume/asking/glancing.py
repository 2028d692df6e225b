"""What is done before a click on a plane: windows encoded ahead, and previews.

On a plane that is not large there is nothing to choose: it is encoded as a whole.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.predictions import is_large
from napari_sam_adapter.volume.asking.window_search import WindowSearch, first_side
from napari_sam_adapter.volume.planes.windows import (
    Focus,
    extent_of,
    windows_around,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.asking.results import MaskRequest
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.windows import Window

REACH = 2
"""Windows in each direction that are encoded around a place: 25 of them in all."""
ENOUGH = 8
"""A preview wants this part of its window on every side of the mouse."""


def is_in_parts(predictor: PlanePredictor, plane: Plane) -> bool:
    """Return whether a plane is looked at through windows.

    Parameters
    ----------
    predictor : PlanePredictor
        Of the volume.
    plane : Plane
        Cut of the volume.

    Returns
    -------
    bool
        True if it is large for the network.
    """
    shape = plane.shape(predictor.volume.shape)
    return is_large(shape, predictor.predictor.image_size)


def can_glance(predictor: PlanePredictor, plane: Plane, near: Focus) -> bool:
    """Return whether `glance` answers a first point without encoding.

    Parameters
    ----------
    predictor : PlanePredictor
        Of the volume.
    plane : Plane
        Cut of the volume.
    near : Focus
        The point.

    Returns
    -------
    bool
        Also true where a neighbouring window shows enough around the point.
    """
    is_here = predictor.is_here(plane, near)
    return is_here or _window_here(predictor, plane, near) is not None


def glance(request: MaskRequest) -> MaskPrediction:
    """Segment one object for a preview: look closer only where that is encoded.

    Parameters
    ----------
    request : MaskRequest
        What a click would ask.

    Returns
    -------
    MaskPrediction
        The answer to the click, if `look_ahead` was done for it.

    Raises
    ------
    ImageError
        If the plane cannot be read or segmented.
    """
    predictor, plane = request.predictor, request.plane
    shape = plane.shape(predictor.volume.shape)
    prompts = request.prompts.without_polygons(shape)
    side = predictor.predictor.image_size
    if not is_in_parts(predictor, plane):
        closer = WindowSearch(prompts, shape, side).window
        if not predictor.is_embedded(plane, closer):
            prompts = replace(request.prompts, reduction=1.0)
        return predictor.predict(plane, prompts, request.previous)
    start, end = extent_of(prompts, shape)
    row, column = (start + end) / 2
    focus = Focus(float(row), float(column), prompts.reduction)
    first = _window_here(predictor, plane, focus)
    search = WindowSearch(prompts, shape, side, first)
    for _ in predictor.looks(search, plane, prompts, request.previous):
        is_here = predictor.is_embedded(plane, search.window)
        if search.best_so_far is not None and not is_here:
            break
    assert search.best_so_far is not None  # the whole plane cuts no mask off
    return search.best_so_far


def look_ahead(request: MaskRequest) -> Iterator[None]:
    """Encode everything that the answer to a click on a large plane will need.

    Parameters
    ----------
    request : MaskRequest
        What will probably be asked.

    Yields
    ------
    None
        After each look, so that something urgent can go first.

    Raises
    ------
    ImageError
        If the plane cannot be read or segmented.
    """
    predictor, plane = request.predictor, request.plane
    shape = plane.shape(predictor.volume.shape)
    prompts = request.prompts.without_polygons(shape)
    search = WindowSearch(prompts, shape, predictor.predictor.image_size)
    yield from predictor.looks(search, plane, prompts)


def look_around(predictor: PlanePredictor, plane: Plane, near: Focus) -> Iterator[None]:
    """Encode what first clicks around a point of a large plane will need.

    Parameters
    ----------
    predictor : PlanePredictor
        Of the volume.
    plane : Plane
        Cut of the volume.
    near : Focus
        Where the user looks.

    Yields
    ------
    None
        After each window, those in the middle first, so that anything else can go
        before the next one.
    """
    shape = plane.shape(predictor.volume.shape)
    side = first_side(predictor.predictor.image_size, near.reduction)
    for window in windows_around((near.row, near.column), shape, side, REACH):
        if not predictor.is_embedded(plane, window):
            with contextlib.suppress(ImageError):  # told when it is clicked
                predictor.embed(plane, window=window)
            yield


def _window_here(predictor: PlanePredictor, plane: Plane, near: Focus) -> Window | None:
    """Return the embedded first window that shows most around a point, if any."""
    if not is_in_parts(predictor, plane):
        return None
    shape = plane.shape(predictor.volume.shape)
    side = first_side(predictor.predictor.image_size, near.reduction)
    point = near.row, near.column
    windows = [
        window
        for window in windows_around(point, shape, side)
        if predictor.is_embedded(plane, window)
    ]
    best = max(windows, key=lambda window: window.room_around(point), default=None)
    return best if best and best.room_around(point) >= side // ENOUGH else None
