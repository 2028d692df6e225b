"""Follow objects from plane to plane."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from napari_sam_adapter.boxed_mask import BoxedMask, place
from napari_sam_adapter.errors import ImageError, PlaneError, SessionError
from napari_sam_adapter.follow_rule import FollowRule
from napari_sam_adapter.volume.document.bystanders import Bystanders
from napari_sam_adapter.volume.document.performing_objects import require_unlocked
from napari_sam_adapter.volume.planes.plane import whole_numbers
from napari_sam_adapter.volume.planes.spoken import name_of
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationRange,
    PropagationRequest,
    PropagationSettings,
    objects_to_follow,
)
from napari_sam_adapter.volume.propagation.stop_rule import StopRule
from napari_sam_adapter.volume.propagation.stretches import (
    Anchor,
    Stretch,
    parallel_planes,
    stretches_between,
)
from napari_sam_adapter.wording import any_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.asking.results import PlaneResult
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume
    from napari_sam_adapter.volume.session.session import Session

__all__ = [
    "FollowRule",
    "PropagationRequest",
    "PropagationSettings",
    "StopRule",
    "follow",
    "propagate",
]


def propagate(
    session: Session,
    object_ids: int | Iterable[int],
    start: int | None = None,
    stop: int | None = None,
    *,
    axis: int | str | None = None,
    seed: Plane | None = None,
    settings: PropagationSettings | None = None,
    again: bool = False,
) -> Iterator[PlaneResult]:
    """Follow objects through the volume and write every good mask.

    Parameters
    ----------
    session : Session
        Document with the objects; changed between the results.
    object_ids : int or iterable of int
        One object, or several that are followed together.
    start, stop : int or None
        First and last index along the axis, both included; the ends of the volume
        by default.
    axis : int, str or None
        Axis to follow, one that the seed plane does not show; by default the last.
        From 0, from -1 backwards, or its letter, if the volume was told its axes.
    seed : Plane or None
        Plane that says along which planes to go; by default the last one on which the
        user worked on the first object. Where an object has no anchor along these
        planes, it is followed from its mask on the seed.
    settings : PropagationSettings or None
        How, and when to stop.
    again : bool
        Whether to compute anew what follows from anchors that did not change.

    Yields
    ------
    PlaneResult
        At most one per object and plane; already committed.

    Raises
    ------
    SessionError
        If there is no such object, no predictor, or no mask to begin with.
    PlaneError
        If the range lies outside the volume.
    ImageError
        If the plane to begin with cannot be read or segmented.

    Notes
    -----
    The planes on which the user worked are anchors and stay as they are. Between two
    anchors an object is followed from both sides. An anchor without a mask is where
    the object ends; where prompts ask for the object and no mask came of it, it is
    followed past that plane, which stays as it is. After a change at one anchor only
    the planes up to the next anchors are computed again.

    Undo takes everything back at once. The loop may be left at any time: what was
    yielded is in the labels and in the journal, and nothing else.
    """
    several = objects_to_follow(object_ids)
    seed = seed or session.default_seed(several[0])
    where = resolve_range(session.volume, seed, axis, start, stop)
    session.mask(several[0], seed)
    _compute_anchors(session, several, where)
    request = session.propagation(
        several, start, stop, axis=axis, seed=seed, settings=settings, again=again
    )
    try:
        for result in follow(request):
            if result is not None:
                session.commit(result)
                yield result
    finally:
        session.finish_propagation(request)


def _compute_anchors(
    session: Session, object_ids: Sequence[int], where: PropagationRange
) -> None:
    for object_id in object_ids:
        for plane in session.anchors(object_id):
            if where.has_beside(plane) and session.needs_mask(object_id, plane):
                with suppress(ImageError):  # then the object is followed past it
                    session.mask(object_id, plane)


def resolve_range(
    volume: Volume,
    seed: Plane,
    axis: int | str | None,
    start: int | None,
    stop: int | None,
) -> PropagationRange:
    """Fill in what was left open of a range, and check it.

    Parameters
    ----------
    volume : Volume
        The image.
    seed : Plane
        One of the planes.
    axis, start, stop : int, str or None
        As in `propagate`.

    Returns
    -------
    PropagationRange
        Inside the volume.

    Raises
    ------
    SessionError
        If there is no axis to follow.
    PlaneError
        If the seed, the axis or the range does not fit the volume.
    """
    seed.check(shape := volume.shape)
    if not seed.other_axes:
        raise SessionError(
            "Expected a volume to follow the object through, got one plane."
        )
    axis = seed.other_axes[-1] if axis is None else _axis(volume, seed, axis)
    start = 0 if start is None else start
    stop = shape[axis] - 1 if stop is None else stop
    start, stop = whole_numbers((start, stop), "ends of a range")
    if not 0 <= start <= stop < shape[axis]:
        raise PlaneError(
            f"Expected a range inside 0 to {shape[axis] - 1} on axis {axis}, the lower "
            f"end first, got {start} to {stop}."
        )
    return PropagationRange(seed, axis, start, stop)


def _axis(volume: Volume, seed: Plane, asked: int | str) -> int:
    named = str.lower(asked) if isinstance(asked, str) else asked
    letters = {i: volume.letters[i : i + 1] for i in seed.other_axes}
    for axis, letter in letters.items():
        if named in (axis, axis - volume.ndim, letter or None):
            return axis
    choices = [f"{i} ({letter})" if letter else f"{i}" for i, letter in letters.items()]
    raise PlaneError(
        f"Expected axis {any_of(choices)} to follow, got {asked!r}. It is one that the "
        f"plane does not show; this one shows {seed.axes[0]} and {seed.axes[1]}."
    )


def request_propagation(
    document: Document,
    predictor: PlanePredictor | None,
    number: int,
    object_ids: Sequence[int],
    where: PropagationRange,
    settings: PropagationSettings,
    again: bool,
    spacing: tuple[float, ...],
    spares_all: bool,
) -> PropagationRequest:
    """Take from the document what a worker needs to follow objects.

    Parameters
    ----------
    document : Document
        With a mask of every object on an anchor or on the seed plane.
    predictor : PlanePredictor or None
        Segments planes; None for a method without a network.
    number, object_ids, where, settings, again, spacing, spares_all
        As of `StartPropagation`.

    Returns
    -------
    PropagationRequest
        Independent of later edits.

    Raises
    ------
    SessionError
        If there is no such object, no mask of it to begin with, or it is locked.
    """
    model = dict(predictor.predictor.description) if predictor else {}
    window = predictor.volume.intensity if predictor else None
    recipe = repr((sorted(model.items()), window, settings, spacing))
    planes = parallel_planes(where.seed, where.axis, document.labels.shape[where.axis])
    stretches: list[Stretch] = []
    outdated: set[tuple[int, int]] = set()
    passed: set[tuple[int, int]] = set()
    for object_id in dict.fromkeys(object_ids):
        require_unlocked(document, object_id)
        anchors = _anchors(document, object_id, planes, where)
        passed |= {
            (object_id, index)
            for index, plane in planes.items()
            if index not in anchors and document.record(object_id, plane).is_anchor
        }
        parts = list(
            stretches_between(object_id, anchors, where.start, where.stop, recipe)
        )
        done = [
            part
            for part in parts
            if not (settings.needs_model or part.is_two_sided)
            or (not again and _is_done(document, part, planes, where))
        ]
        stretches += [part for part in parts if part not in done]
        outdated |= {
            (object_id, index)
            for index in range(where.start, where.stop + 1)
            if document.record(object_id, planes[index]).is_derived
            and not any(index in part for part in done)
        }
    return PropagationRequest(
        number,
        tuple(dict.fromkeys(object_ids)),
        where,
        settings,
        spacing,
        tuple(stretches),
        frozenset(outdated),
        frozenset(passed),
        _revisions(document, object_ids, planes, where),
        document.labels.shape,
        Bystanders(document, object_ids, spares_all),
        predictor,
    )


def _revisions(
    document: Document,
    object_ids: Sequence[int],
    planes: Mapping[int, Plane],
    where: PropagationRange,
) -> dict[tuple[int, int], int]:
    return {
        (object_id, index): document.revisions.of(object_id, planes[index])
        for object_id in object_ids
        for index in range(where.start, where.stop + 1)
    }


def _anchors(
    document: Document,
    object_id: int,
    planes: Mapping[int, Plane],
    where: PropagationRange,
) -> dict[int, Anchor]:
    anchors = {}
    for index, plane in planes.items():
        record = document.record(object_id, plane)
        if record.is_anchor:
            anchor = _anchor(document, object_id, plane, index)
            if anchor.is_source or not record.is_unanswered:
                anchors[index] = anchor
    if not any(anchor.is_source for anchor in anchors.values()):
        index = where.seed.index_along(where.axis)
        anchors[index] = _anchor(document, object_id, where.seed, index)
        if not anchors[index].is_source:
            raise SessionError(
                f"Expected a mask of object {object_id} on {name_of(where.seed)}, got "
                "none. Segment the object there first."
            )
    return anchors


def _anchor(document: Document, object_id: int, plane: Plane, index: int) -> Anchor:
    labels = plane.view(document.labels)
    box = document.ledger.box_on(object_id, plane)
    if box is None:
        return Anchor(index, BoxedMask.of(labels == object_id))
    pixels = labels[box[0] : box[2], box[1] : box[3]] == object_id
    return Anchor(index, place(pixels, box, labels.shape))


def _is_done(
    document: Document,
    stretch: Stretch,
    planes: Mapping[int, Plane],
    where: PropagationRange,
) -> bool:
    """Whether an earlier propagation left these planes as this one would."""
    indices = [i for i in range(stretch.first, stretch.last + 1) if i in where]
    if stretch.below is None:
        indices.reverse()
    for index in indices:
        record = document.record(stretch.object_id, planes[index])
        if record.is_anchor:
            continue  # followed past
        derivation = record.derivation
        if derivation is None or not derivation.is_from(stretch.fingerprint):
            return False
        if derivation.mask is None and not stretch.is_two_sided:
            return True  # the object ended here
    return True
