"""New objects of one plane that share a pass through the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.volume.asking.results import JointResult, PlaneResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.volume.asking.results import MaskRequest


def can_share(request: MaskRequest, other: MaskRequest) -> bool:
    """Whether two requests can be answered in one pass.

    Parameters
    ----------
    request, other : MaskRequest
        Of different objects.

    Returns
    -------
    bool
        True for single clicks on new objects of one plane.
    """
    return (
        request.plane == other.plane
        and request.predictor is other.predictor
        and all(r.prompts.is_ambiguous and r.previous is None for r in (request, other))
    )


def compute_together(requests: Sequence[MaskRequest]) -> JointResult:
    """Compute the masks of several objects in one pass; for any thread.

    Parameters
    ----------
    requests : sequence of MaskRequest
        Not empty; any two of them `can_share`.

    Returns
    -------
    JointResult
        For `Session.commit`.

    Raises
    ------
    ImageError
        If the plane cannot be read or segmented.
    """
    first = requests[0]
    predictions = first.predictor.predict_many(
        first.plane, [request.prompts for request in requests]
    )
    pairs = zip(predictions, requests, strict=True)
    results = tuple(PlaneResult.of(*pair) for pair in pairs)
    return JointResult(tuple(requests), results)
