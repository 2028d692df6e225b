"""The pure part of propagation: one mask after the other, nothing is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.changes import bounding_box
from napari_sam_adapter.volume.results import END, PlaneResult, clip_score

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.propagation import (
        PropagationRequest,
        PropagationSettings,
    )

SMALLEST_MARGIN = 1.0
"""Pixels by which the box of the next plane is larger at least."""


def follow(request: PropagationRequest) -> Iterator[PlaneResult]:
    """Follow an object without writing anything; for any thread.

    Parameters
    ----------
    request : PropagationRequest
        From `Session.propagation`.

    Yields
    ------
    PlaneResult
        One per plane, upwards from the seed, then downwards, to be committed on the
        main thread. The last of a direction has a `reason`.
    """
    seed = request.where.seed.index_along(request.where.axis)
    yield from _follow_indices(request, range(seed + 1, request.where.stop + 1))
    yield from _follow_indices(request, range(seed - 1, request.where.start - 1, -1))


def _follow_indices(
    request: PropagationRequest, indices: range
) -> Iterator[PlaneResult]:
    last_mask = request.mask
    for index in indices:
        result = _segment_next(request, index, last_mask)
        if index == indices[-1] and result.is_usable:
            result = replace(result, reason=END)
        yield result
        if result.reason:
            return
        last_mask = result.mask


def _segment_next(
    request: PropagationRequest, index: int, last_mask: npt.NDArray[np.bool_]
) -> PlaneResult:
    if index in request.anchors:
        return _stop(request, index, "anchor")
    plane = request.where.plane(index)
    capabilities = request.predictor.predictor.capabilities
    prompts = capabilities.understood(prompts_from_mask(last_mask, request.settings))
    try:
        prediction = request.predictor.predict(plane, prompts)
    except ImageError as error:
        return _stop(request, index, _explain(request.predictor, plane, error))
    return _judge(request, index, prediction, last_mask)


def _judge(
    request: PropagationRequest,
    index: int,
    prediction: MaskPrediction,
    last_mask: npt.NDArray[np.bool_],
) -> PlaneResult:
    overlap = mask_overlap(prediction.mask, last_mask)
    return PlaneResult(
        request.object_id,
        request.where.plane(index),
        prediction.mask,
        prediction.score,
        clip_score(prediction.score) * overlap,
        reason_to_stop(prediction, last_mask, request.settings),
        prediction,
        request.revisions[index],
        request.number,
    )


def _stop(request: PropagationRequest, index: int, reason: str) -> PlaneResult:
    plane = request.where.plane(index)
    nothing = np.zeros_like(request.mask)
    revision = request.revisions[index]
    return PlaneResult(
        request.object_id, plane, nothing, 0.0, 0.0, reason, None, revision,
        request.number,
    )  # fmt: skip


def _explain(predictor: PlanePredictor, plane: Plane, error: ImageError) -> str:
    # A plane that shows nothing is told from one that cannot be read.
    try:
        predictor.volume.read(plane)
    except ImageError:
        return str(error)
    return "empty"


def prompts_from_mask(
    mask: npt.NDArray[np.bool_], settings: PropagationSettings
) -> Prompts:
    """Return what is asked on the next plane.

    Parameters
    ----------
    mask : (H, W) bool array
        Mask of the last plane, not empty.
    settings : PropagationSettings
        Whether to use box and mask.

    Returns
    -------
    Prompts
        For a plane of the same shape.
    """
    box = _grown_box(mask, settings.box_margin) if settings.use_box else None
    return Prompts(box=box, mask=mask if settings.use_mask else None)


def _grown_box(
    mask: npt.NDArray[np.bool_], margin: float
) -> tuple[float, float, float, float]:
    start, stop = np.reshape(bounding_box(mask), (2, 2))
    grow = np.maximum(margin * (stop - start), SMALLEST_MARGIN)
    low = np.maximum(start - grow, -0.5)
    high = np.minimum(stop - 1 + grow, np.array(mask.shape) - 0.5)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def reason_to_stop(
    prediction: MaskPrediction,
    last_mask: npt.NDArray[np.bool_],
    settings: PropagationSettings,
) -> str:
    """Return why a mask is not to be trusted.

    Parameters
    ----------
    prediction : MaskPrediction
        Answer on the next plane.
    last_mask : (H, W) bool array
        Mask of the last plane, not empty.
    settings : PropagationSettings
        Limits.

    Returns
    -------
    str
        ``"empty"``, ``"low score"``, ``"jump"``, or ``""`` if it is good.
    """
    area, last_area = int(prediction.mask.sum()), int(last_mask.sum())
    if not area:
        return "empty"
    if prediction.score < settings.min_score:
        return "low score"
    change = max(area, last_area) / min(area, last_area)
    if change > settings.max_area_change:
        return "jump"
    if mask_overlap(prediction.mask, last_mask) < settings.min_overlap:
        return "jump"
    return ""


def mask_overlap(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks.

    Parameters
    ----------
    mask, other : (H, W) bool array
        Two masks.

    Returns
    -------
    float
        0 to 1; 0 if both are empty.
    """
    union = int((mask | other).sum())
    return int((mask & other).sum()) / union if union else 0.0
