"""What is seen of an object on a large plane before the closer look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.volume.asking.glancing import is_in_parts
from napari_sam_adapter.volume.asking.results import PlaneResult
from napari_sam_adapter.volume.asking.window_search import WindowSearch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.volume.asking.results import MaskRequest


@dataclass(frozen=True, eq=False)
class FirstLook:
    """An answer to look at until the one that counts is there; never committed.

    Parameters
    ----------
    request : MaskRequest
        What was asked.
    prediction : MaskPrediction
        What one window shows, about the plane.
    """

    request: MaskRequest
    prediction: MaskPrediction


def compute_in_looks(request: MaskRequest) -> Iterator[FirstLook | PlaneResult]:
    """Compute a mask as `Session.compute` does, and show what is seen on the way.

    Parameters
    ----------
    request : MaskRequest
        What is asked; for any thread.

    Yields
    ------
    FirstLook or PlaneResult
        A first look wherever the next one has to be encoded, then the result.

    Raises
    ------
    ImageError
        If the plane cannot be read or segmented.
    """
    predictor, plane = request.predictor, request.plane
    if not is_in_parts(predictor, plane):
        found = predictor.predict(plane, request.prompts, request.previous)
        yield PlaneResult.of(found, request)
        return
    shape = plane.shape(predictor.volume.shape)
    prompts = request.prompts.without_polygons(shape)
    search = WindowSearch(prompts, shape, predictor.predictor.image_size)
    for _ in predictor.looks(search, plane, prompts, request.previous):
        window, seen = search.window, search.best_so_far
        if window and seen and not predictor.is_embedded(plane, window):
            yield FirstLook(request, seen)
    yield PlaneResult.of(search.answer, request)
