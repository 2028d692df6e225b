"""What one direction found on a plane, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.boxed_mask import nothing
from napari_sam_adapter.volume.asking.reasons import BEYOND
from napari_sam_adapter.volume.asking.results import AGREEMENT, PlaneResult
from napari_sam_adapter.volume.propagation.interpolation import interpolate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )
    from napari_sam_adapter.volume.propagation.stop_rule import Cues
    from napari_sam_adapter.volume.propagation.stretches import Stretch

BRIDGED = 0.2
"""Confidence of a mask that was interpolated over failures."""
ONE_SIDED = 0.5
"""Factor of confidence at the anchor from which the other direction did not come."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A mask on a plane, or why there is none.

    Parameters
    ----------
    mask : BoxedMask
        The object.
    score, confidence : float
        As in `PlaneResult`.
    reason : str
        As in `PlaneResult`.
    is_usable : bool
        Whether the mask is one.
    cues : Cues or None
        What was measured.
    score_is_trusted : bool
        Whether a network gave the score.
    """

    mask: BoxedMask
    score: float
    confidence: float
    reason: str = ""
    is_usable: bool = True
    cues: Cues | None = None
    score_is_trusted: bool = True


def bridge(
    first: BoxedMask,
    second: BoxedMask,
    weight: float,
    pixel: tuple[float, float],
    reason: str = "interpolated",
) -> Sighting:
    """Return a mask between two good ones.

    Parameters
    ----------
    first, second, weight, pixel
        As in `interpolate`.
    reason : str
        Why the plane itself gave none.

    Returns
    -------
    Sighting
        Of low confidence and without a score.
    """
    mask = interpolate(first, second, weight, pixel)
    is_usable = bool(mask.pixels.size)
    return Sighting(mask, 0.0, BRIDGED, reason, is_usable, score_is_trusted=False)


def fuse(
    rising: Sighting,
    falling: Sighting,
    weight: float,
    pixel: tuple[float, float],
    closure: float = 1.0,
) -> Sighting:
    """Join what both directions found on a plane between two anchors.

    Parameters
    ----------
    rising, falling : Sighting
        From the lower and from the higher anchor; both usable.
    weight : float
        Place between the anchors: 0 at the lower, 1 at the higher.
    pixel : (float, float)
        Height and width of a pixel.
    closure : float
        IoU of what was followed through the whole stretch with the anchor there: it
        tells how far a direction drifts, which grows with its way.

    Returns
    -------
    Sighting
        The nearer anchor counts more. Of low confidence where they disagree.
    """
    mask = rising.mask
    if mask.overlap(falling.mask) < 1:
        mask = interpolate(mask, falling.mask, weight, pixel)
    shares = 1 - weight, weight
    both = list(zip(shares, (rising, falling), strict=True))
    drift = 2 * weight * (1 - weight) * (1 - closure)
    agreed = [share * seen.mask.overlap(mask) for share, seen in both]
    trust = [a * seen.confidence for a, (_, seen) in zip(agreed, both, strict=True)]
    reason = rising.reason or falling.reason
    if not reason and sum(agreed) * (1 - drift) < AGREEMENT:
        reason = "disagreement"
    score = sum(share * seen.score for share, seen in both)
    is_usable = bool(mask.pixels.size)
    is_trusted = rising.score_is_trusted and falling.score_is_trusted
    return Sighting(
        mask, score, sum(trust) * (1 - drift), reason, is_usable, None, is_trusted
    )


def take_alone(seen: Sighting, share: float) -> Sighting:
    """Return what one direction found where the other did not get.

    Parameters
    ----------
    seen : Sighting
        Usable.
    share : float
        How much it would count beside the other: 1 at its own anchor.

    Returns
    -------
    Sighting
        Of lower confidence, the more the other would have counted.
    """
    factor = share + (1 - share) * ONE_SIDED
    return replace(
        seen, confidence=factor * seen.confidence, reason="one side", cues=None
    )


def made_disjoint(
    masks: Sequence[BoxedMask], scores: Sequence[float], object_ids: Sequence[int]
) -> list[BoxedMask]:
    """Give every pixel that several objects claim to the one with the best score.

    Parameters
    ----------
    masks : sequence of BoxedMask
        One per object, of one plane.
    scores : sequence of float
        Their scores.
    object_ids : sequence of int
        Decide between equal scores: the lower wins.

    Returns
    -------
    list of BoxedMask
        In the same order, without common pixels.
    """
    order = sorted(range(len(masks)), key=lambda i: (-scores[i], object_ids[i]))
    left, boxes = list(masks), np.array([mask.box for mask in masks]).reshape(-1, 4)
    for rank, number in enumerate(order):
        better = np.array(order[:rank], int)
        meet = (boxes[better, :2] < boxes[number, 2:]).all(1)
        meet &= (boxes[better, 2:] > boxes[number, :2]).all(1)
        for other in better[meet]:
            left[number] = left[number].without(masks[other])
    return left


def finish_plane(
    request: PropagationRequest,
    index: int,
    found: Mapping[int, tuple[Stretch, Sighting | None]],
) -> Iterator[PlaneResult]:
    """Turn what was found on a plane into results that do not overlap.

    Parameters
    ----------
    request : PropagationRequest
        What was asked.
    index : int
        The plane, inside the range.
    found : mapping of int to (Stretch, Sighting or None)
        By object; None if the object was not followed that far.

    Yields
    ------
    PlaneResult
        One per object that was looked for here, or has an old mask to be cleared.
    """
    found = {i: pair for i, pair in found.items() if (i, index) not in request.passed}
    sightings = {i: seen for i, (_, seen) in found.items() if seen and seen.is_usable}
    plane, spare = request.where.plane(index), request.bystanders.spare
    masks = made_disjoint(
        [spare(seen.mask, plane) for seen in sightings.values()],
        [seen.score for seen in sightings.values()],
        list(sightings),
    )
    left = dict(zip(sightings, masks, strict=True))
    for object_id, (stretch, seen) in found.items():
        if seen is not None:
            result = to_result(request, object_id, index, seen, stretch)
            mask = left.get(object_id, seen.mask)
            yield result if mask is seen.mask else result.less(mask)
        elif (object_id, index) in request.outdated:
            yield cleared(request, object_id, index, stretch)


def to_result(
    request: PropagationRequest,
    object_id: int,
    index: int,
    seen: Sighting,
    stretch: Stretch | None,
) -> PlaneResult:
    """Return a sighting as what can be committed.

    Parameters
    ----------
    request : PropagationRequest
        What was asked.
    object_id, index : int
        Object and plane.
    seen : Sighting
        What was found.
    stretch : Stretch or None
        The planes it is one of.

    Returns
    -------
    PlaneResult
        With its mask.
    """
    return PlaneResult(
        object_id,
        request.where.plane(index),
        seen.mask.like_whole(),
        seen.score,
        seen.confidence,
        seen.reason,
        None,
        request.revisions[object_id, index],
        request.number,
        seen.is_usable,
        request.origin(stretch, index) if stretch else None,
        seen.cues,
        request.score_is_trusted and seen.score_is_trusted,
        seen.mask.box,
    )


def cleared(
    request: PropagationRequest, object_id: int, index: int, stretch: Stretch | None
) -> PlaneResult:
    """Return the result that removes the mask of an earlier propagation.

    Parameters
    ----------
    request : PropagationRequest
        What was asked.
    object_id, index : int
        Object and plane.
    stretch : Stretch or None
        The planes it is one of; None where nothing follows from an anchor any more.

    Returns
    -------
    PlaneResult
        Without a mask.
    """
    return to_result(request, object_id, index, absent(request.shape, BEYOND), stretch)


def absent(shape: tuple[int, int], reason: str, cues: Cues | None = None) -> Sighting:
    """Return a sighting of nothing.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    reason : str
        Why there is no mask.
    cues : Cues or None
        What was measured.

    Returns
    -------
    Sighting
        Not usable.
    """
    score = cues.score if cues else 0.0
    return Sighting(nothing(shape), score, 0.0, reason, False, cues, cues is not None)
