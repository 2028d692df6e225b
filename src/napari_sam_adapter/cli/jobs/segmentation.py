"""The work behind ``segment``: prompts to labels, slice by slice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError, PlaneError
from napari_sam_adapter.volume.asking.reasons import CONFLICT, NOTHING, REASONS
from napari_sam_adapter.volume.document.edits import NewObject
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.propagation.propagation_request import PropagationRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.asking.prompt_table import PlanePrompts
    from napari_sam_adapter.volume.planes.frame import Frame
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.session.session import Session


@dataclass(frozen=True)
class SliceReport:
    """What happened to one object on one slice.

    Parameters
    ----------
    object_id : int
        Number of the object in the labels.
    position : tuple of int
        Index of the slice on every axis that it does not show.
    score : float or None
        The network's own estimate of the IoU; None where it is not to be trusted.
    confidence : float
        0 to 1; falls where the object is followed over a doubtful slice.
    reason : str
        As in `PlaneResult`: empty for a good mask, or why it is doubtful or missing.
    is_used : bool
        Whether the mask is in the labels.
    """

    object_id: int
    position: tuple[int, ...]
    score: float | None
    confidence: float
    reason: str = ""
    is_used: bool = True

    @property
    def is_unreadable(self) -> bool:
        """Whether the reason is a sentence about a slice that cannot be read."""
        return self.reason not in REASONS


def plan_propagation(
    planes: Iterable[Plane], frame: Frame, start: int | None, stop: int | None
) -> list[PropagationRange]:
    """Say which slices follow from the prompted ones.

    Parameters
    ----------
    planes : iterable of Plane
        Slices on which one object has prompts.
    frame : Frame
        The image.
    start, stop : int or None
        First and last slice to segment; default the ends of the image.

    Returns
    -------
    list of PropagationRange
        One per row of slices along the axis, from its first slice with prompts;
        several in a time series.

    Raises
    ------
    PlaneError
        If the image has no slices, or the range is empty, leaves the image or leaves
        out a prompted slice.
    """
    if frame.sliced is None:
        raise PlaneError("Expected a volume to propagate through, got a 2-D image.")
    last = frame.shape[frame.sliced] - 1
    start, stop = 0 if start is None else start, last if stop is None else stop
    if not 0 <= start <= stop <= last:
        raise PlaneError(
            f"Expected --start and --stop from 0 to {last} in this order, got {start} "
            f"and {stop}."
        )
    rows: dict[Plane, list[int]] = defaultdict(list)
    for plane in planes:
        rows[plane.at(frame.sliced, 0)].append(plane.index_along(frame.sliced))
    return [
        _range(row, frame.sliced, sorted(seeds), start, stop)
        for row, seeds in rows.items()
    ]


def segment_objects(
    session: Session,
    objects: Sequence[PlanePrompts],
    plans: Sequence[Sequence[PropagationRange]],
    numbers: Sequence[int],
) -> Iterator[SliceReport]:
    """Segment objects one after the other; what cannot be read stops nothing else.

    Parameters
    ----------
    session : Session
        Takes the masks.
    objects : sequence of dict
        Prompts of every object, by slice.
    plans : sequence of sequences of PropagationRange
        Where to follow every object to; empty for the prompted slices only.
    numbers : sequence of int
        The label of every object.

    Yields
    ------
    SliceReport
        After every slice.

    Raises
    ------
    ImageError
        If no slice with prompts can be segmented at all.
    """
    asked_for = []
    for object_id, prompts, plan in zip(numbers, objects, plans, strict=True):
        session.apply(NewObject(object_id))
        found = []
        for plane, asked in prompts.items():
            report = _segment_slice(session, object_id, plane, asked)
            if report.is_used:
                found.append(plane)
            asked_for.append(report)
            yield report
        for where in plan:
            if any(map(where.has_beside, found)):
                yield from _follow(session, object_id, where)
    if asked_for and all(report.is_unreadable for report in asked_for):
        raise ImageError(asked_for[0].reason)


def _segment_slice(
    session: Session, object_id: int, plane: Plane, prompts: Prompts
) -> SliceReport:
    session.set_prompts(object_id, plane, prompts)
    try:
        found = bool(session.mask(object_id, plane).any())
    except ImageError as error:
        reason = str(error)
        return SliceReport(object_id, plane.position, None, 0.0, reason, is_used=False)
    score = session.score(object_id, plane)
    confidence = float(session.confidence(object_id, plane) or 0)
    reason = "" if found else _reason_of_none(session, object_id, plane)
    return SliceReport(object_id, plane.position, score, confidence, reason, found)


def _reason_of_none(session: Session, object_id: int, plane: Plane) -> str:
    asked = session.objects.mask_asked_for(object_id, plane)
    return CONFLICT if asked is not None and asked.area else NOTHING


def _follow(
    session: Session, object_id: int, where: PropagationRange
) -> Iterator[SliceReport]:
    results = propagate(
        session,
        object_id,
        where.start,
        where.stop,
        axis=where.axis,
        seed=where.seed,
    )
    for result in results:
        yield SliceReport(
            object_id,
            result.plane.position,
            result.trusted_score,
            float(result.confidence),
            result.reason,
            result.is_usable,
        )


def unreadable_slices(reports: Iterable[SliceReport]) -> dict[tuple[int, ...], str]:
    """Say which slices could not be read, and why.

    Parameters
    ----------
    reports : iterable of SliceReport
        All of them.

    Returns
    -------
    dict of tuple of int to str
        A sentence for each position.
    """
    return {r.position: r.reason for r in reports if r.is_unreadable}


def _range(
    row: Plane, axis: int, seeds: Sequence[int], start: int, stop: int
) -> PropagationRange:
    if seeds[0] < start or seeds[-1] > stop:
        raise PlaneError(
            f"Expected all prompts between --start {start} and --stop {stop}, got "
            f"prompts on {', '.join(map(str, seeds))}."
        )
    return PropagationRange(row.at(axis, seeds[0]), axis, start, stop)


def summarise_objects(
    session: Session, reports: Iterable[SliceReport], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Sum up what became of every object, ready for JSON.

    Parameters
    ----------
    session : Session
        With finished masks.
    reports : iterable of SliceReport
        All of them.
    names : mapping of int to str
        What a table calls the objects; empty if there is none.

    Returns
    -------
    list of dict
        Per object its number, voxels, mean score over the slices that have one, and
        the slices. The score is None where it is not to be trusted.
    """
    slices: dict[int, dict[tuple[int, ...], SliceReport]] = defaultdict(dict)
    for report in reports:
        slices[report.object_id][report.position] = report
    return [
        {
            "object": object_id,
            **({"name": names[object_id]} if names else {}),
            "voxels": session.objects.summary(object_id).voxels,
            **_as_json(slices[object_id]),
        }
        for object_id in session.object_ids
    ]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return round(float(np.mean(known)), 4) if known else None


def _as_json(reports: Mapping[tuple[int, ...], SliceReport]) -> dict[str, Any]:
    slices = [_slice_as_json(reports[position]) for position in sorted(reports)]
    used = [entry["score"] for entry in slices if entry["used"]]
    return {"score": _mean(used), "slices": slices}


def _slice_as_json(report: SliceReport) -> dict[str, Any]:
    return {
        "position": report.position,
        "score": None if report.score is None else round(report.score, 4),
        "confidence": round(report.confidence, 4),
        "reason": report.reason,
        "used": report.is_used,
    }
